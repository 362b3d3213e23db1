/**
 * The gateway's answer to a claim: who may have a link, with which addresses and configuration.
 *
 * Owns the order: limits of failure, the policy's proofs, the user's record, a place among the sessions, a lease. Proofs are
 * in `proof.ts`. The last steps run without a pause, so that a user who is disabled meanwhile is found, here or by `Sessions`.
 */
import type { CloseReason, Logger, Millis, MonotonicClock } from '@culvert/base';
import type { GatewayConfig } from '@culvert/config';
import type { Admission, Admitted, Claim, LeasePool, Link, LinkConfig, Refused } from '@culvert/core';
import { type PasswordHasher, type Store, StoreError, type User } from '@culvert/store';
import { FailureLimits, sourceKey } from './failure-limits.ts';
import type { KnownUsers } from './known-users.ts';
import type { NtHashes } from './nt-hashes.ts';
import { checkPassword, checkResponse, nameOf, type Proven, refused } from './proof.ts';
import type { Session, Sessions } from './sessions.ts';
import { barredFrom } from './transport-groups.ts';

/**
 * How long a newcomer waits for the addresses of a session that ends, so that it gets the same ones. A transport waits two
 * seconds for a peer that is gone to answer our goodbye.
 */
const replaceWait: Millis = 2_500;

export interface AdmissionOptions {
  /** In force; read at every claim. */
  readonly config: () => GatewayConfig;
  readonly store: Store;
  readonly users: KnownUsers;
  readonly hasher: PasswordHasher;
  /** Where a transport is on that proves passwords by MS-CHAPv2. */
  readonly ntHashes?: NtHashes | undefined;
  readonly pool: LeasePool;
  readonly sessions: Sessions;
  readonly clock: MonotonicClock;
  readonly log: Logger;
  /** Whether a certificate (DER) is revoked by now: TLS judged it by the list of its handshake. */
  isRevoked(der: Uint8Array): boolean;
}

