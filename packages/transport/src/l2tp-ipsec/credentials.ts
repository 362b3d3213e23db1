/** What phase 1 is proved with by certificates: our own, and whether a peer's is one that we believe. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type { Logger } from '@culvert/base';
import {
  type Identification,
  IdentityType,
  type IkeWork,
  type OwnCertificate,
  signatureMethod,
  signHash,
  subjectOf,
  verifyHash,
} from '@culvert/ipsec';
import { createTlsContext } from '@culvert/tls';
import { formatAddress } from '@culvert/wire';
import { TransportError } from '../errors.ts';
import type { L2tpIpsecCertificate } from './options.ts';

const PRINTABLE = /^[!-~]+$/;
const ENTRY = /-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/gs;

export interface Credentials {
  readonly own: OwnCertificate;
  /** The signature; undefined when our key makes none of that kind. */
  sign(work: Extract<IkeWork, { kind: 'sign' }>): Uint8Array | undefined;
  /** True, or why the peer is not believed, as a plain sentence. */
  verify(work: Extract<IkeWork, { kind: 'verify' }>): true | string;
  close(): void;
}

export interface CredentialsOptions extends L2tpIpsecCertificate {
  /** A peer's certificate may name no purpose at all; one that names some must be for the other role, or for IKE. */
  readonly role: 'server' | 'client';
  /** A name or address that the server's certificate must have. */
  readonly serverName?: string;
  readonly log: Logger;
}

/** Throws TlsError or TransportError for what cannot be used. */
export function createCredentials(options: CredentialsOptions): Credentials {
  const { role, certificate, privateKey, ca, crl, serverName, log } = options;
  const context = createTlsContext({
    role,
    ca,
    crl,
    certificate,
    privateKey,
    usage: 'ike',
    onWarning: (message) => log.warn(message),
  });
  const key = createPrivateKey(privateKey);
  const method = signatureMethod(key);
  if (method === undefined) {
    context.close();
    const found = key.asymmetricKeyType ?? 'unknown';
    throw new TransportError('CULVERT_TRANSPORT_LISTEN', `a ${found} key signs nothing in IKEv1: RSA or ECDSA do`);
  }
  const chain = certificatesOf(certificate);
  return {
    own: {
      chain,
      method,
      subject: subjectOf(chain[0] ?? new Uint8Array(0)),
      authorities: certificatesOf(ca).map(subjectOf),
    },
    sign: (work) => signHash(work.method, key, work.hash),
    verify: (work) => {
      const verdict = context.verifyChain(work.certificates);
      if (typeof verdict === 'string') return verdict;
      const peer = new X509Certificate(verdict.der);
      if (!isNamed(peer, work.identity))
        return `the peer calls itself what its certificate does not say: ${identityText(work.identity)}`;
      if (serverName !== undefined && !hasName(peer, serverName))
        return `the server's certificate is not for ${serverName}: ${peer.subjectAltName ?? peer.subject}`;
      const proven = verifyHash(work.method, peer.publicKey, work.hash, work.signature);
      return proven || 'the peer does not have the key of its certificate';
    },
    close: () => context.close(),
  };
}

/** What a peer calls itself, for people; with its certificate the subject of that. */
export function identityText({ type, data }: Pick<Identification, 'type' | 'data'>, certificate?: Uint8Array): string {
  const address = addressOf({ type, data });
  if (address !== undefined) return address;
  if (certificate !== undefined) return nameOf(new X509Certificate(certificate));
  if (type === IdentityType.derDistinguishedName) return 'a distinguished name';
  return JSON.stringify(Buffer.from(data.subarray(0, 128)).toString('utf8'));
}

/** A certificate may have its names as alternatives alone (RFC 5280, section 4.2.1.6); node:crypto has no subject then. */
function nameOf({ subject, subjectAltName }: Partial<X509Certificate>): string {
  return subject?.replaceAll('\n', ', ') || subjectAltName || 'a certificate without a name';
}

function certificatesOf(pem: string): Uint8Array[] {
  return (pem.match(ENTRY) ?? []).map((entry) => new Uint8Array(new X509Certificate(entry).raw));
}

/** RFC 4945, section 3.1: an identity must be one that its certificate confirms. */
function isNamed(certificate: X509Certificate, { type, data }: Pick<Identification, 'type' | 'data'>): boolean {
  const address = addressOf({ type, data });
  if (address !== undefined) return isConfirmed(() => certificate.checkIP(address));
  if (type === IdentityType.derDistinguishedName) return Buffer.compare(subjectOf(certificate.raw), data) === 0;
  const text = Buffer.from(data).toString('latin1');
  // OpenSSL passes over a zero byte at the end.
  if (!PRINTABLE.test(text)) return false;
  switch (type) {
    case IdentityType.fqdn:
      return isConfirmed(() => certificate.checkHost(text, { subject: 'never', wildcards: false }));
    case IdentityType.userFqdn:
      return isConfirmed(() => certificate.checkEmail(text, { subject: 'never' }));
    default:
      return false;
  }
}

/** A name that is none, which a peer may well send, makes node:crypto throw. */
function isConfirmed(check: () => string | undefined): boolean {
  try {
    return check() !== undefined;
  } catch {
    return false;
  }
}

function addressOf({ type, data }: Pick<Identification, 'type' | 'data'>): string | undefined {
  const bytes = type === IdentityType.ipv4Address ? 4 : type === IdentityType.ipv6Address ? 16 : undefined;
  return data.length === bytes ? formatAddress(data) : undefined;
}

function hasName(certificate: X509Certificate, name: string): boolean {
  return isIP(name) === 0
    ? isConfirmed(() => certificate.checkHost(name, { wildcards: false }))
    : isConfirmed(() => certificate.checkIP(name));
}
