/**
 * The ISAKMP message (RFC 2408, section 3.1): a header, and behind it payloads in the clear or under encryption.
 *
 *   0                  8                  16             17        18         19      20           24       28
 *   | initiator cookie | responder cookie | next payload | version | exchange | flags | message id | length | payloads ...
 */
import { Reader, WireError, Writer } from '@culvert/wire';

export const HEADER_BYTES = 28;
export const COOKIE_BYTES = 8;

/** Major version 1, minor version 0. */
const VERSION = 0x10;

/** RFC 2408, section 3.1, and RFC 2409: main mode is its Identity Protection exchange. */
export const Exchange = { main: 2, aggressive: 4, informational: 5, quick: 32 } as const;

export const Flag = { encrypted: 1, commit: 2 } as const;

export interface Header {
  /** 8 bytes each. The responder's is zero in the first message. */
  readonly initiatorCookie: Uint8Array;
  readonly responderCookie: Uint8Array;
  readonly exchange: number;
  readonly flags: number;
  /** 0 in phase 1. */
  readonly messageId: number;
}

export interface Message extends Header {
  readonly firstPayload: number;
  /** All behind the header, perhaps encrypted. Borrows from the input. */
  readonly rest: Uint8Array;
}

/**
 * Reads a datagram, on port 4500 without its non-ESP marker. Any minor version is taken, and bytes behind the length that the header
 * declares are ignored. Throws `WireError`.
 */
export function decodeMessage(datagram: Uint8Array): Message {
  const r = new Reader(datagram);
  const initiatorCookie = r.bytes(COOKIE_BYTES, 'initiator cookie');
  const responderCookie = r.bytes(COOKIE_BYTES, 'responder cookie');
  const firstPayload = r.u8('next payload');
  const version = r.u8('version');
  const exchange = r.u8('exchange type');
  const flags = r.u8('flags');
  const messageId = r.u32('message id');
  const length = r.u32('length');
  if (version >>> 4 !== 1) throw new WireError('CULVERT_WIRE_VALUE', `ISAKMP version ${version >>> 4}`);
  if (length < HEADER_BYTES) throw new WireError('CULVERT_WIRE_LENGTH', `ISAKMP length ${length}`);
  if (length > datagram.length) {
    throw new WireError('CULVERT_WIRE_TRUNCATED', `ISAKMP length ${length}, ${datagram.length} bytes came`);
  }
  const rest = r.bytes(length - HEADER_BYTES, 'payloads');
  return { initiatorCookie, responderCookie, exchange, flags, messageId, firstPayload, rest };
}

export function encodeMessage(header: Header, firstPayload: number, rest: Uint8Array): Uint8Array {
  return new Writer(HEADER_BYTES + rest.length)
    .bytes(header.initiatorCookie)
    .bytes(header.responderCookie)
    .u8(firstPayload)
    .u8(VERSION)
    .u8(header.exchange)
    .u8(header.flags)
    .u32(header.messageId)
    .u32(HEADER_BYTES + rest.length)
    .bytes(rest)
    .finish();
}
