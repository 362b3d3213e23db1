/**
 * Attribute-value pairs (RFC 2661, section 4.1):
 *
 *   | M H rsvd 4 length 10 | vendor id 2 | attribute type 2 | value ...          length counts these six bytes too
 *
 * Hidden values are opened and never made. What they protect is protected by IPsec already.
 */
import { createHash } from 'node:crypto';
import { Reader, WireError, Writer } from '@culvert/wire';

const M = 0x8000;
const H = 0x4000;
const RESERVED = 0x3c00;
const LENGTH = 0x03ff;
const HEADER_BYTES = 6;
const DIGEST_BYTES = 16;
const RANDOM_VECTOR = 36;
/** Chosen: RFC 2661 defines 40 attributes. */
const MOST_AVPS = 64;

export interface Avp {
  readonly mandatory: boolean;
  readonly vendor: number;
  readonly type: number;
  /** Borrows from the input unless it was hidden. Undefined: reserved bits are set, or it is hidden and cannot be opened. */
  readonly value: Uint8Array | undefined;
}

/** Throws WireError when an AVP does not end where the next one begins, or there are too many. */
export function decodeAvps(body: Uint8Array, secret: Uint8Array | undefined): Avp[] {
  const r = new Reader(body);
  const avps: Avp[] = [];
  let vector: Uint8Array | undefined;
  while (r.remaining > 0) {
    if (avps.length === MOST_AVPS) throw new WireError('CULVERT_WIRE_LENGTH', `more than ${MOST_AVPS} AVPs`);
    const flags = r.u16('AVP length');
    const length = flags & LENGTH;
    if (length < HEADER_BYTES) throw new WireError('CULVERT_WIRE_LENGTH', `AVP of ${length} bytes`);
    const vendor = r.u16('vendor id');
    const type = r.u16('attribute type');
    const raw = r.bytes(length - HEADER_BYTES, 'AVP value');
    if (vendor === 0 && type === RANDOM_VECTOR) vector = raw;
    avps.push({ mandatory: (flags & M) !== 0, vendor, type, value: openValue(flags, type, raw, secret, vector) });
  }
  return avps;
}

/** Throws RangeError for a value that does not fit: at most 1,017 bytes. */
export function encodeAvp(w: Writer, type: number, mandatory: boolean, value: Uint8Array): void {
  const length = HEADER_BYTES + value.length;
  if (length > LENGTH) throw new RangeError(`attribute ${type} cannot have ${value.length} bytes`);
  w.u16((mandatory ? M : 0) | length)
    .u16(0)
    .u16(type)
    .bytes(value);
}

function openValue(
  flags: number,
  type: number,
  raw: Uint8Array,
  secret: Uint8Array | undefined,
  vector: Uint8Array | undefined,
): Uint8Array | undefined {
  if ((flags & RESERVED) !== 0) return undefined;
  if ((flags & H) === 0) return raw;
  return secret === undefined || vector === undefined ? undefined : unhide(type, raw, secret, vector);
}

/** RFC 2661, section 4.3. The plain text is a length of 2 bytes, the value, and padding. */
function unhide(type: number, hidden: Uint8Array, secret: Uint8Array, vector: Uint8Array): Uint8Array | undefined {
  const plain = new Uint8Array(hidden.length);
  let pad = md5(new Writer(2).u16(type).finish(), secret, vector);
  for (let at = 0; at < hidden.length; at += DIGEST_BYTES) {
    const block = hidden.subarray(at, at + DIGEST_BYTES);
    for (let i = 0; i < block.length; i++) plain[at + i] = (block[i] ?? 0) ^ (pad[i] ?? 0);
    pad = md5(secret, block);
  }
  const length = ((plain[0] ?? 0) << 8) | (plain[1] ?? 0);
  return plain.length < 2 || length > plain.length - 2 ? undefined : plain.subarray(2, 2 + length);
}

function md5(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest();
}
