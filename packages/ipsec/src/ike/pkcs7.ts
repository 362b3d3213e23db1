/**
 * Certificates that come as PKCS#7 (RFC 2315, section 9.1; encoding 1 of RFC 2408, section 3.9), as Windows may send a chain:
 *
 *   SEQUENCE { signedData, [0] { SEQUENCE { version, digest algorithms, content, [0] { certificates ... }, ... } } }
 *
 * Its signatures, if any, mean nothing here: each certificate has its own.
 */
import { WireError } from '@culvert/wire';
import { type Element, elementAt, elementsOf } from './der.ts';

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
/** [0], explicit around the content and implicit in place of the set's own tag. */
const CONTEXT_0 = 0xa0;
/** 1.2.840.113549.1.7.2 */
const SIGNED_DATA = Buffer.from('2a864886f70d010702', 'hex');

/** At most `most` certificates in DER, as they stand there; a set has no order. Throws WireError for what is no SignedData in DER, and for more. */
export function certificatesOfPkcs7(bytes: Uint8Array, most: number): Uint8Array[] {
  const wrapper = tagged(elementAt(bytes, 0), SEQUENCE);
  const [type, content] = elementsOf(bytes, wrapper, 2);
  const name = tagged(type, OBJECT_IDENTIFIER);
  if (!SIGNED_DATA.equals(bytes.subarray(name.content, name.end)))
    throw new WireError('CULVERT_WIRE_VALUE', 'PKCS#7 of another kind than SignedData');
  const [signed] = elementsOf(bytes, tagged(content, CONTEXT_0), 1);
  // Behind version, digest algorithms and content; without certificates the lists of revocations or the signers stand there.
  const [, , , set] = elementsOf(bytes, tagged(signed, SEQUENCE), 4);
  const found = elementsOf(bytes, tagged(set, CONTEXT_0), most + 1).filter(({ tag }) => tag === SEQUENCE);
  if (found.length > most) throw new WireError('CULVERT_WIRE_LENGTH', 'too many certificates');
  return found.map(({ at, end }) => bytes.slice(at, end));
}

function tagged(element: Element | undefined, tag: number): Element {
  if (element?.tag !== tag) throw new WireError('CULVERT_WIRE_VALUE', 'PKCS#7 without certificates');
  return element;
}
