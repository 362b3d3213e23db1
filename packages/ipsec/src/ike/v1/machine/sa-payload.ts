import { Reader, WireError, Writer } from '@culvert/wire';

/**
 * The security association payload (RFC 2408, sections 3.4 to 3.6; RFC 2407, section 4.6.1):
 *
 *   | DOI = 1 (4) | situation = 1 (4) | proposal ...
 *   proposal   | 2 or 0 (last) | 0 | length (2) | number | protocol | SPI size | transforms | SPI | transform ...
 *   transform  | 3 or 0 (last) | 0 | length (2) | number | id | 0 (2) | attribute ...
 *   attribute  | 1 + type (15 bits) | value (2)      or      | 0 + type (15 bits) | length (2) | value ...
 */
export interface Proposal {
  readonly number: number;
  readonly protocol: number;
  readonly spi: Uint8Array;
  readonly transforms: readonly Transform[];
}

export interface Transform {
  readonly number: number;
  readonly id: number;
  /** By type. Values longer than 4 bytes are left out: none that we know is. */
  readonly attributes: ReadonlyMap<number, number>;
  /** From its number on, as it came: the answer repeats it byte for byte. */
  readonly raw: Uint8Array;
}

export const ProtocolId = { isakmp: 1, ah: 2, esp: 3 } as const;

const IPSEC_DOI = 1;
const IDENTITY_ONLY = 1;
/** More is nobody's offer: macOS makes one proposal of about 15, ChromeOS one of 5. */
const MOST_TRANSFORMS = 64;

/** Throws WireError. */
export function decodeSa(body: Uint8Array): Proposal[] {
  const r = new Reader(body);
  if (r.u32('DOI') !== IPSEC_DOI) throw new WireError('CULVERT_WIRE_VALUE', 'DOI is not IPsec');
  if (r.u32('situation') !== IDENTITY_ONLY) throw new WireError('CULVERT_WIRE_VALUE', 'situation is not identity only');
  const proposals: Proposal[] = [];
  let transforms = 0;
  while (r.remaining > 0) {
    const proposal = decodeProposal(substructure(r, 'proposal'));
    transforms += proposal.transforms.length;
    if (transforms > MOST_TRANSFORMS) throw new WireError('CULVERT_WIRE_LENGTH', 'too many transforms');
    proposals.push(proposal);
  }
  return proposals;
}

export function encodeSa(proposals: readonly Proposal[]): Uint8Array {
  const w = new Writer().u32(IPSEC_DOI).u32(IDENTITY_ONLY);
  for (const [i, { number, protocol, spi, transforms }] of proposals.entries()) {
    const all = transforms.reduce((sum, { raw }) => sum + raw.length + 4, 0);
    w.u8(i === proposals.length - 1 ? 0 : 2)
      .u8(0)
      .u16(8 + spi.length + all)
      .u8(number)
      .u8(protocol)
      .u8(spi.length)
      .u8(transforms.length)
      .bytes(spi);
    for (const [t, { raw }] of transforms.entries()) {
      w.u8(t === transforms.length - 1 ? 0 : 3)
        .u8(0)
        .u16(4 + raw.length)
        .bytes(raw);
    }
  }
  return w.finish();
}

/** A transform of ours. Values up to 0xffff are basic attributes, longer ones have 4 bytes. */
export function makeTransform(
  number: number,
  id: number,
  attributes: readonly (readonly [number, number])[],
): Transform {
  const w = new Writer().u8(number).u8(id).u16(0);
  for (const [type, value] of attributes) {
    if (value <= 0xffff) w.u16(0x8000 | type).u16(value);
    else w.u16(type).u16(4).u32(value);
  }
  return { number, id, attributes: new Map(attributes), raw: w.finish() };
}

function decodeProposal(bytes: Uint8Array): Proposal {
  const r = new Reader(bytes);
  const number = r.u8('proposal number');
  const protocol = r.u8('protocol');
  const spiBytes = r.u8('SPI size');
  const count = r.u8('transforms');
  const spi = r.bytes(spiBytes, 'SPI');
  const transforms: Transform[] = [];
  while (r.remaining > 0) transforms.push(decodeTransform(substructure(r, 'transform')));
  if (transforms.length !== count)
    throw new WireError('CULVERT_WIRE_LENGTH', `${count} transforms are ${transforms.length}`);
  return { number, protocol, spi, transforms };
}

function decodeTransform(raw: Uint8Array): Transform {
  const r = new Reader(raw);
  const number = r.u8('transform number');
  const id = r.u8('transform id');
  r.u16('reserved');
  const attributes = new Map<number, number>();
  while (r.remaining > 0) {
    const type = r.u16('attribute type');
    const value = r.u16('attribute value');
    if (type & 0x8000) {
      attributes.set(type & 0x7fff, value);
      continue;
    }
    const bytes = r.bytes(value, 'attribute');
    if (value <= 4)
      attributes.set(
        type,
        bytes.reduce((sum, byte) => sum * 256 + byte, 0),
      );
  }
  return { number, id, attributes, raw };
}

function substructure(r: Reader, field: string): Uint8Array {
  r.u8(field);
  r.u8(field);
  const length = r.u16(field);
  if (length < 4) throw new WireError('CULVERT_WIRE_LENGTH', `${field} length says ${length}`);
  return r.bytes(length - 4, field);
}
