/** Why a handshake or a session failed, as one plain sentence for people. Names come from strangers and are cut short. */
import { explainPeerAlert } from './alerts.ts';
import type { CrlFacts, Failure, Refusal, StaleCrl } from './native.ts';

/** What the context asked of the peer: "name is X, expected Y" needs it. */
export interface Expectation {
  readonly role: 'server' | 'client';
  /** Which rule the extended key usage was held to. @default TLS's */
  readonly usage?: 'required' | 'optional' | 'ike' | undefined;
  readonly name: { readonly kind: 'exact' | 'prefix'; readonly value: string } | undefined;
}

export function explainFailure(failure: Failure, expected: Expectation): string {
  if (failure.refusal !== undefined) return explainRefusal(failure.refusal, expected);
  if (failure.alert?.fromPeer === true) return explainPeerAlert(failure.alert.number);
  return handshakeReasons[failure.code] ?? `TLS failed: ${failure.text}`;
}

/** OpenSSL's SSL_R_* numbers (openssl/sslerr.h). */
const handshakeReasons: Readonly<Record<number, string>> = {
  101: 'the two ends share no key exchange group',
  118: 'the two ends share no signature algorithm',
  146: 'the peer sent a record that is too long',
  147: 'a record failed its integrity check',
  150: 'the peer sent a record that is too long',
  152: 'the peer sent a handshake message that is too long',
  156: 'the peer speaks HTTP, not TLS',
  193: 'the two ends share no cipher',
  198: 'the peer sent a record that is too long',
  199: 'the peer showed no certificate',
  258: 'the two ends share no TLS version',
  267: 'the peer does not speak TLS, or an unknown version of it',
  281: 'a record failed its integrity check',
  295: 'the two ends share no key exchange group',
  443: 'the peer does not speak TLS: unknown type of record',
};

/** OpenSSL's X509_V_ERR_* numbers (openssl/x509_vfy.h). */
const X509 = {
  unableToGetIssuer: 2,
  unableToGetCrl: 3,
  signatureFailure: 7,
  crlSignatureFailure: 8,
  notYetValid: 9,
  expired: 10,
  crlNotYetValid: 11,
  crlExpired: 12,
  selfSigned: 18,
  selfSignedInChain: 19,
  unableToGetIssuerLocally: 20,
  unableToVerifyLeaf: 21,
  revoked: 23,
  invalidPurpose: 26,
  noDigitalSignature: 39,
  hostnameMismatch: 62,
  keyTooSmall: 66,
  caKeyTooSmall: 67,
  digestTooWeak: 68,
  invalidCa: 79,
} as const;

export function explainRefusal(refusal: Refusal, expected: Expectation): string {
  const whose = refusal.depth === 0 ? "the peer's certificate" : "a CA certificate in the peer's chain";
  const subject = `(${shorten(refusal.subject)})`;
  const issuer = `(issuer ${shorten(refusal.issuer)})`;
  switch (refusal.error) {
    case X509.expired:
      return `${whose} expired on ${day(refusal.notAfter)} ${subject}`;
    case X509.notYetValid:
      return `${whose} is not valid before ${day(refusal.notBefore)} ${subject}`;
    case X509.revoked:
      return `${whose} was revoked ${subject}`;
    case X509.selfSigned:
      return `${whose} is signed by itself and not by a CA of ours ${subject}`;
    case X509.unableToGetIssuer:
    case X509.selfSignedInChain:
    case X509.unableToGetIssuerLocally:
    case X509.unableToVerifyLeaf:
      return `${whose} ${subject} is signed by a CA that is not ours ${issuer}`;
    case X509.signatureFailure:
      return `${whose} ${subject} carries a signature that our CA of that name did not make ${issuer}`;
    case X509.invalidPurpose:
      return explainPurpose(refusal, whose, subject, expected);
    case X509.noDigitalSignature:
      return `${whose} may not sign: its key usage lacks digitalSignature ${subject}`;
    case X509.hostnameMismatch:
      return explainName(refusal, expected);
    case X509.unableToGetCrl:
      return `no certificate revocation list of its issuer is there for ${whose} ${subject} ${issuer}`;
    case X509.crlExpired:
      return `the certificate revocation list for ${whose} expired on ${day(refusal.crlNextUpdate)} ${issuer}`;
    case X509.crlNotYetValid:
      return `the certificate revocation list for ${whose} is not valid yet ${issuer}`;
    case X509.crlSignatureFailure:
      return `the certificate revocation list for ${whose} carries a wrong signature ${issuer}`;
    case X509.keyTooSmall:
    case X509.caKeyTooSmall:
      return `the key of ${whose} is too short ${subject}`;
    case X509.digestTooWeak:
      return `${whose} is signed with a digest that is too weak ${subject}`;
    case X509.invalidCa:
      return `${whose} is used as a CA and is none ${subject}`;
    default:
      return `${whose} was refused: ${refusal.text} ${subject}`;
  }
}

function explainPurpose(refusal: Refusal, whose: string, subject: string, expected: Expectation): string {
  if (refusal.depth > 0) return `${whose} may not issue certificates for this use ${subject}`;
  const [use, usage] = expected.role === 'server' ? ['client', 'clientAuth'] : ['server', 'serverAuth'];
  const or = expected.usage === 'ike' ? ' or iKEIntermediate' : '';
  return `${whose} may not be used as a ${use}: its extended key usage lacks ${usage}${or} ${subject}`;
}

function explainName(refusal: Refusal, expected: Expectation): string {
  const rule = expected.name?.kind === 'prefix' ? 'a name that starts with ' : '';
  const wanted = `expected ${rule}${JSON.stringify(expected.name?.value ?? '')}`;
  return `the peer's name is ${JSON.stringify(shorten(refusal.commonName))}, ${wanted} (${shorten(refusal.subject)})`;
}

/** For the operator: a CRL that was let pass at a handshake. */
export function explainStaleCrl(crl: StaleCrl): string {
  const issuer = shorten(crl.issuer);
  return crl.missing
    ? `no certificate revocation list of ${issuer} is there: its certificates are accepted unchecked`
    : staleness(issuer, crl.nextUpdate);
}

/** For the operator: what is odd about a CRL at the time it is set; undefined when nothing is. */
export function explainCrl(crl: CrlFacts, now: number): string | undefined {
  const issuer = shorten(crl.issuer);
  if (crl.nextUpdate !== 0 && crl.nextUpdate < now) return staleness(issuer, crl.nextUpdate);
  return crl.known ? undefined : `the certificate revocation list of ${issuer} belongs to none of our CAs`;
}

function staleness(issuer: string, nextUpdate: number): string {
  return `the certificate revocation list of ${issuer} is out of date (next update ${day(nextUpdate)}): it still refuses what it lists`;
}

/** The day in UTC. */
export function day(unixMillis: number): string {
  return new Date(unixMillis).toISOString().slice(0, 10);
}

const LONGEST_NAME = 200;

export function shorten(name: string): string {
  if (name === '') return 'no name';
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name;
}
