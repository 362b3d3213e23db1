/**
 * The first byte of every packet: opcode and key id (openvpn src/openvpn/ssl_pkt.h).
 *
 *   7      3 2    0
 *   | opcode | key |
 */
export const Opcode = {
  softResetV1: 3,
  controlV1: 4,
  ackV1: 5,
  dataV1: 6,
  hardResetClientV2: 7,
  hardResetServerV2: 8,
  dataV2: 9,
  hardResetClientV3: 10,
  controlWkcV1: 11,
} as const;
export type Opcode = (typeof Opcode)[keyof typeof Opcode];

export const SESSION_ID_BYTES = 8;

/** Whether a datagram's first byte makes it the data path's. */
export function isData(firstByte: number): boolean {
  const opcode = firstByte >>> 3;
  return opcode === Opcode.dataV1 || opcode === Opcode.dataV2;
}

/** The peer id of a DATA_V2 datagram at `at`, or undefined for anything else. 0xFFFFFF means none. */
export function peekPeerId(arena: Uint8Array, at: number, length: number): number | undefined {
  if (length < 4 || (arena[at] ?? 0) >>> 3 !== Opcode.dataV2) return undefined;
  return ((arena[at + 1] ?? 0) << 16) | ((arena[at + 2] ?? 0) << 8) | (arena[at + 3] ?? 0);
}

/** Opcode, key id and sender's session id of a control datagram: enough to find its session. Undefined for anything else. */
export function peekControl(
  datagram: Uint8Array,
): { readonly opcode: number; readonly keyId: number; readonly sessionId: bigint } | undefined {
  if (datagram.length < 1 + SESSION_ID_BYTES || isData(datagram[0] ?? 0)) return undefined;
  const first = datagram[0] ?? 0;
  const sessionId = new DataView(datagram.buffer, datagram.byteOffset).getBigUint64(1);
  return { opcode: first >>> 3, keyId: first & 7, sessionId };
}
