/** Changes to bytes, as values: drawn from a seed, written to the corpus, applied again. Positions wrap around, so every change fits. */
import type { SeededRandom } from '@culvert/testkit';

export type Change =
  | readonly ['set', at: number, value: number]
  | readonly ['flip', at: number, bit: number]
  | readonly ['u16', at: number, value: number]
  | readonly ['u32', at: number, value: number]
  | readonly ['cut', length: number]
  | readonly ['remove', at: number, length: number]
  | readonly ['insert', at: number, hex: string]
  | readonly ['repeat', at: number, length: number, times: number];

/** With its protection around it, what is longer fits no datagram that a socket takes. */
const LONGEST = 1_500;
const edges16 = [0, 1, 2, 7, 8, 9, 0x7f, 0xff, 0x100, 0x3ff, 0x400, 0x7ff, 0x7fff, 0x8000, 0xfffe, 0xffff];
const edges32 = [
  0, 1, 2, 11, 12, 13, 0xff, 0x0f00_0000, 0x7fff_ffff, 0x8000_0000, 0xff00_0000, 0xffff_fffe, 0xffff_ffff,
];
const edges8 = [
  0, 1, 2, 3, 4, 5, 7, 8, 9, 0x0f, 0x10, 0x20, 0x3f, 0x40, 0x45, 0x4f, 0x60, 0x7f, 0x80, 0xfa, 0xfb, 0xfe, 0xff,
];

/** What text of the protocol is made of. */
const words = [
  '\0',
  ',',
  ' ',
  '=',
  '\n',
  '"',
  '%s',
  '\u202e',
  'é',
  '-1',
  '0',
  '65536',
  '4294967296',
  '99999999999',
  '1e9',
  '::',
  '0.0.0.0/0',
  '255.255.255.255',
  '::ffff:1.2.3.4',
  'fe80::1%eth0',
  'PUSH_REQUEST',
  'PUSH_REPLY,',
  'AUTH_FAILED,',
  'EXIT',
  'INFO,',
  'RESTART,[P]',
  'CRV1:R,E:Om01u7Fh4LrGBS7uh0SWmzwabUiGiW6l:Y3Ix:',
  'TEMP[backoff 42]:',
  'timeout 999999',
  'push-continuation 2',
  'peer-id 16777215',
  'cipher BF-CBC',
  'compress lz4',
  'comp-lzo yes',
  'protocol-flags aead-epoch',
  'dev-type tap',
  'IV_CIPHERS=',
  'IV_PROTO=',
  'IV_NCP=2',
  '__proto__',
  'constructor',
  'route ',
  'dns server 0 address ',
  'auth-token ',
  'auth-token-user ',
  'tun-mtu 67',
  'ifconfig ',
];

export interface MutateOptions {
  /** Where three of four changes go, from and to. @default the whole */
  readonly focus?: readonly [number, number];
  /** Words of the protocol are put in. @default false */
  readonly text?: boolean;
}

export function drawChanges(random: SeededRandom, length: number, options: MutateOptions = {}): Change[] {
  const count = 1 + random.integer(random.chance(0.2) ? 6 : 2);
  return Array.from({ length: count }, () => drawChange(random, length, options));
}

export function applyChanges(bytes: Uint8Array, changes: readonly Change[]): Buffer<ArrayBuffer> {
  let out = Buffer.from(bytes);
  for (const change of changes) out = applyChange(out, change);
  return out.subarray(0, LONGEST);
}

function drawChange(random: SeededRandom, length: number, { focus, text = false }: MutateOptions): Change {
  const [from, to] = random.chance(0.75) && focus !== undefined ? focus : [0, length];
  const at = from + random.integer(Math.max(1, to - from));
  if (text && random.chance(0.5)) return ['insert', at, Buffer.from(pick(random, words)).toString('hex')];
  switch (random.integer(8)) {
    case 0:
      return ['set', at, random.integer(256)];
    case 1:
      return ['set', at, pick(random, edges8)];
    case 2:
      return ['u16', at, pick(random, edges16)];
    case 3:
      return ['u32', at, pick(random, edges32)];
    case 4:
      return random.chance(0.5) ? ['cut', at] : ['remove', at, 1 + random.integer(16)];
    case 5:
      return ['insert', at, Buffer.from(random.bytes(1 + random.integer(16))).toString('hex')];
    case 6:
      return ['repeat', at, 1 + random.integer(32), 1 + random.integer(random.chance(0.1) ? 60 : 3)];
    default:
      return ['flip', at, random.integer(8)];
  }
}

function applyChange(bytes: Buffer<ArrayBuffer>, change: Change): Buffer<ArrayBuffer> {
  const at = bytes.length === 0 ? 0 : change[1] % bytes.length;
  switch (change[0]) {
    case 'set':
      if (bytes.length > 0) bytes[at] = change[2];
      return bytes;
    case 'flip':
      if (bytes.length > 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << change[2]);
      return bytes;
    case 'u16':
      if (at + 2 <= bytes.length) bytes.writeUInt16BE(change[2], at);
      return bytes;
    case 'u32':
      if (at + 4 <= bytes.length) bytes.writeUInt32BE(change[2], at);
      return bytes;
    case 'cut':
      return bytes.subarray(0, at);
    case 'remove':
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + change[2])]);
    case 'insert':
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(change[2], 'hex'), bytes.subarray(at)]);
    case 'repeat': {
      const part = bytes.subarray(at, at + change[2]);
      return Buffer.concat([
        bytes.subarray(0, at),
        ...Array.from({ length: change[3] }, () => part),
        bytes.subarray(at),
      ]);
    }
  }
}

export function pick<T>(random: SeededRandom, from: readonly T[]): T {
  return from[random.integer(from.length)] as T;
}
