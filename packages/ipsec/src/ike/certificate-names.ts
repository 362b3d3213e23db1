/**
 * The subject of an X.509 certificate as it stands there (RFC 5280, section 4.1): IKE compares and sends it byte for byte.
 *
 *   SEQUENCE { SEQUENCE { [0] version, serial number, algorithm, issuer, validity, subject, ... }, ... }
 */
import { WireError } from '@culvert/wire';

const SEQUENCE = 0x30;
const VERSION = 0xa0;

/** In DER. Throws WireError for what is no certificate. */
export function subjectOf(certificate: Uint8Array): Uint8Array {
  const signed = elementAt(certificate, elementAt(certificate, 0).content);
  let field = elementAt(certificate, signed.content);
  if (certificate[field.at] === VERSION) field = elementAt(certificate, field.end);
  // Serial number, algorithm, issuer, validity.
  for (let skipped = 0; skipped < 4; skipped++) field = elementAt(certificate, field.end);
  if (certificate[field.at] !== SEQUENCE || field.end > signed.end)
    throw new WireError('CULVERT_WIRE_VALUE', 'no certificate: its subject is not where it should be');
  return certificate.slice(field.at, field.end);
}

/** Where an element of DER (X.690) begins, its content begins, and it ends. */
function elementAt(
  bytes: Uint8Array,
  at: number,
): { readonly at: number; readonly content: number; readonly end: number } {
  const first = bytes[at + 1] ?? 0;
  const lengthBytes = first < 0x80 ? 0 : first - 0x80;
  const content = at + 2 + lengthBytes;
  let length = first < 0x80 ? first : 0;
  for (let i = at + 2; i < content; i++) length = length * 256 + (bytes[i] ?? 0);
  if (lengthBytes > 3 || content + length > bytes.length)
    throw new WireError('CULVERT_WIRE_TRUNCATED', 'no certificate: an element ends behind it');
  return { at, content, end: content + length };
}
