/**
 * What is on offer: the SA payload with its proposals, transforms and attributes (RFC 2408, sections 3.3 to 3.6; RFC 2407,
 * section 4.6.1), without the generic header:
 *
 *   SA         | DOI 4 (1) | situation 4 (1) | proposals ...
 *   proposal   | next 1 (2 or 0) | 0 | length 2 | number 1 | protocol 1 | SPI bytes 1 | transforms 1 | SPI | transforms ...
 *   transform  | next 1 (3 or 0) | 0 | length 2 | number 1 | id 1 | 0 0 | attributes ...
 *   attribute  | 1, type 15 bits | value 2 |   or   | 0, type 15 bits | length 2 | value ... |
 *
 * An attribute keeps the form in which it came, so that a transform which is decoded and encoded again is the same byte for byte.
 */
import { Reader, WireError, Writer } from '@culvert/wire';

/** The IPsec DOI, and SIT_IDENTITY_ONLY: all that anybody uses (RFC 2407, section 4.2). */
export const IPSEC_DOI = 1;
const SITUATION = 1;

/** Protocols of a proposal (RFC 2407, section 4.4.1). */
export const ProtocolId = { isakmp: 1, ah: 2, esp: 3 } as const;

const PROPOSAL = 2;
const TRANSFORM = 3;
const BASIC = 0x8000;

// Chosen: several times what the longest known offers have (Android's racoon: 48 transforms in one proposal).
const MAX_PROPOSALS = 64;
const MAX_TRANSFORMS = 128;
const MAX_ATTRIBUTES = 32;
const MAX_SPI_BYTES = 16;

/** A number is of the basic form (TV, 16 bits), bytes of the variable one (TLV). */
export interface Attribute {
  readonly type: number;
  readonly value: number | Uint8Array;
}

export interface Transform {
  readonly number: number;
  readonly id: number;
  readonly attributes: readonly Attribute[];
}

export interface Proposal {
  /** Proposals with the same number belong together: the responder takes all of them or none. */
  readonly number: number;
  readonly protocol: number;
  readonly spi: Uint8Array;
  readonly transforms: readonly Transform[];
}

export function decodeSecurityAssociation(body: Uint8Array): readonly Proposal[] {
  const r = new Reader(body);
  const doi = r.u32('DOI');
  if (doi !== IPSEC_DOI) throw new WireError('CULVERT_WIRE_VALUE', `SA: DOI ${doi}`);
  const situation = r.u32('situation');
  if (situation !== SITUATION) throw new WireError('CULVERT_WIRE_VALUE', `SA: situation ${situation}`);
  return decodeChain(r, PROPOSAL, MAX_PROPOSALS, 'proposal', decodeProposal);
}

export function encodeSecurityAssociation(proposals: readonly Proposal[]): Uint8Array {
  const w = new Writer().u32(IPSEC_DOI).u32(SITUATION);
  encodeChain(w, PROPOSAL, proposals.map(encodeProposal));
  return w.finish();
}

function decodeProposal(body: Uint8Array): Proposal {
  const r = new Reader(body);
  const number = r.u8('proposal number');
  const protocol = r.u8('protocol');
  const spiBytes = r.u8('SPI size');
  const count = r.u8('number of transforms');
  if (spiBytes > MAX_SPI_BYTES) throw new WireError('CULVERT_WIRE_VALUE', `proposal: SPI of ${spiBytes} bytes`);
  const spi = r.bytes(spiBytes, 'SPI');
  const transforms = decodeChain(r, TRANSFORM, MAX_TRANSFORMS, 'transform', decodeTransform);
  if (transforms.length !== count) {
    throw new WireError('CULVERT_WIRE_VALUE', `proposal says ${count} transforms and has ${transforms.length}`);
  }
  return { number, protocol, spi, transforms };
}

function encodeProposal({ number, protocol, spi, transforms }: Proposal): Uint8Array {
  const w = new Writer().u8(number).u8(protocol).u8(spi.length).u8(transforms.length).bytes(spi);
  encodeChain(w, TRANSFORM, transforms.map(encodeTransform));
  return w.finish();
}

function decodeTransform(body: Uint8Array): Transform {
  const r = new Reader(body);
  const number = r.u8('transform number');
  const id = r.u8('transform id');
  r.u16('reserved');
  return { number, id, attributes: decodeAttributes(r) };
}

/** What `r` has left. Throws WireError. */
export function decodeAttributes(r: Reader): Attribute[] {
  const attributes: Attribute[] = [];
  while (r.remaining > 0) {
    if (attributes.length === MAX_ATTRIBUTES) throw new WireError('CULVERT_WIRE_VALUE', 'too many attributes');
    attributes.push(decodeAttribute(r));
  }
  return attributes;
}

function encodeTransform({ number, id, attributes }: Transform): Uint8Array {
  return new Writer().u8(number).u8(id).u16(0).bytes(encodeAttributes(attributes)).finish();
}

export function encodeAttributes(attributes: readonly Attribute[]): Uint8Array {
  const w = new Writer();
  for (const { type, value } of attributes) {
    if (typeof value === 'number') w.u16(BASIC | type).u16(value);
    else w.u16(type).u16(value.length).bytes(value);
  }
  return w.finish();
}

function decodeAttribute(r: Reader): Attribute {
  const type = r.u16('attribute type');
  const word = r.u16('attribute value or length');
  if ((type & BASIC) !== 0) return { type: type & ~BASIC, value: word };
  return { type, value: r.bytes(word, 'attribute value') };
}

/** Substructures with a generic header each. One that says it is the last, before the bytes end, leaves padding behind it. */
function decodeChain<T>(
  r: Reader,
  kind: number,
  most: number,
  name: string,
  decode: (body: Uint8Array) => T,
): readonly T[] {
  const found: T[] = [];
  for (let next = kind; next !== 0; ) {
    if (found.length === most) throw new WireError('CULVERT_WIRE_VALUE', `more than ${most} ${name}s`);
    next = r.u8(`next ${name}`);
    if (next !== 0 && next !== kind) throw new WireError('CULVERT_WIRE_VALUE', `${next} follows a ${name}`);
    r.u8('reserved');
    const length = r.u16(`${name} length`);
    if (length < 4) throw new WireError('CULVERT_WIRE_LENGTH', `${name} length ${length}`);
    found.push(decode(r.bytes(length - 4, name)));
  }
  return found;
}

function encodeChain(w: Writer, kind: number, bodies: readonly Uint8Array[]): void {
  for (const [n, body] of bodies.entries()) {
    w.u8(n < bodies.length - 1 ? kind : 0)
      .u8(0)
      .u16(body.length + 4)
      .bytes(body);
  }
}
