/** CERT and CERTREQ payloads (RFC 2408, sections 3.9 and 3.10): | encoding | bytes ... |, and proof of the key (RFC 2409, section 5.1). */
import { WireError } from '@culvert/wire';
import { decodeIdentification, type Identification } from '../identification.ts';
import { bodiesOf, bodyOf, type Payload, PayloadType } from '../payload.ts';
import type { SignatureMethod } from '../signature.ts';
import type { OwnCertificate } from './face.ts';
import type { IkeSa } from './ike-sa.ts';

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

export function readCertificates(
  list: readonly Payload[],
): { readonly encoding: number; readonly bytes: Uint8Array }[] {
  const bodies = bodiesOf(list, PayloadType.certificate);
  if (bodies.length > MOST_CERTIFICATES) throw new WireError('CULVERT_WIRE_LENGTH', 'too many certificates');
  return bodies.map((body) => ({ encoding: body[0] ?? 0, bytes: body.slice(1) }));
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
  done: (proof: Proof | string, now: Parameters<IkeSa['becomeEstablished']>[0]) => void,
): void {
  const idBody = bodyOf(list, PayloadType.identification);
  const signature = bodyOf(list, PayloadType.signature);
  if (idBody === undefined || signature === undefined)
    throw new WireError('CULVERT_WIRE_VALUE', 'no identification or no signature');
  const identity = decodeIdentification(idBody.slice());
  const certificates = readCertificates(list);
  if (certificates.length === 0) throw new WireError('CULVERT_WIRE_VALUE', 'no certificate');
  sa.working = true;
  const work = { kind: 'verify', method, hash, signature: signature.slice(), identity, certificates } as const;
  sa.context.do(
    work,
    (result, now) => {
      if (sa.closed) return;
      sa.working = false;
      const chain = certificates.filter(({ encoding }) => encoding === X509_SIGNATURE).map(({ bytes }) => bytes);
      if (result === true) done({ identity, certificates: chain }, now);
      else done(typeof result === 'string' ? result : 'the signature could not be checked', now);
    },
    (detail) => sa.giveWay(detail),
  );
}

/** Signs `hash` with our key; `done` gets the payload. */
export function signOurs(
  sa: IkeSa,
  method: SignatureMethod,
  hash: Uint8Array,
  done: (payload: Payload, now: Parameters<IkeSa['becomeEstablished']>[0]) => void,
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
