/** MD4 (RFC 1320), which node:crypto has no more. Broken for every use but the one that MS-CHAPv2 makes of it: the NT hash. */

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 16;
const LENGTH_BYTES = 8;

/** RFC 1320, section 3.4: for each round its function, its constant, the order of words and the shifts. */
const rounds = [
  {
    mix: (x: number, y: number, z: number) => (x & y) | (~x & z),
    constant: 0,
    order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    shifts: [3, 7, 11, 19],
  },
  {
    mix: (x: number, y: number, z: number) => (x & y) | (x & z) | (y & z),
    constant: 0x5a82_7999,
    order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
    shifts: [3, 5, 9, 13],
  },
  {
    mix: (x: number, y: number, z: number) => x ^ y ^ z,
    constant: 0x6ed9_eba1,
    order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
    shifts: [3, 9, 11, 15],
  },
] as const;

type State = [a: number, b: number, c: number, d: number];

/** The digest, 16 bytes. */
export function md4(message: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((message.length + 1 + LENGTH_BYTES) / BLOCK_BYTES) * BLOCK_BYTES);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - LENGTH_BYTES, BigInt(message.length) * 8n, true);
  let state: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
  for (let at = 0; at < padded.length; at += BLOCK_BYTES) state = block(state, view, at);
  padded.fill(0);
  const digest = new Uint8Array(DIGEST_BYTES);
  const words = new DataView(digest.buffer);
  for (const [i, word] of state.entries()) words.setInt32(4 * i, word, true);
  return digest;
}

function block(state: State, view: DataView, at: number): State {
  let [a, b, c, d] = state;
  for (const { mix, constant, order, shifts } of rounds) {
    order.forEach((word, step) => {
      const sum = (a + mix(b, c, d) + view.getUint32(at + 4 * word, true) + constant) | 0;
      const shift = shifts[step % 4] ?? 0;
      [a, b, c, d] = [d, (sum << shift) | (sum >>> (32 - shift)), b, c];
    });
  }
  return [(state[0] + a) | 0, (state[1] + b) | 0, (state[2] + c) | 0, (state[3] + d) | 0];
}
