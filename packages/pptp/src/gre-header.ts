/**
 * The header of an enhanced GRE packet (RFC 2637, section 4.1), read and written in place. IP carries it as protocol 47.
 *
 *   0                2        4                6         8            12          16
 *   | flags, version | 88 0b  | payload length | call id | [sequence] | [ack]     | PPP frame ...
 *
 * The flags are K (always), S where a sequence number and a payload are there, A where an acknowledgement is. Without S the
 * acknowledgement moves up. The call id is the receiver's.
 */
export const GRE_PROTOCOL = 47;

/** With sequence number and acknowledgement: the room that a frame wants in front of it. */
export const GRE_HEADER_BYTES = 16;
/** Without acknowledgement. */
export const SHORT_HEADER_BYTES = 12;

const LEAST_BYTES = 8;
const ETHER_TYPE = 0x880b;
/** K, version 1. */
const BASE = 0x2001;
const SEQUENCE = 0x1000;
const ACKNOWLEDGEMENT = 0x0080;
const FRONT = { data: ((BASE | SEQUENCE) << 16) | ETHER_TYPE, ack: ((BASE | ACKNOWLEDGEMENT) << 16) | ETHER_TYPE };
const FRONT_BOTH = ((BASE | SEQUENCE | ACKNOWLEDGEMENT) << 16) | ETHER_TYPE;

/** Whether an enhanced GRE packet with all that it claims lies at `at`; no reader below leaves it then. */
export function isGre(view: DataView, at: number, length: number): boolean {
  if (length < LEAST_BYTES || at + length > view.byteLength) return false;
  const flags = view.getUint16(at);
  if ((flags & ~(SEQUENCE | ACKNOWLEDGEMENT)) !== BASE || view.getUint16(at + 2) !== ETHER_TYPE) return false;
  return headerLength(view, at) + payloadLength(view, at) <= length;
}

export function callIdOf(view: DataView, at: number): number {
  return view.getUint16(at + 6);
}

export function hasSequence(view: DataView, at: number): boolean {
  return (view.getUint16(at) & SEQUENCE) !== 0;
}

export function hasAcknowledgement(view: DataView, at: number): boolean {
  return (view.getUint16(at) & ACKNOWLEDGEMENT) !== 0;
}

/** As an int32, which is how sequence numbers are compared. */
export function sequenceOf(view: DataView, at: number): number {
  return view.getInt32(at + 8);
}

/** As an int32. */
export function acknowledgementOf(view: DataView, at: number): number {
  return view.getInt32(at + (hasSequence(view, at) ? 12 : 8));
}

export function headerLength(view: DataView, at: number): number {
  return LEAST_BYTES + (hasSequence(view, at) ? 4 : 0) + (hasAcknowledgement(view, at) ? 4 : 0);
}

/** What a packet without sequence number claims as payload is none: `isGre` has seen that it is there, and nothing reads it. */
export function payloadLength(view: DataView, at: number): number {
  return view.getUint16(at + 4);
}

/** Writes a header that ends at `frame`, where a frame of `length` bytes lies. */
export function writeData(view: DataView, frame: number, length: number, callId: number, sequence: number): void {
  const at = frame - SHORT_HEADER_BYTES;
  view.setInt32(at, FRONT.data);
  view.setUint16(at + 4, length);
  view.setUint16(at + 6, callId);
  view.setInt32(at + 8, sequence);
}

/** Likewise, with an acknowledgement. */
export function writeDataAndAck(
  view: DataView,
  frame: number,
  length: number,
  callId: number,
  sequence: number,
  acknowledgement: number,
): void {
  const at = frame - GRE_HEADER_BYTES;
  view.setInt32(at, FRONT_BOTH);
  view.setUint16(at + 4, length);
  view.setUint16(at + 6, callId);
  view.setInt32(at + 8, sequence);
  view.setInt32(at + 12, acknowledgement);
}

/** A packet that acknowledges and carries nothing: 12 bytes at `at`. */
export function writeAck(view: DataView, at: number, callId: number, acknowledgement: number): void {
  view.setInt32(at, FRONT.ack);
  view.setUint16(at + 4, 0);
  view.setUint16(at + 6, callId);
  view.setInt32(at + 8, acknowledgement);
}
