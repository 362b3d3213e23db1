/** What both roles of main mode share (RFC 2409, sections 5 and 5.1). */
import type { Instant, Path } from '@culvert/base';
import { WireError } from '@culvert/wire';
import type { IkeFailure } from './face.ts';

import { addressIdentification, encodeIdentification, type Identification, IdType } from './identification.ts';
import type { IkeSa } from './ike-sa.ts';
import { derivePhase1Keys, join, type Phase1Keys, prf } from './keys.ts';
import { bodyOf, type Payload, PayloadType } from './message.ts';
import { detectNat, natDetection } from './nat-detection.ts';
import type { Phase1Suite } from './phase1-proposal.ts';

export const NONCE_BYTES = 32;

export interface Suspicion {
  readonly code: IkeFailure;
  readonly detail: string;
}

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
  return derivePhase1Keys({ suite, presharedKey, sharedSecret, initiatorCookie, responderCookie, ...sides });
}

/** HASH_I or HASH_R, by whose identification it is. */
export function authenticationHash(
  sa: IkeSa,
  keys: Phase1Keys,
  of: 'initiator' | 'responder',
  { sides, saBody, idBody }: { sides: Sides; saBody: Uint8Array; idBody: Uint8Array },
): Uint8Array {
  const { initiatorPublic, responderPublic } = sides;
  const both =
    of === 'initiator'
      ? [initiatorPublic, responderPublic, sa.initiatorCookie, sa.responderCookie]
      : [responderPublic, initiatorPublic, sa.responderCookie, sa.initiatorCookie];
  return prf(keys.suite, keys.skeyid, join(...both, saBody, idBody));
}

/** The identification that we show. */
export function ownIdentity(sa: IkeSa, suite: Phase1Suite): Identification {
  const { identity, certificate } = sa.context.options;
  if (identity !== undefined) return identity;
  if (suite.authentication === 'pre-shared-key' || certificate === undefined)
    return addressIdentification(sa.path.local.address);
  return { type: IdType.distinguishedName, protocol: 0, port: 0, data: certificate.subject };
}

export function ownIdentityBody(sa: IkeSa, suite: Phase1Suite): Uint8Array {
  return encodeIdentification(ownIdentity(sa, suite));
}

export function natPayloadsOf(sa: IkeSa, suite: Phase1Suite): Payload[] {
  if (sa.nat === undefined) return [];
  const force = sa.context.options.forceEncapsulation === true;
  return natDetection({ suite, cookies: sa.cookies, dialect: sa.nat }, sa.path, force);
}

export function findNat(sa: IkeSa, suite: Phase1Suite, list: readonly Payload[], path: Path): void {
  if (sa.nat === undefined) return;
  const found = detectNat({ suite, cookies: sa.cookies, dialect: sa.nat }, path, list);
  if (found === undefined) {
    sa.nat = undefined;
    return;
  }
  sa.localBehindNat = found.localBehindNat;
  sa.remoteBehindNat = found.remoteBehindNat;
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
