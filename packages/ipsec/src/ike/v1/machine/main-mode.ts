/** What both roles of main mode share (RFC 2409, sections 5 and 5.1). */
import type { Instant, Path } from '@culvert/base';
import { WireError } from '@culvert/wire';
import { addressIdentification, encodeIdentification, type Identification, IdentityType } from '../identification.ts';
import { NotifyType, notify } from '../notification.ts';
import { bodyOf, type Payload, PayloadType } from '../payload.ts';
import { derivePhase1Keys, phase1Hash } from '../phase1-keys.ts';
import type { Phase1Suite } from '../phase1-proposal.ts';
import { ProtocolId } from '../security-association.ts';
import { authenticationHash } from '../signature.ts';
import type { IkeFailure } from './face.ts';
import type { IkeSa } from './ike-sa.ts';
import type { Phase1Keys } from './keys.ts';
import { detectNat, natDetection } from './nat-detection.ts';

export interface Suspicion {
  readonly code: IkeFailure;
  readonly detail: string;
}

export interface MainMode {
  /** Take the payloads of the next message. Throws WireError for what breaks the protocol; `sa.accept` must come first otherwise. */
  handle(payloads: readonly Payload[], accept: () => void, path: Path, now: Instant): void;
  /** Why it failed, when time is up. */
  readonly suspicion: Suspicion;
  /** The message would not decrypt, or somebody told so. */
  suspect(code: IkeFailure, detail: string): void;
}

export const NONCE_BYTES = 32;
/** Nothing proves it: messages may be damaged, or be somebody else's. */
export const keyDiffers = 'the pre-shared key probably differs';

/** A nonce is 8 to 256 bytes (RFC 2409, section 5). Throws WireError. */
export function nonceOf(list: readonly Payload[]): Uint8Array {
  const nonce = bodyOf(list, PayloadType.nonce);
  if (nonce === undefined || nonce.length < 8 || nonce.length > 256)
    throw new WireError('CULVERT_WIRE_LENGTH', 'nonce');
  return nonce.slice();
}

export function keyExchangeOf(list: readonly Payload[]): Uint8Array {
  const value = bodyOf(list, PayloadType.keyExchange);
  if (value === undefined) throw new WireError('CULVERT_WIRE_VALUE', 'no key exchange');
  return value.slice();
}

export interface Sides {
  readonly initiatorPublic: Uint8Array;
  readonly responderPublic: Uint8Array;
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
}

export function keysOf(sa: IkeSa, suite: Phase1Suite, sharedSecret: Uint8Array, sides: Sides): Phase1Keys | undefined {
  const preShared = suite.authentication === 'pre-shared-key';
  const presharedKey = preShared ? sa.context.options.presharedKey?.(sa.source) : undefined;
  if (preShared && presharedKey === undefined) return undefined;
  const { initiatorCookie, responderCookie } = sa;
  const { hash, cipher } = suite;
  const { initiatorNonce, responderNonce, initiatorPublic: initiatorValue, responderPublic: responderValue } = sides;
  const cookies = { initiatorCookie, responderCookie };
  const values = { initiatorNonce, responderNonce, initiatorValue, responderValue };
  return {
    suite,
    ...derivePhase1Keys({ hash, cipher, preSharedKey: presharedKey, sharedSecret, ...cookies, ...values }),
  };
}

/** HASH_I or HASH_R, by whose identification it is. */
export function proofHash(
  sa: IkeSa,
  keys: Phase1Keys,
  of: 'initiator' | 'responder',
  { sides, saBody, idBody }: { sides: Sides; saBody: Uint8Array; idBody: Uint8Array },
): Uint8Array {
  const { initiatorPublic, responderPublic } = sides;
  const initiator = { value: initiatorPublic, cookie: sa.initiatorCookie };
  const responder = { value: responderPublic, cookie: sa.responderCookie };
  const [own, other] = of === 'initiator' ? [initiator, responder] : [responder, initiator];
  return phase1Hash({
    hash: authenticationHash(keys.suite.authentication, keys.suite.hash),
    skeyid: keys.skeyid,
    ownValue: own.value,
    otherValue: other.value,
    ownCookie: own.cookie,
    otherCookie: other.cookie,
    offer: saBody,
    identity: idBody,
  });
}

/** The identification that we show. */
export function ownIdentity(sa: IkeSa, suite: Phase1Suite): Identification {
  const { identity, certificate } = sa.context.options;
  if (identity !== undefined) return identity;
  if (suite.authentication === 'pre-shared-key' || certificate === undefined)
    return addressIdentification(sa.path.local.address);
  return { type: IdentityType.derDistinguishedName, protocol: 0, port: 0, data: certificate.subject };
}

export function ownIdentityBody(sa: IkeSa, suite: Phase1Suite): Uint8Array {
  return encodeIdentification(ownIdentity(sa, suite));
}

export function natPayloadsOf(sa: IkeSa, suite: Phase1Suite): Payload[] {
  if (sa.nat === undefined) return [];
  const client = sa.role === 'initiator' ? 'local' : 'remote';
  const wrong = sa.context.options.forceEncapsulation === true ? client : undefined;
  return natDetection({ suite, cookies: [sa.initiatorCookie, sa.responderCookie], dialect: sa.nat }, sa.path, wrong);
}

export function findNat(sa: IkeSa, suite: Phase1Suite, list: readonly Payload[], path: Path): void {
  if (sa.nat === undefined) return;
  const found = detectNat({ suite, cookies: [sa.initiatorCookie, sa.responderCookie], dialect: sa.nat }, path, list);
  if (found === undefined) {
    sa.nat = undefined;
    return;
  }
  sa.localBehindNat = found.localBehindNat;
  sa.remoteBehindNat = found.remoteBehindNat;
}

/** The end, once the other's message was taken and proved nothing. It is told: otherwise it would ask until its patience ends. */
export function distrust(sa: IkeSa, detail: string): void {
  sa.inform(notify(NotifyType.authenticationFailed, ProtocolId.isakmp));
  sa.close('authentication', 'refused', detail);
}

/** Everything that both do once the other is proven. */
export function finish(
  sa: IkeSa,
  keys: Phase1Keys,
  proof: { identity: Identification; certificates: readonly Uint8Array[] },
  now: Instant,
): void {
  sa.identity = proof.identity;
  sa.becomeEstablished(now);
  sa.onEstablished?.(keys, proof.certificates, now);
}
