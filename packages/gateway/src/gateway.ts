/**
 * The gateway without its process: listeners, admission, sessions and what carries their packets, joined.
 *
 * It is handed what touches the machine (what carries packets, store, host, TLS), so that a test runs it whole in memory.
 * Owns the life of a session after admission, and what a reload, a disabled user or a new revocation list mean for it.
 */
import type { CloseReason, Logger, MonotonicClock } from '@culvert/base';
import type { GatewayConfig } from '@culvert/config';
import {
  CoreError,
  LeasePool,
  type LeaseStore,
  type Link,
  type Listener,
  type Transport,
  type TransportEvent,
} from '@culvert/core';
import type { PasswordHasher, Store } from '@culvert/store';
import { GatewayAdmission } from './admission.ts';
import type { Carrier } from './carrier.ts';
import { type Explanation, explain } from './explain.ts';
import { filterPolicy } from './filter-policy.ts';
import { KnownUsers } from './known-users.ts';
import type { NtHashes } from './nt-hashes.ts';
import { Refusals } from './refusals.ts';
import { type Session, Sessions } from './sessions.ts';
import {
  formatEndpoint,
  formatListening,
  type GatewayStatus,
  nonZero,
  type SessionStatus,
  sessionFields,
  sessionStatus,
} from './status.ts';
import { Stories } from './stories.ts';
import { mustEnd, networksBehind, staticAddresses } from './users.ts';

/** A transport with its options: `(on) => transport.listen(options, on)`. */
export interface Listening {
  readonly transport: string;
  listen(on: Parameters<Transport['listen']>[1]): Promise<Listener>;
}

export interface GatewayOptions {
  readonly config: GatewayConfig;
  readonly store: Store;
  readonly hasher: PasswordHasher;
  /** Where a transport is on that proves passwords by MS-CHAPv2. */
  readonly ntHashes?: NtHashes | undefined;
  readonly leases: LeaseStore;
  readonly carrier: Carrier;
  readonly deviceName: string;
  readonly transports: readonly Listening[];
  readonly clock: MonotonicClock;
  readonly log: Logger;
  readonly version: string;
  /** What is insecure by configuration: an operator is reminded of it for as long as it is so. @default none */
  readonly reminders?: readonly string[];
  /** Whether a certificate (DER) is revoked by now. */
  isRevoked(der: Uint8Array): boolean;
  /** Routes the networks behind users to the device. Rejects with HostError. */
  setNetworksBehind(networks: readonly string[]): Promise<void>;
}

