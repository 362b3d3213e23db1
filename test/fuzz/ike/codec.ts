/** Bytes of IKEv1 as a peer makes them, with an encoder of its own that writes whatever it is told. */

import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';

/** A payload: type and body. */
export type Part = readonly [type: number, body: Uint8Array];

export const Type = {
  sa: 1,
  ke: 4,
  id: 5,
  cert: 6,
  certreq: 7,
  hash: 8,
  sig: 9,
  nonce: 10,
  notify: 11,
  delete: 12,
  vendor: 13,
  natd: 20,
  natoa: 21,
  fragment: 132,
} as const;

export function u16(value: number): Buffer {
  const out = Buffer.alloc(2);
  out.writeUInt16BE(value & 0xffff);
  return out;
}

export function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value >>> 0);
  return out;
}

export function chain(parts: readonly Part[]): Buffer {
  return Buffer.concat(
    parts.flatMap(([, body], n) => [Buffer.from([parts[n + 1]?.[0] ?? 0, 0]), u16(body.length + 4), body]),
  );
}

/** Payloads of an honest end's message: it is not looked whether they fit. */
export function parts(first: number, bytes: Uint8Array): Part[] {
  const all: Part[] = [];
  for (let type = first, at = 0; type !== 0 && at + 4 <= bytes.length; ) {
    const length = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    all.push([type, bytes.slice(at + 4, at + length)]);
    type = bytes[at] ?? 0;
    at += Math.max(4, length);
  }
  return all;
}

export function bodyOf(all: readonly Part[], type: number): Uint8Array {
  return all.find(([kind]) => kind === type)?.[1] ?? new Uint8Array();
}

/** What an attribute says: a number in the basic form. */
type Attribute = readonly [type: number, value: number];

/** The body of an SA payload with one proposal. */
export function offer(
  protocol: number,
  spi: Uint8Array,
  transforms: readonly (readonly [number, Attribute[]])[],
): Buffer {
  const bodies = transforms.map(([id, attributes], n) =>
    Buffer.concat([
      Buffer.from([n + 1, id, 0, 0]),
      ...attributes.flatMap(([type, value]) => [u16(0x8000 | type), u16(value)]),
    ]),
  );
  const list = bodies.flatMap((body, n) => [
    Buffer.from([n < bodies.length - 1 ? 3 : 0, 0]),
    u16(body.length + 4),
    body,
  ]);
  const proposal = Buffer.concat([Buffer.from([1, protocol, spi.length, transforms.length]), spi, ...list]);
  return Buffer.concat([u32(1), u32(1), Buffer.from([0, 0]), u16(proposal.length + 4), proposal]);
}

export interface Head {
  readonly initiatorCookie: Uint8Array;
  readonly responderCookie: Uint8Array;
  readonly exchange: number;
  readonly flags: number;
  readonly messageId: number;
}

export function message(head: Head, first: number, rest: Uint8Array): Buffer {
  const { initiatorCookie, responderCookie, exchange, flags, messageId } = head;
  const fixed = Buffer.from([first, 0x10, exchange, flags]);
  return Buffer.concat([initiatorCookie, responderCookie, fixed, u32(messageId), u32(28 + rest.length), rest]);
}

/** In pieces of Microsoft's kind (MS-IKEE, section 2.2.3), each with the whole's header. */
export function fragments(whole: Buffer, id: number, size: number): Buffer[] {
  const count = Math.ceil(whole.length / size);
  return Array.from({ length: count }, (_, n) => {
    const data = whole.subarray(n * size, (n + 1) * size);
    const body = Buffer.concat([u16(id), Buffer.from([n + 1, n === count - 1 ? 1 : 0]), data]);
    const head = Buffer.from(whole.subarray(0, 28));
    head[16] = Type.fragment;
    head[19] = 0;
    head.writeUInt32BE(28 + 4 + body.length, 24);
    return Buffer.concat([head, chain([[Type.fragment, body]])]);
  });
}

/** Of AES. */
const BLOCK = 16;

/** AES-256 in CBC, filled up with zeros. */
export function encrypt(key: Uint8Array, iv: Uint8Array, plain: Uint8Array): Buffer {
  const padded = Buffer.concat([plain, Buffer.alloc((BLOCK - (plain.length % BLOCK)) % BLOCK)]);
  return createCipheriv('aes-256-cbc', createSecretKey(key), iv).setAutoPadding(false).update(padded);
}

export function decrypt(key: Uint8Array, iv: Uint8Array, bytes: Uint8Array): Buffer {
  return createDecipheriv('aes-256-cbc', createSecretKey(key), iv).setAutoPadding(false).update(bytes);
}

/** The IV of the next message. */
export function lastBlock(datagram: Uint8Array): Uint8Array {
  return datagram.slice(-BLOCK);
}
