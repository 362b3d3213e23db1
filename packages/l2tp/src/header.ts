/**
 * The header of every L2TP packet (RFC 2661, section 3.1). Control packets have T, L and S set and are read as values; data packets are
 * read where they lie.
 *
 *   | T L x x S x O P x x x x version 4 | length 2 (L) | tunnel id 2 | session id 2 | Ns 2, Nr 2 (S) | offset size 2 and pad (O) | ...
 */
import { Reader, WireError, Writer } from '@culvert/wire';

const T = 0x8000;
const L = 0x4000;
const S = 0x0800;
const O = 0x0200;
const VERSION = 0x000f;
const L2TP = 2;
/** Control: T, L, S, version 2. */
const CONTROL = 0xc802;
const CONTROL_HEADER_BYTES = 12;
/** Data of ours without and with sequence numbers, always with a length. */
const PLAIN_DATA_BYTES = 8;
/** What the header of a data packet of ours takes at most. */
export const DATA_HEADER_BYTES = 12;

export interface ControlHeader {
  readonly tunnelId: number;
  readonly sessionId: number;
  readonly ns: number;
  readonly nr: number;
}

/** A control packet. `body` is empty in a ZLB, which acknowledges and nothing else; it borrows from the input. */
export interface ControlPacket extends ControlHeader {
  readonly body: Uint8Array;
}

/** What a packet is by its first two bytes. `version`: another version of L2TP (3 is RFC 3931) or L2F. */
export function kindOf(view: DataView, at: number, length: number): 'control' | 'data' | 'version' | 'short' {
  if (length < 6) return 'short';
  const flags = view.getUint16(at);
  if ((flags & VERSION) !== L2TP) return 'version';
  return (flags & T) === 0 ? 'data' : 'control';
}

/** Bytes past the length field are padding. Throws WireError. */
export function decodeControl(bytes: Uint8Array): ControlPacket {
  const r = new Reader(bytes);
  const flags = r.u16('flags');
  if ((flags & (T | L | S | O | VERSION)) !== CONTROL) {
    throw new WireError('CULVERT_WIRE_VALUE', `flags ${flags.toString(16)} of a control packet`);
  }
  const length = r.u16('length');
  if (length < CONTROL_HEADER_BYTES) throw new WireError('CULVERT_WIRE_LENGTH', `control packet of ${length} bytes`);
  const header = {
    tunnelId: r.u16('tunnel id'),
    sessionId: r.u16('session id'),
    ns: r.u16('Ns'),
    nr: r.u16('Nr'),
  };
  return { ...header, body: r.bytes(length - CONTROL_HEADER_BYTES, 'body') };
}

export function encodeControl({ tunnelId, sessionId, ns, nr, body }: ControlPacket): Uint8Array {
  const length = CONTROL_HEADER_BYTES + body.length;
  const w = new Writer(length).u16(CONTROL).u16(length).u16(tunnelId).u16(sessionId).u16(ns).u16(nr);
  return w.bytes(body).finish();
}

/** A data packet's header, read in place; one object serves many packets. */
export class DataHeader {
  tunnelId = 0;
  sessionId = 0;
  /** Undefined where the packet has no sequence numbers. */
  ns: number | undefined;
  /** Where the frame lies, and its bytes: none in a packet that carries Nr alone. */
  frameAt = 0;
  frameLength = 0;

  /** False: its header does not fit into its `length` bytes, or its length field lies. Padding behind the length field is cut. */
  read(view: DataView, start: number, length: number): boolean {
    if (length < 6) return false;
    const flags = view.getUint16(start);
    const need = 6 + ((flags & L) === 0 ? 0 : 2) + ((flags & S) === 0 ? 0 : 4) + ((flags & O) === 0 ? 0 : 2);
    if ((flags & T) !== 0 || (flags & VERSION) !== L2TP || length < need) return false;
    let at = start + 2;
    let end = start + length;
    if ((flags & L) !== 0) {
      const said = view.getUint16(at);
      if (said < need || said > length) return false;
      end = start + said;
      at += 2;
    }
    this.tunnelId = view.getUint16(at);
    this.sessionId = view.getUint16(at + 2);
    at += 4;
    this.ns = undefined;
    if ((flags & S) !== 0) {
      this.ns = view.getUint16(at);
      at += 4;
    }
    if ((flags & O) !== 0) at += 2 + view.getUint16(at);
    if (at > end) return false;
    this.frameAt = at;
    this.frameLength = end - at;
    return true;
  }
}

/**
 * Writes the header right before the frame at `frameAt`, and returns how long it is; `sequence` is undefined for a session without
 * sequence numbers. Nr is reserved in data packets (RFC 2661, section 5.4) and sent as 0.
 */
export function writeDataHeader(
  view: DataView,
  frameAt: number,
  frameLength: number,
  ids: { readonly tunnelId: number; readonly sessionId: number },
  sequence: number | undefined,
): number {
  const bytes = sequence === undefined ? PLAIN_DATA_BYTES : DATA_HEADER_BYTES;
  const at = frameAt - bytes;
  view.setUint16(at, sequence === undefined ? L | L2TP : L | S | L2TP);
  view.setUint16(at + 2, bytes + frameLength);
  view.setUint16(at + 4, ids.tunnelId);
  view.setUint16(at + 6, ids.sessionId);
  if (sequence !== undefined) view.setUint32(at + 8, sequence << 16);
  return bytes;
}

/** A data packet's header without numbers and offset. A length field is left empty. */
export function plainDataHeader(
  { tunnelId, sessionId }: { readonly tunnelId: number; readonly sessionId: number },
  withLength: boolean,
): Uint8Array {
  const w = new Writer(PLAIN_DATA_BYTES).u16(withLength ? L | L2TP : L2TP);
  if (withLength) w.u16(0);
  return w.u16(tunnelId).u16(sessionId).finish();
}
