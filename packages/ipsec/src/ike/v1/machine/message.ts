import { Reader, WireError, Writer } from '@culvert/wire';

/**
 * The ISAKMP message (RFC 2408, sections 3.1 and 3.2): a header, then payloads that name the type of the next one.
 *
 *   0                  8                  16    17     18    19      20           24       28
 *   | initiator cookie | responder cookie | np | 1.0 | xchg | flags | message id | length | payloads ...
 *
 *   | next payload | 0 | length, these 4 bytes included | body ...
 */
export const HEADER_BYTES = 28;
export const COOKIE_BYTES = 8;

/** More in one message is nobody's; each is at least 4 bytes, so that also bounds what a stranger makes us walk. */
const MOST_PAYLOADS = 40;
const VERSION_1 = 0x10;

export const Exchange = { main: 2, aggressive: 4, informational: 5, quick: 32 } as const;

export const Flag = { encrypted: 1, commit: 2 } as const;

export const PayloadType = {
  none: 0,
  securityAssociation: 1,
  keyExchange: 4,
  identification: 5,
  certificate: 6,
  certificateRequest: 7,
  hash: 8,
  signature: 9,
  nonce: 10,
  notification: 11,
  delete: 12,
  vendorId: 13,
  fragment: 132,
} as const;

export interface Header {
  readonly initiatorCookie: Uint8Array;
  readonly responderCookie: Uint8Array;
  readonly exchange: number;
  readonly flags: number;
  readonly messageId: number;
}

export interface Payload {
  readonly type: number;
  /** Without the generic header. */
  readonly body: Uint8Array;
}

export interface RawMessage extends Header {
  readonly firstPayload: number;
  /** All behind the header, perhaps encrypted. Borrows from the input. */
  readonly rest: Uint8Array;
}

/** Reads the header. Bytes behind the stated length are padding. Throws WireError. */
export function decodeMessage(datagram: Uint8Array): RawMessage {
  const r = new Reader(datagram);
  const initiatorCookie = r.bytes(COOKIE_BYTES, 'initiator cookie');
  const responderCookie = r.bytes(COOKIE_BYTES, 'responder cookie');
  const firstPayload = r.u8('next payload');
  const version = r.u8('version');
  if (version >>> 4 !== VERSION_1 >>> 4)
    throw new WireError('CULVERT_WIRE_VALUE', `ISAKMP version 0x${version.toString(16)}`);
  const exchange = r.u8('exchange type');
  const flags = r.u8('flags');
  const messageId = r.u32('message id');
  const length = r.u32('length');
  if (length < HEADER_BYTES) throw new WireError('CULVERT_WIRE_LENGTH', `length field says ${length}`);
  const rest = r.bytes(length - HEADER_BYTES, 'payloads');
  return { initiatorCookie, responderCookie, exchange, flags, messageId, firstPayload, rest };
}

export function encodeMessage(header: Header, firstPayload: number, rest: Uint8Array): Uint8Array {
  return new Writer(HEADER_BYTES + rest.length)
    .bytes(header.initiatorCookie)
    .bytes(header.responderCookie)
    .u8(firstPayload)
    .u8(VERSION_1)
    .u8(header.exchange)
    .u8(header.flags)
    .u32(header.messageId)
    .u32(HEADER_BYTES + rest.length)
    .bytes(rest)
    .finish();
}

export interface Payloads {
  readonly list: readonly Payload[];
  /** Behind the first payload and before the padding: what HASH(1) and its kin cover. */
  readonly afterFirst: Uint8Array;
}

/** Walks the chain; bytes behind its end are padding. The bodies borrow from `bytes`. Throws WireError. */
export function decodePayloads(first: number, bytes: Uint8Array): Payloads {
  const r = new Reader(bytes);
  const list: Payload[] = [];
  let endOfFirst = 0;
  for (let type = first; type !== PayloadType.none; ) {
    if (list.length === MOST_PAYLOADS) throw new WireError('CULVERT_WIRE_LENGTH', 'too many payloads');
    const next = r.u8('next payload');
    r.u8('reserved');
    const length = r.u16('payload length');
    if (length < 4) throw new WireError('CULVERT_WIRE_LENGTH', `payload length says ${length}`);
    list.push({ type, body: r.bytes(length - 4, 'payload') });
    if (list.length === 1) endOfFirst = bytes.length - r.remaining;
    type = next;
  }
  return { list, afterFirst: bytes.subarray(endOfFirst, bytes.length - r.remaining) };
}

export function encodePayloads(list: readonly Payload[]): Uint8Array {
  const w = new Writer();
  for (const [i, { body }] of list.entries()) {
    w.u8(list[i + 1]?.type ?? PayloadType.none)
      .u8(0)
      .u16(body.length + 4)
      .bytes(body);
  }
  return w.finish();
}

/** The body of the first payload of `type`. */
export function bodyOf(list: readonly Payload[], type: number): Uint8Array | undefined {
  return list.find((payload) => payload.type === type)?.body;
}
