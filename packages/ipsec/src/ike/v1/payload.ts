/**
 * Payloads, each behind the generic header (RFC 2408, section 3.2):
 *
 *   | next payload 1 | reserved 1 | length 2, these four included | body ...
 *
 * Their bodies stay as they came, since hashes cover bytes and not meanings; whoever needs one reads it (security-association.ts,
 * identification.ts, notification.ts, fragment.ts). A type that is unknown is passed over by all.
 */
import { Reader, WireError, Writer } from '@culvert/wire';

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

/** More in one message is nobody's: Windows asks for a certificate of each root that it trusts. It bounds what a stranger makes us walk. */
const MOST_PAYLOADS = 128;

export interface Payload {
  readonly type: number;
  /** Without the generic header. */
  readonly body: Uint8Array;
}

export interface Payloads {
  readonly list: readonly Payload[];
  /** Behind the first payload and before the padding: what HASH(1) and its kin cover (RFC 2409, section 5.5). */
  readonly afterFirst: Uint8Array;
}

/** Reads the chain that starts with type `first`; bytes behind its end are padding, of any value. Borrows from `bytes`. Throws WireError. */
export function decodePayloads(first: number, bytes: Uint8Array): Payloads {
  const r = new Reader(bytes);
  const list: Payload[] = [];
  let endOfFirst = 0;
  for (let type = first; type !== PayloadType.none; ) {
    if (list.length === MOST_PAYLOADS) throw new WireError('CULVERT_WIRE_VALUE', 'too many payloads');
    const next = r.u8('next payload');
    r.u8('reserved');
    const length = r.u16('payload length');
    if (length < 4) throw new WireError('CULVERT_WIRE_LENGTH', `payload ${type}: length ${length}`);
    list.push({ type, body: r.bytes(length - 4, `payload ${type}`) });
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

/** Those of `type`, in their order. */
export function bodiesOf(list: readonly Payload[], type: number): readonly Uint8Array[] {
  return list.flatMap((payload) => (payload.type === type ? [payload.body] : []));
}