const maxWarnings = 50;
/** Characters of a reason that are kept: those of IKE name what both ends offer. */
const maxReason = 2_000;

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #log: Logger;
  readonly #sessions: Sessions;
  readonly #refusals: Refusals;
  readonly #stories: Stories;
  readonly #users = new KnownUsers();
  readonly #pool: LeasePool;
  readonly #carrier: Carrier;
  readonly #admission: GatewayAdmission;
  readonly #abort = new AbortController();
  readonly #listeners: { readonly transport: string; readonly listener: Listener }[] = [];
  readonly #warnings = new Set<string>();
  readonly #since = new Date().toISOString();
  #config: GatewayConfig;
  #usersTurn: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;

  /** Throws CoreError for a network that cannot be. */
  constructor(options: GatewayOptions) {
    const { config, carrier, clock, log } = options;
    this.#options = options;
    this.#config = config;
    this.#log = log;
    this.#sessions = new Sessions((session, why) => this.#tellEnding(session, why));
    this.#refusals = new Refusals(log, () => clock.now());
    this.#stories = new Stories({ now: () => clock.now(), date: () => new Date().toISOString() });
    const pool = (network: string | undefined) => (network === undefined ? undefined : { network });
    this.#pool = new LeasePool({
      ipv4: pool(config.network.ipv4),
      ipv6: pool(config.network.ipv6),
      store: options.leases,
    });
    this.#carrier = carrier;
    this.#admission = new GatewayAdmission({
      ...options,
      config: () => this.#config,
      users: this.#users,
      pool: this.#pool,
      sessions: this.#sessions,
    });
  }

  /** Opens the listeners. Rejects, with everything closed, when one cannot be. */
  async start(): Promise<void> {
    for (const reminder of this.#options.reminders ?? []) this.#log.warn(reminder);
    await this.handleUsersChanged();
    this.#carrier.start();
    try {
      for (const { transport, listen } of this.#options.transports) {
        const listener = await listen({
          admission: {
            admit: (claim, aborted) => {
              this.#stories.handleClaim(claim);
              return this.#admission.admit(claim, aborted);
            },
            reauthenticate: (link, claim, aborted) => this.#admission.reauthenticate(link, claim, aborted),
          },
          onLink: (link) => this.#handleLink(link),
          onEvent: (event) => this.#handleEvent(transport, event),
          log: this.#log,
          signal: this.#abort.signal,
        });
        this.#listeners.push({ transport, listener });
        this.#log.info('listening', { transport, endpoints: listener.endpoints.map(formatListening).join(', ') });
      }
    } catch (error) {
      await this.stop({ cause: 'error', detail: 'the gateway could not start' });
      throw error;
    }
  }

  /** The store's users have changed, or may have. Ends sessions of users who are disabled or gone. */
  handleUsersChanged(): Promise<void> {
    this.#usersTurn = this.#usersTurn
      .then(() => this.#readUsers())
      .catch((error: Error) => {
        this.#users.set(undefined);
        this.warn(`the users cannot be read: ${error.message}`);
      });
    return this.#usersTurn;
  }

  /** There is a new revocation list: ends the sessions of certificates that it lists. */
  handleRevocations(): void {
    const isRevoked = this.#options.isRevoked;
    for (const session of this.#sessions) {
      const { user, certificate } = session.principal;
      if (certificate === undefined || !isRevoked(certificate.der)) continue;
      this.#sessions.end(session, {
        cause: 'revoked',
        detail: `the certificate of ${user} was revoked (serial ${certificate.serial})`,
      });
    }
  }

  /** Takes what of `config` can change while links are up; see `reload.ts` for what cannot. Throws CoreError for a wrong filter. */
  reload(config: GatewayConfig): void {
    this.#carrier.setFilter(filterPolicy(config.filter));
    this.#config = config;
    this.#admission.reload();
    void this.handleUsersChanged();
  }

  /** Ends the sessions chosen; returns them. */
  end(which: (session: SessionStatus) => boolean, why: CloseReason): readonly SessionStatus[] {
    const chosen = new Map(
      this.sessions()
        .filter(which)
        .map((status) => [status.id, status]),
    );
    return this.#sessions.endAll(({ id }) => chosen.has(id), why).flatMap(({ id }) => chosen.get(id) ?? []);
  }

  /** Brings what `sessions` and `status` count up to date. */
  refresh(): Promise<void> {
    return this.#carrier.refresh();
  }

  sessions(): SessionStatus[] {
    const now = this.#options.clock.now();
    return [...this.#sessions].map((session) => {
      return sessionStatus(session, session.link && this.#carrier.droppedOf(session.link), now);
    });
  }

  /** What happened in sessions and tries; `which` as `explain.ts` tells. */
  explain(which: string | undefined): Explanation[] {
    return explain(which, [...this.#sessions], this.#stories);
  }

  status(): GatewayStatus {
    const { ipv4, ipv6, mode } = this.#config.network;
    return {
      version: this.#options.version,
      pid: process.pid,
      since: this.#since,
      device: this.#options.deviceName,
      deviceStats: this.#carrier.deviceStats,
      network: { ipv4, ipv6, mode },
      listeners: this.#listeners.map(({ transport, listener }) => ({
        transport,
        endpoints: listener.endpoints.map(formatListening),
        stats: nonZero(listener.stats),
      })),
      sessions: this.sessions(),
      dropped: nonZero(this.#carrier.dropped),
      refusals: this.#refusals.latest,
      warnings: [...(this.#options.reminders ?? []), ...this.#warnings],
    };
  }

  /** Something that an operator should look at: a log line, once, and a place in `status`. */
  warn(sentence: string): void {
    if (this.#warnings.has(sentence)) return;
    if (this.#warnings.size >= maxWarnings) this.#warnings.clear();
    this.#warnings.add(sentence);
    this.#log.warn(sentence);
  }

  /** What was wrong may be so no longer: what still is gets told again. */
  forgetWarnings(): void {
    this.#warnings.clear();
  }

  /** Ends every link with `why` and stops listening. Idempotent. The device stays its owner's. */
  stop(why: CloseReason): Promise<void> {
    this.#stopped ??= this.#stop(why);
    return this.#stopped;
  }

  async #stop(why: CloseReason): Promise<void> {
    await Promise.all(this.#listeners.map(({ listener }) => listener.close(why)));
    this.#abort.abort();
    await Promise.all([...this.#sessions].map(({ over }) => over));
    this.#carrier.stop();
    await this.#usersTurn;
  }

  async #readUsers(): Promise<void> {
    const users = await this.#options.store.users();
    this.#users.set(users);
    const byName = new Map(users.map((user) => [user.name, user]));
    for (const session of this.#sessions) {
      const why = mustEnd(session, byName.get(session.principal.user), this.#config.auth);
      if (why !== undefined) this.#sessions.end(session, why);
    }
    this.#pool.setStatic(staticAddresses(users, this.#config.network, (sentence) => this.warn(sentence)));
    await this.#options.setNetworksBehind(networksBehind(users));
  }

  #handleLink(link: Link): void {
    this.#stories.attach(link);
    void link.closed.then(() => this.#stories.detach(link));
    const session = this.#sessions.attach(link);
    if (session === undefined) {
      this.#log.error('a link came up that nobody admitted', sessionFields(link));
      void link.close({ cause: 'error', detail: 'nobody admitted this link' });
      return;
    }
    try {
      this.#carrier.attach(link);
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      this.#log.warn('a session cannot be carried', { ...sessionFields(link), reason: error.message });
      this.#sessions.end(session, { cause: 'error', detail: error.message });
    }
    const log = this.#log.child(sessionFields(link));
    log.info('session up', { session: session.id, proofs: link.principal.proofs.join('+'), ...link.facts });
    void link.closed.then(({ cause, detail }) => {
      const seconds = Math.round((this.#options.clock.now() - link.since) / 1000);
      const { bytesIn, bytesOut } = link.stats;
      log.info('session ended', { session: session.id, cause, reason: detail, seconds, bytesIn, bytesOut });
    });
  }

  #tellEnding({ id, link, principal }: Session, { cause, detail }: CloseReason): void {
    this.#log.info('ending a session', { link: link?.id, user: principal.user, session: id, cause, reason: detail });
  }

  #handleEvent(transport: string, event: TransportEvent): void {
    const link = event.id;
    this.#stories.handle(transport, event);
    switch (event.kind) {
      case 'refused':
        this.#refuse('a peer was refused', transport, event, event.reason);
        break;
      case 'failed':
        this.#refuse('a peer did not get in', transport, event, event.reason.detail);
        break;
      case 'attempt':
        this.#log.debug('a peer begins', { link, transport, remote: formatEndpoint(event.path.remote) });
        break;
      case 'rekeyed':
        this.#log.debug('new keys', { link });
        break;
      case 'roamed':
        this.#log.info('a peer moved', {
          link,
          from: formatEndpoint(event.from.remote),
          to: formatEndpoint(event.to.remote),
        });
        break;
      case 'trouble':
        this.#log.debug(event.reason, { link });
        break;
      case 'note':
        this.#log.debug(event.message, { link, ...event.fields });
        break;
    }
  }

  #refuse(message: string, transport: string, { id, path }: { id: number; path: Link['path'] }, reason: string): void {
    const time = new Date().toISOString();
    const remote = formatEndpoint(path.remote);
    this.#refusals.add(message, { time, transport, remote, reason: reason.slice(0, maxReason) }, id);
  }
}
