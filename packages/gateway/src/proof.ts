/** Who a peer is, by what it showed: certificate, password or both, as the policy wants. */
import type { PeerCertificate } from '@culvert/base';
import type { GatewayConfig } from '@culvert/config';
import type { AuthMaterial, Claim, Principal, Refused } from '@culvert/core';
import { withoutDomain } from '@culvert/ppp';
import type { PasswordHasher, Store, User } from '@culvert/store';
import type { NtHashes } from './nt-hashes.ts';

export interface Proven {
  readonly kind: 'proven';
  readonly user: string;
  readonly certificate: PeerCertificate | undefined;
  readonly proofs: Principal['proofs'];
  /** Where the proof was an MS-CHAPv2 response. */
  readonly material?: AuthMaterial;
}

/** What every stranger may hear. */
export const failed = 'authentication failed';

/** A name that fits a log line, a command line and the store. */
const namePattern = /^[\p{L}\p{N}._@ -]{1,64}$/u;

export function refused(reason: string, tell = failed): Refused {
  return { kind: 'refused', reason, tell };
}

/** The user that the claim names, before any password is checked; a refusal where the policy is not met. */
export function nameOf(claim: Claim, auth: GatewayConfig['auth']): Proven | Refused {
  const { response } = claim;
  // Nothing here holds what other answers are checked with.
  if (response !== undefined && response.kind !== 'mschapv2') {
    return refused(`an answer to a ${response.kind} challenge cannot be checked`);
  }
  const certificate = auth.certificate === 'none' ? undefined : claim.certificate;
  const username = auth.password === 'none' ? undefined : usernameOf(claim);
  if (auth.certificate === 'required' && certificate === undefined) return refused('no certificate was shown');
  if (username === undefined && response !== undefined)
    return refused('a password was proven, and auth.password is none');
  if (auth.password === 'required' && username === undefined) {
    return refused('no password was sent (the client needs auth-user-pass)');
  }
  if (certificate === undefined && username === undefined) return refused('neither certificate nor password was shown');
  const user = certificate?.commonName ?? username ?? '';
  if (!namePattern.test(user)) return refused(`the name ${JSON.stringify(user.slice(0, 80))} cannot be a user's`);
  if (certificate !== undefined && username !== undefined && username !== certificate.commonName) {
    const other = JSON.stringify(username.slice(0, 80));
    return refused(`the certificate is ${user}'s, the password was sent for ${other}`);
  }
  const proofs: Proven['proofs'] = [
    ...(certificate === undefined ? [] : (['certificate'] as const)),
    ...(username === undefined ? [] : (['password'] as const)),
  ];
  return { kind: 'proven', user, certificate, proofs };
}

/** Windows may put its domain before a name that answers a challenge. */
function usernameOf({ password, response }: Claim): string | undefined {
  return response === undefined ? password?.username : withoutDomain(response.username);
}

/**
 * Checks an MS-CHAPv2 response; `proven` with what only the password's holder computes. Every refusal costs the same work, so that its time
 * tells nothing of who is known.
 */
export async function checkResponse(
  proven: Proven,
  response: Extract<NonNullable<Claim['response']>, { kind: 'mschapv2' }>,
  {
    store,
    ntHashes,
    bars,
  }: {
    readonly store: Store;
    readonly ntHashes: NtHashes | undefined;
    /** Why who has this record may not come in this way at all. */
    bars(record: User): string | undefined;
  },
): Promise<Proven | Refused> {
  if (ntHashes === undefined)
    return refused('an MS-CHAPv2 response cannot be checked: no transport with MS-CHAPv2 is on');
  const { user } = proven;
  const sealed = await store.ntHash(user);
  const material = ntHashes.verify(user, sealed, response);
  if (typeof material === 'object') return { ...proven, material };
  const record = await store.user(user);
  if (material === 'unreadable') return refused(`${user} has an NT hash of another key: culvertd user passwd ${user}`);
  if (sealed !== undefined) return refused(`wrong password for ${user}`);
  if (record === undefined) return refused(`there is no user ${user}`);
  const why = bars(record) ?? `has no NT hash, which MS-CHAPv2 needs: culvertd user passwd ${user}`;
  return refused(`${user} ${why}`);
}

/** Checks the password, where one counts. Every refusal costs the same work, as above. */
export async function checkPassword(
  proven: Proven,
  claim: Claim,
  { store, hasher, signal }: { readonly store: Store; readonly hasher: PasswordHasher; readonly signal: AbortSignal },
): Promise<Refused | undefined> {
  if (!proven.proofs.includes('password') || claim.password === undefined) return undefined;
  const encoded = await store.passwordHash(proven.user);
  if (await hasher.verify(encoded, claim.password.password, signal)) return undefined;
  const known = (await store.user(proven.user)) !== undefined;
  if (encoded !== undefined) return refused(`wrong password for ${proven.user}`);
  return refused(known ? `${proven.user} has no password here` : `there is no user ${proven.user}`);
}
