/** CERT and CERTREQ payloads (RFC 2408, sections 3.9 and 3.10): | encoding | bytes ... |, and proof of the key (RFC 2409, section 5.1). */
import type { Instant } from '@culvert/base';
import { WireError } from '@culvert/wire';
import { type CertificateNames, namesOf } from '../../certificate-names.ts';
import { certificatesOfPkcs7 } from '../../pkcs7.ts';
import { decodeIdentification, type Identification, IdentityType } from '../identification.ts';
import { bodiesOf, bodyOf, type Payload, PayloadType } from '../payload.ts';
import type { SignatureMethod } from '../signature.ts';
import type { OwnCertificate } from './face.ts';
import type { IkeSa } from './ike-sa.ts';

const PKCS7 = 1;
const X509_SIGNATURE = 4;
/** As many as a chain may have (packages/tls). */
const MOST_CERTIFICATES = 8;

export function certificatePayloads(own: OwnCertificate | undefined): Payload[] {
  return (own?.chain ?? []).map((der) => ({
    type: PayloadType.certificate,
    body: Buffer.concat([Uint8Array.of(X509_SIGNATURE), der]),
  }));
}

export function certificateRequests(own: OwnCertificate | undefined): Payload[] {
  return (own?.authorities ?? []).map((name) => ({
    type: PayloadType.certificateRequest,
    body: Buffer.concat([Uint8Array.of(X509_SIGNATURE), name]),
  }));
}

/**
 * The peer's chain in DER, its own certificate first, at most eight; each CERT payload has one, or several as PKCS#7, in any order. A plain
 * sentence where there is none, or too many. Whether they are certificates at all is for who verifies them.
 */
export function readCertificates(list: readonly Payload[], identity: Identification): Uint8Array[] | string {
  const bodies = bodiesOf(list, PayloadType.certificate);
  const chain: Uint8Array[] = [];
  try {
    for (const body of bodies) {
      if (body[0] === PKCS7) chain.push(...certificatesOfPkcs7(body.subarray(1), MOST_CERTIFICATES));
      if (body[0] === X509_SIGNATURE) chain.push(body.slice(1));
      if (chain.length > MOST_CERTIFICATES) return `the peer showed more than ${MOST_CERTIFICATES} certificates`;
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return `the peer showed certificates as PKCS#7 that cannot be read: ${error.message}`;
  }
  if (chain.length > 0) return ownFirst(chain, identity);
  const encodings = [...new Set(bodies.map((body) => body[0] ?? 0))].join(', ');
  if (encodings === '') return 'the peer showed no certificate';
  return `the peer showed a certificate in an encoding that is not read here (${encodings}): X.509 (4) and PKCS#7 (1) are`;
}

/** The one whose subject the peer calls itself, else the first that is the issuer of no other. */
function ownFirst(chain: Uint8Array[], identity: Identification): Uint8Array[] {
  const names = chain.map(namesOrNone);
  const isIssuer = (subject: Uint8Array, index: number) =>
    names.some((other, i) => i !== index && other !== undefined && Buffer.compare(other.issuer, subject) === 0);
  let own = -1;
  if (identity.type === IdentityType.derDistinguishedName)
    own = names.findIndex((each) => each !== undefined && Buffer.compare(each.subject, identity.data) === 0);
  if (own < 0) own = names.findIndex((each, i) => each !== undefined && !isIssuer(each.subject, i));
  const first = chain[own];
  return own <= 0 || first === undefined ? chain : [first, ...chain.filter((_, i) => i !== own)];
}

function namesOrNone(certificate: Uint8Array): CertificateNames | undefined {
  try {
    return namesOf(certificate);
  } catch {
    return undefined;
  }
}

export interface Proof {
  readonly identity: Identification;
  readonly certificates: readonly Uint8Array[];
}

/** Has the peer's signature verified. `done` gets the proof, or why there is none. */
export function verifyPeer(
  sa: IkeSa,
  method: SignatureMethod,
  list: readonly Payload[],
  hash: Uint8Array,
  now: Instant,
  done: (proof: Proof | string, now: Instant) => void,
): void {
  const idBody = bodyOf(list, PayloadType.identification);
  const signature = bodyOf(list, PayloadType.signature);
  if (idBody === undefined || signature === undefined)
    throw new WireError('CULVERT_WIRE_VALUE', 'no identification or no signature');
  const identity = decodeIdentification(idBody.slice());
  const certificates = readCertificates(list, identity);
  if (typeof certificates === 'string') {
    done(certificates, now);
    return;
  }
  sa.working = true;
  const work = { kind: 'verify', method, hash, signature: signature.slice(), identity, certificates } as const;
  sa.context.do(
    work,
    (result, then) => {
      if (sa.closed) return;
      sa.working = false;
      if (result === true) done({ identity, certificates }, then);
      else done(typeof result === 'string' ? result : 'the signature could not be checked', then);
    },
    (detail) => sa.giveWay(detail),
  );
}

/** Signs `hash` with our key; `done` gets the payload. */
export function signOurs(
  sa: IkeSa,
  method: SignatureMethod,
  hash: Uint8Array,
  done: (payload: Payload, now: Instant) => void,
): void {
  sa.working = true;
  sa.context.do(
    { kind: 'sign', method, hash },
    (result, now) => {
      if (sa.closed) return;
      sa.working = false;
      if (result instanceof Uint8Array) done({ type: PayloadType.signature, body: result }, now);
      else sa.close('authentication', 'refused', 'our own certificate would not sign');
    },
    (detail) => sa.giveWay(detail),
  );
}
