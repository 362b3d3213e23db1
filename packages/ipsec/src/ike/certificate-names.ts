/**
 * The names of an X.509 certificate as they stand there (RFC 5280, section 4.1): IKE compares and sends them byte for byte.
 *
 *   SEQUENCE { SEQUENCE { [0] version, serial number, algorithm, issuer, validity, subject, ... }, ... }
 */
import { WireError } from '@culvert/wire';
import { elementAt, elementsOf } from './der.ts';

const SEQUENCE = 0x30;
const VERSION = 0xa0;

export interface CertificateNames {
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
}

/** In DER. Throws WireError for what is no certificate. */
export function namesOf(certificate: Uint8Array): CertificateNames {
  const signed = elementAt(certificate, elementAt(certificate, 0).content);
  const fields = elementsOf(certificate, signed, 6);
  const [, , issuer, , subject] = fields[0]?.tag === VERSION ? fields.slice(1) : fields;
  if (issuer?.tag !== SEQUENCE || subject?.tag !== SEQUENCE)
    throw new WireError('CULVERT_WIRE_VALUE', 'no certificate: its names are not where they should be');
  return {
    issuer: certificate.slice(issuer.at, issuer.end),
    subject: certificate.slice(subject.at, subject.end),
  };
}

/** In DER. Throws WireError for what is no certificate. */
export function subjectOf(certificate: Uint8Array): Uint8Array {
  return namesOf(certificate).subject;
}
