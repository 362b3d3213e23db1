/**
 * Frames as PPTP and L2TP carry them: RFC 1661, section 2, without the flags, escapes and FCS of HDLC.
 *
 *   | address ff | control 03 | protocol 1 or 2 | payload ...
 *
 * Address and control are left out under ACFC, the protocol's upper byte (zero) under PFC. Both forms are always understood. Strangers
 * choose how often these are decoded, so nothing here throws.
 */

const ADDRESS = 0xff;
const CONTROL = 0x03;

export interface Frame {
  readonly protocol: number;
  /** Borrows from the input. */
  readonly payload: Uint8Array;
}

/** The protocol and payload of `bytes`, or undefined where there is no whole protocol field. */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  let at = bytes[0] === ADDRESS && bytes[1] === CONTROL ? 2 : 0;
  const first = bytes[at++];
  if (first === undefined) return undefined;
  // An odd byte ends the protocol field (RFC 1661, section 2).
  if ((first & 1) === 1) return { protocol: first, payload: bytes.subarray(at) };
  const second = bytes[at++];
  if (second === undefined || (second & 1) === 0) return undefined;
  return { protocol: (first << 8) | second, payload: bytes.subarray(at) };
}

/** A frame with address, control and both bytes of the protocol: what every peer understands at any time. */
export function encodeFrame(protocol: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + payload.length);
  frame[0] = ADDRESS;
  frame[1] = CONTROL;
  frame[2] = protocol >>> 8;
  frame[3] = protocol;
  frame.set(payload, 4);
  return frame;
}
