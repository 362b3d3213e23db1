/** X.509 certificates (RFC 5280) as VPN peers want them: OpenVPN's remote-cert-tls, Windows, and TLS itself. */
import { randomBytes, type webcrypto } from 'node:crypto';
import { type KeyAlgorithm, signingAlgorithm } from './algorithms.ts';
import type { SubjectAltName } from './names.ts';
import { x509 } from './x509.ts';

export type CertificateRole = 'server' | 'client';

/** Whoever signs: the CA's certificate and key. */
export interface Signer {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
  readonly algorithm: KeyAlgorithm;
}

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** A peer whose clock is late by up to an hour accepts a certificate that was made a moment ago. */
const BACKDATE_MILLIS = 3_600_000;
const DAY_MILLIS = 86_400_000;

/** From an hour ago until `days` from now, in whole seconds as X.509 has them. */
export function validityFrom(now: number, days: number): Validity {
  const second = Math.floor(now / 1000) * 1000;
  return { notBefore: new Date(second - BACKDATE_MILLIS), notAfter: new Date(second + days * DAY_MILLIS) };
}

/** 16 bytes, of which 126 bits are random; the first is 40 to 7f, so that the number is positive and its text has always 32 digits. */
export function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

export async function createRoot(options: {
  readonly name: string;
  readonly organization: string | undefined;
  readonly keys: webcrypto.CryptoKeyPair;
  readonly algorithm: KeyAlgorithm;
  readonly validity: Validity;
}): Promise<x509.X509Certificate> {
  return x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: subject(options.name, options.organization),
    ...options.validity,
    keys: options.keys,
    signingAlgorithm: signingAlgorithm(options.algorithm),
    extensions: [
      // Nothing below may be a CA itself: whoever steals a leaf key cannot issue.
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(options.keys.publicKey),
    ],
  });
}

/** iKEIntermediate: older macOS and Windows want it of an IPsec gateway, beside or instead of serverAuth. */
const IKE_INTERMEDIATE = '1.3.6.1.5.5.8.2.2';

export async function createLeaf(options: {
  readonly name: string;
  readonly role: CertificateRole;
  readonly subjectAltNames: readonly SubjectAltName[];
  readonly publicKey: x509.PublicKeyType;
  /** Whether the key can encipher (RSA), which key usage then says too. */
  readonly rsa: boolean;
  readonly serial: string;
  readonly validity: Validity;
  readonly signer: Signer;
}): Promise<x509.X509Certificate> {
  const { signer } = options;
  return x509.X509CertificateGenerator.create({
    serialNumber: options.serial,
    subject: subject(options.name, undefined),
    issuer: signer.certificate.subjectName,
    ...options.validity,
    publicKey: options.publicKey,
    signingKey: signer.key,
    signingAlgorithm: signingAlgorithm(signer.algorithm),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(leafKeyUsage(options.role, options.rsa), true),
      new x509.ExtendedKeyUsageExtension(
        options.role === 'server'
          ? [x509.ExtendedKeyUsage.serverAuth, IKE_INTERMEDIATE]
          : [x509.ExtendedKeyUsage.clientAuth],
      ),
      ...(options.subjectAltNames.length === 0
        ? []
        : [new x509.SubjectAlternativeNameExtension([...options.subjectAltNames])]),
      await x509.SubjectKeyIdentifierExtension.create(options.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(signer.certificate.publicKey),
    ],
  });
}

/**
 * OpenVPN's older `ns-cert-type`-like checks (`remote-cert-ku`) want one of a0, 88 for a server and 80, 08, 88 for a client:
 * digitalSignature with keyEncipherment for RSA, with keyAgreement for curves.
 */
function leafKeyUsage(role: CertificateRole, rsa: boolean): number {
  const { digitalSignature, keyAgreement, keyEncipherment } = x509.KeyUsageFlags;
  if (role === 'client') return digitalSignature;
  return digitalSignature | (rsa ? keyEncipherment : keyAgreement);
}

/** UTF8String throughout; given as an object, so that no character of a name is syntax. */
function subject(commonName: string, organization: string | undefined): x509.Name {
  const parts = organization === undefined ? [] : [{ O: [{ utf8String: organization }] }];
  return new x509.Name([...parts, { CN: [{ utf8String: commonName }] }]);
}
