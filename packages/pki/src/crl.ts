/** Certificate revocation lists (RFC 5280, section 5): made by the CA, read by gateways. */
import { signingAlgorithm } from './algorithms.ts';
import type { Signer } from './certificate.ts';
import { PkiError } from './errors.ts';
import { decodePem, encodePem } from './pem.ts';
import { x509 } from './x509.ts';

/** Reasons as OpenSSL and RFC 5280 spell them, with their codes. Holds and removals do not exist here: a revocation is for good. */
const reasonCodes = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
} as const;
export type RevocationReason = keyof typeof reasonCodes;
export const revocationReasons = Object.keys(reasonCodes) as readonly RevocationReason[];

export interface Revocation {
  readonly serial: string;
  /** Unix milliseconds. */
  readonly when: number;
  readonly reason: RevocationReason;
}

const CRL_NUMBER_OID = '2.5.29.20';
const PEM_LABEL = 'X509 CRL';

/** A signed CRL, as PEM. */
export async function createCrl(options: {
  readonly signer: Signer;
  readonly number: number;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  readonly revoked: readonly Revocation[];
}): Promise<string> {
  const { signer } = options;
  const crl = await x509.X509CrlGenerator.create({
    issuer: signer.certificate.subjectName,
    thisUpdate: options.thisUpdate,
    nextUpdate: options.nextUpdate,
    signingKey: signer.key,
    signingAlgorithm: signingAlgorithm(signer.algorithm),
    entries: options.revoked.map(({ serial, when, reason }) => ({
      serialNumber: serial,
      revocationDate: new Date(Math.floor(when / 1000) * 1000),
      // RFC 5280, 5.3.1: "unspecified" is said by leaving the extension out.
      ...(reason === 'unspecified' ? {} : { reason: reasonCodes[reason] as x509.X509CrlReason }),
    })),
    extensions: [
      await x509.AuthorityKeyIdentifierExtension.create(signer.certificate.publicKey),
      new x509.Extension(CRL_NUMBER_OID, false, derInteger(options.number)),
    ],
  });
  // The library's own label is "CRL", which nobody else reads; RFC 7468, section 6.
  return encodePem(PEM_LABEL, new Uint8Array(crl.rawData));
}

/** DER of a small non-negative INTEGER. */
function derInteger(value: number): Uint8Array<ArrayBuffer> {
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  const positive = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Uint8Array.of(0), bytes]) : bytes;
  return Uint8Array.from([0x02, positive.length, ...positive]);
}

export interface ParsedCrl {
  /** RFC 2253 text. */
  readonly issuer: string;
  /** Unix milliseconds. */
  readonly thisUpdate: number;
  readonly nextUpdate: number | undefined;
  /** As `PeerCertificate.serial` spells them: lower-case hexadecimal without leading zeros. */
  readonly serials: ReadonlySet<string>;
}

/**
 * Reads the first CRL in `pem`. The signature is not checked: whoever uses it for more than looking up serials verifies it in TLS.
 * Throws PkiError.
 */
export function parseCrl(pem: string): ParsedCrl {
  try {
    const crl = new x509.X509Crl(decodePem(PEM_LABEL, pem));
    return {
      issuer: crl.issuer,
      thisUpdate: crl.thisUpdate.getTime(),
      nextUpdate: crl.nextUpdate?.getTime(),
      serials: new Set(crl.entries.map((entry) => normalSerial(entry.serialNumber))),
    };
  } catch (error) {
    throw new PkiError('CULVERT_PKI_FORMAT', 'not a certificate revocation list', { cause: error });
  }
}

function normalSerial(hex: string): string {
  return hex.toLowerCase().replace(/^0+(?=.)/, '');
}
