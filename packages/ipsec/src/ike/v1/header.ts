/**
 * The header of every message (RFC 2408, section 3.1):
 *
 *   | initiator cookie 8 | responder cookie 8 | next payload 1 | version 1 | exchange type 1 | flags 1 | message id 4 | length 4 |
 */
import { type Reader, WireError, type Writer } from '@culvert/wire';

export const HEADER_BYTES = 28;
export const COOKIE_BYTES = 8;

/** Major version 1, minor version 0. */
const VERSION = 0x10;

/** RFC 2408, section 3.1; 32 and 33 by RFC 2409. */
export const Exchange = {
  identityProtection: 2,
  aggressive: 4,
  informational: 5,
  transaction: 6,
  quickMode: 32,
} as const;

export const Flag = { encryption: 0x01, commit: 0x02, authenticationOnly: 0x04 } as const;

export interface Header {
  /** 8 bytes each. The responder's is zero in the first message. */
  readonly initiatorCookie: Uint8Array;
  readonly responderCookie: Uint8Array;
  readonly exchange: number;
  readonly flags: number;
  /** 0 in phase 1. */
  readonly messageId: number;
}

/** A header as it came, with what says how to read the rest. */
export interface ReceivedHeader extends Header {
  readonly nextPayload: number;
  /** Of the whole message, header included. */
  readonly length: number;
}

/** Reads the 28 bytes. Any minor version is taken (section 3.1: versions above ours are refused by the major one alone). */
export function decodeHeader(r: Reader): ReceivedHeader {
  const available = r.remaining;
  const initiatorCookie = r.bytes(COOKIE_BYTES, 'initiator cookie');
  const responderCookie = r.bytes(COOKIE_BYTES, 'responder cookie');
  const nextPayload = r.u8('next payload');
  const version = r.u8('version');
  const exchange = r.u8('exchange type');
  const flags = r.u8('flags');
  const messageId = r.u32('message id');
  const length = r.u32('length');
  if (version >>> 4 !== 1) throw new WireError('CULVERT_WIRE_VALUE', `ISAKMP version ${version >>> 4}`);
  if (length < HEADER_BYTES) throw new WireError('CULVERT_WIRE_LENGTH', `ISAKMP length ${length}`);
  if (length > available) {
    throw new WireError('CULVERT_WIRE_TRUNCATED', `ISAKMP length ${length}, ${available} bytes came`);
  }
  return { initiatorCookie, responderCookie, exchange, flags, messageId, nextPayload, length };
}

export function encodeHeader(w: Writer, header: Header, nextPayload: number, bodyBytes: number): void {
  w.bytes(header.initiatorCookie).bytes(header.responderCookie).u8(nextPayload).u8(VERSION);
  w.u8(header.exchange)
    .u8(header.flags)
    .u32(header.messageId)
    .u32(HEADER_BYTES + bodyBytes);
}