export class GatewayAdmission implements Admission {
  readonly #options: AdmissionOptions;
  #sources: FailureLimits;
  #users: FailureLimits;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    const { perSource, perUser } = options.config().limits.failedAttempts;
    this.#sources = new FailureLimits(perSource);
    this.#users = new FailureLimits(perUser);
  }

  /** New limits start with a clean slate. */
  reload(): void {
    const { perSource, perUser } = this.#options.config().limits.failedAttempts;
    this.#sources = new FailureLimits(perSource);
    this.#users = new FailureLimits(perUser);
  }

  async admit(claim: Claim, signal: AbortSignal): Promise<Admitted | Refused> {
    const proven = await this.#prove(claim, signal);
    if (proven.kind === 'refused') return proven;
    let record = await this.#recordOf(proven);
    const early = this.#judge(claim, proven, record);
    if (early !== undefined) return early;
    if (this.#needsRoom(proven.user)) {
      const full = await this.#makeRoom(proven.user);
      if (full !== undefined) return full;
      record = await this.#recordOf(proven);
    }
    if (signal.aborted) return refused(`${proven.user} was gone before it was admitted`);
    return this.#judge(claim, proven, record) ?? this.#enter(claim, proven, record);
  }

  async reauthenticate(link: Link, claim: Claim, signal: AbortSignal): Promise<Admitted | Refused> {
    const proven = await this.#prove(claim, signal);
    if (proven.kind === 'refused') return proven;
    const { user } = link.principal;
    if (proven.user !== user) return refused(`the link is ${user}'s, new keys were asked for by ${proven.user}`);
    const refusal = this.#judge(claim, proven, await this.#options.store.user(user));
    return refusal ?? { kind: 'admitted', principal: link.principal, config: link.config, release: () => {} };
  }

  /** Proofs, within the limits of failure. */
  async #prove(claim: Claim, signal: AbortSignal): Promise<Proven | Refused> {
    const source = sourceKey(claim.remote.address);
    const unheard = this.#tooManyFrom(source);
    if (unheard !== undefined) return unheard;
    const named = nameOf(claim, this.#options.config().auth);
    if (named.kind === 'refused') return this.#failure(named, source, claim.password?.username);
    const unread = this.#tooManyFor(named);
    if (unread !== undefined) return unread;
    const proven = await this.#check(named, claim, signal);
    if (proven.kind === 'refused') return this.#failure(proven, source, named.user);
    // Guesses sent all at once were each within the limits when they came: the right one among them must not tell itself.
    return this.#tooManyFrom(source) ?? this.#tooManyFor(proven) ?? proven;
  }

  #tooManyFrom(source: string): Refused | undefined {
    if (this.#sources.allows(source, this.#options.clock.now())) return undefined;
    return refused(`too many failures from ${source}: wait a minute`);
  }

  /** A certificate cannot be guessed: only who has none is slowed down by what others did in the same name. */
  #tooManyFor({ user, certificate }: Proven): Refused | undefined {
    if (certificate !== undefined || this.#users.allows(user, this.#options.clock.now())) return undefined;
    return refused(`too many failures for ${user}: wait a minute`);
  }

  async #check(named: Proven, claim: Claim, signal: AbortSignal): Promise<Proven | Refused> {
    const { store, ntHashes, config } = this.#options;
    if (claim.response?.kind === 'mschapv2') {
      const bars = (record: User) => barredFrom(claim.transport, record, config());
      return await checkResponse(named, claim.response, { store, ntHashes, bars });
    }
    try {
      return (await checkPassword(named, claim, { ...this.#options, signal })) ?? named;
    } catch (error) {
      if (error instanceof StoreError && error.code === 'CULVERT_STORE_OVERLOADED') {
        return refused(error.message, 'the gateway is busy, try again');
      }
      throw error;
    }
  }

  #failure(refusal: Refused, source: string, user: string | undefined): Refused {
    const now = this.#options.clock.now();
    this.#sources.fail(source, now);
    if (user !== undefined) this.#users.fail(user.slice(0, 64), now);
    return refusal;
  }

  /** A certificate needs no other thread's answer to be let in; whoever showed a password, or would be refused, gets the store's own. */
  async #recordOf({ user, proofs }: Proven): Promise<User | undefined> {
    const known = proofs.includes('password') ? 'unknown' : this.#options.users.find(user);
    if (known !== 'unknown' && this.#judgeRecord(user, known) === undefined) return known;
    return this.#options.store.user(user);
  }

  /** What the revocation list and the user's record say by now, of a peer that has proven to be that user. */
  #judge({ transport }: Claim, { certificate, user }: Proven, record: User | undefined): Refused | undefined {
    if (certificate !== undefined && this.#options.isRevoked(certificate.der)) {
      return refused(`the certificate of ${user} was revoked (serial ${certificate.serial})`);
    }
    const refusal = this.#judgeRecord(user, record);
    if (refusal !== undefined) return refusal;
    const barred = barredFrom(transport, record, this.#options.config());
    return barred === undefined ? undefined : { ...refused(`${user} ${barred}`), account: 'barred' };
  }

  #judgeRecord(user: string, record: User | undefined): Refused | undefined {
    if (record?.enabled === false) return { ...refused(`${user} is disabled`), account: 'disabled' };
    const unlisted = this.#options.config().auth.unlistedUsers;
    if (record === undefined && unlisted === 'refuse') return refused(`${user} is not in the list of users`);
    return undefined;
  }

  #needsRoom(user: string): boolean {
    const { config, sessions } = this.#options;
    return sessions.count(user) >= config().limits.sessionsPerUser || sessions.anyEnding(user);
  }

  /** A place among the user's sessions: the oldest makes room, or the newcomer is refused. */
  async #makeRoom(user: string): Promise<Refused | undefined> {
    const { config, sessions } = this.#options;
    const { sessionsPerUser, whenReached } = config().limits;
    const mine = sessions.of(user);
    if (mine.length >= sessionsPerUser && whenReached === 'refuse') return this.#tooMany(user);
    const detail = `${user} connected again (limits.sessionsPerUser: ${sessionsPerUser})`;
    for (const session of mine.slice(0, Math.max(0, mine.length - sessionsPerUser + 1))) {
      sessions.end(session, { cause: 'replaced', detail });
    }
    await within(Promise.all(sessions.endingOf(user).map(({ over }) => over)), replaceWait);
    return undefined;
  }

  #tooMany(user: string): Refused {
    const { sessionsPerUser } = this.#options.config().limits;
    return refused(`${user} has ${sessionsPerUser} sessions already (limits.sessionsPerUser)`, 'too many sessions');
  }

  /** No pause from here on. */
  #enter(claim: Claim, proven: Proven, record: User | undefined): Admitted | Refused {
    const { config, pool, sessions } = this.#options;
    // Two claims of one user may have made room for each other.
    if (sessions.count(proven.user) >= config().limits.sessionsPerUser) return this.#tooMany(proven.user);
    const lease = pool.lease(proven.user, { wholeNetwork: claim.makesAddresses === true });
    if (lease.kind !== 'leased') return refused(lease.reason, 'no address is free');
    const { certificate, proofs, user, material } = proven;
    const session = sessions.add({
      principal: { user, groups: record?.groups ?? [], certificate, proofs },
      config: linkConfig(config(), lease, record?.networksBehind ?? []),
      transport: claim.transport,
      remote: claim.remote,
    });
    return {
      kind: 'admitted',
      principal: session.principal,
      config: session.config,
      ...(material && { material }),
      release: this.#releaseOnce(session, lease),
    };
  }

  #releaseOnce(session: Session, lease: { release(): void }): (why: CloseReason) => void {
    let released = false;
    return (why) => {
      if (released) return;
      released = true;
      lease.release();
      this.#options.sessions.remove(session);
      if (session.link === undefined) {
        const { user } = session.principal;
        this.#options.log.info('an admitted peer never came up', { user, cause: why.cause, reason: why.detail });
      }
    };
  }
}

/** What the peer is told, and what the core holds it to. */
export function linkConfig(
  config: GatewayConfig,
  lease: Pick<LinkConfig, 'ipv4' | 'ipv6'>,
  networksBehind: readonly string[],
): LinkConfig {
  return {
    ipv4: lease.ipv4,
    ipv6: lease.ipv6,
    mtu: config.network.mtu,
    routes: config.push.routes,
    redirect: config.push.redirect,
    dns: config.push.dns,
    networksBehind,
    keepalive: config.keepalive,
    idleTimeout: config.limits.idle,
    sessionTimeout: config.limits.session,
  };
}

/** Resolves when `promise` does, or after `wait`. */
async function within(promise: Promise<unknown>, wait: Millis): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, wait);
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
