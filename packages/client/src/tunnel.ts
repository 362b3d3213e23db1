/**
 * One tunnel: connect, hold, and connect again until it is told to stop or there is no use in trying.
 *
 * Owns which failure ends it and which is tried again. Leaves how to reach a server to its dialer, the host to its network, and
 * packets to its carrier: all of them come from outside, so that a test can stand in for each.
 */
import type { CloseReason, Logger, Millis } from '@culvert/base';
import type { Link, LinkConfig, TransportEvent } from '@culvert/core';
import type { Backoff } from './backoff.ts';
import type { Carrier } from './carrier.ts';
import { ClientError } from './errors.ts';
import type { TunnelNetwork } from './network.ts';
import type { Candidate, Dialer } from './profile.ts';
import type { ReadConfig, TunnelConfig } from './pushed-config.ts';

export interface TunnelOptions {
  readonly candidates: { round(): Promise<readonly Candidate[]> };
  readonly dial: Dialer['dial'];
  readonly network: TunnelNetwork;
  readonly carrier: Pick<Carrier, 'attach' | 'detach' | 'refresh'>;
  /** Throws ClientError CULVERT_CLIENT_PUSHED. */
  readonly readConfig: (pushed: LinkConfig) => ReadConfig;
  readonly backoff: Backoff;
  readonly log: Logger;
  readonly delay: (millis: Millis, signal: AbortSignal) => Promise<void>;
  /** How long a server may take, when there are others to try and when there are not. */
  readonly timeouts: { readonly several: Millis; readonly only: Millis };
  /** Rounds over all servers without success before it ends; undefined: it goes on. */
  readonly maxRounds?: number | undefined;
  readonly onUp?: (() => void) | undefined;
}

export type TunnelState = 'connecting' | 'up' | 'reconnecting' | 'stopping' | 'ended';

export interface TunnelStatus {
  readonly state: TunnelState;
  /** Unix milliseconds of the latest change of state. */
  readonly since: number;
  readonly server: Candidate | undefined;
  readonly config: TunnelConfig | undefined;
  readonly link: Link | undefined;
  /** Links that there were, this one included. */
  readonly links: number;
  /** The latest trouble, in a sentence. */
  readonly trouble: string | undefined;
}

/** A link that held so long was a good one: after its loss the next try comes at once. */
const GOOD_AFTER_MS = 10_000;
const CONFIG_CHECK_MS = 1_000;

export class Tunnel {
  readonly #options: TunnelOptions;
  readonly #log: Logger;
  #state: TunnelState = 'connecting';
  #since = Date.now();
  #server: Candidate | undefined;
  #config: TunnelConfig | undefined;
  #link: Link | undefined;
  #links = 0;
  #trouble: string | undefined;

  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  get status(): TunnelStatus {
    return {
      state: this.#state,
      since: this.#since,
      server: this.#server,
      config: this.#config,
      link: this.#link,
      links: this.#links,
      trouble: this.#trouble,
    };
  }

  /**
   * Runs until `signal` aborts (it says goodbye then) or a limit of the session ends it. Throws ClientError when the server refuses
   * us, when no server can be trusted or reached at first, and HostError when the host cannot be configured.
   */
  async run(signal: AbortSignal): Promise<CloseReason> {
    try {
      for (;;) {
        const link = await this.#connect(signal);
        if (link === undefined) return { cause: 'operator', detail: 'stopped' };
        const began = performance.now();
        const reason = await this.#hold(link, signal);
        if (signal.aborted || reason.cause === 'idle' || reason.cause === 'session-limit') return reason;
        this.#lost(reason);
        if (performance.now() - began >= GOOD_AFTER_MS) this.#options.backoff.reset();
        // A lost wire is tried again at once; a server that sent us away, or a link that held for a moment, after a while.
        const atOnce = reason.cause === 'lost' && performance.now() - began >= GOOD_AFTER_MS;
        if (!atOnce) await this.#pause(signal);
      }
    } finally {
      this.#options.carrier.detach();
      this.#enter('ended');
    }
  }

  /** The wire is known to be dead: connect again now. */
  restart(detail: string): void {
    void this.#link?.close({ cause: 'lost', detail });
  }

  /** Rounds over all servers until there is a link that is configured; undefined when it was stopped. */
  async #connect(signal: AbortSignal): Promise<Link | undefined> {
    for (let round = 1; ; round++) {
      let fatal: ClientError | undefined;
      const candidates = await orAborted(this.#options.candidates.round(), signal, []);
      if (candidates.length === 0) this.#trouble = 'no server name could be resolved';
      for (const candidate of candidates) {
        if (signal.aborted) return undefined;
        const outcome = await this.#try(candidate, signal, candidates.length > 1);
        if (!(outcome instanceof ClientError)) return outcome;
        if (outcome.code !== 'CULVERT_CLIENT_NO_LINK') fatal ??= outcome;
      }
      if (signal.aborted) return undefined;
      // Once it worked, the profile is right and what is in the way now may go: a captive portal, a server under repair.
      if (fatal !== undefined && this.#links === 0) throw fatal;
      if (round >= (this.#options.maxRounds ?? Number.POSITIVE_INFINITY)) {
        throw new ClientError('CULVERT_CLIENT_NO_LINK', `${this.#trouble ?? 'no reason known'} (tried ${round} times)`);
      }
      await this.#pause(signal);
    }
  }

  /** The link, or why there is none. Throws what ends the tunnel. */
  async #try(candidate: Candidate, signal: AbortSignal, several: boolean): Promise<Link | ClientError> {
    const { address, port, protocol, host } = candidate;
    this.#log.info('connecting', { server: host, address, port, protocol });
    try {
      await this.#options.network.pin(address);
    } catch (error) {
      return this.#failed(
        candidate,
        new ClientError('CULVERT_CLIENT_NO_LINK', (error as Error).message, { cause: error }),
      );
    }
    let link: Link | undefined;
    try {
      link = await this.#options.dial(candidate, {
        onEvent: (event) => this.#note(event),
        signal,
        timeout: this.#options.timeouts[several ? 'several' : 'only'],
      });
      this.#options.carrier.attach(link); // In this turn: its first packets may be on their way.
      await this.#configure(link, candidate);
      return link;
    } catch (error) {
      this.#options.carrier.detach();
      await link?.close({ cause: 'error', detail: 'the client could not be configured' });
      if (!(error instanceof ClientError) || error.code === 'CULVERT_CLIENT_REFUSED') throw error; // Asking again would be hammering.
      return this.#failed(candidate, error, signal);
    }
  }

  async #configure(link: Link, candidate: Candidate): Promise<void> {
    const { config, notes } = this.#options.readConfig(link.config);
    for (const note of notes) this.#log.warn(note);
    await this.#options.network.configure(config, candidate.address);
    this.#config = config;
    this.#server = candidate;
  }

  #failed(candidate: Candidate, error: ClientError, signal?: AbortSignal): ClientError {
    if (signal?.aborted === true) return error; // It failed because we stopped.
    this.#trouble = troubleOf(error);
    this.#log.warn('no link', { server: candidate.host, address: candidate.address, reason: troubleOf(error) });
    return error;
  }

  /** From up to its end. */
  async #hold(link: Link, signal: AbortSignal): Promise<CloseReason> {
    this.#link = link;
    this.#links++;
    this.#trouble = undefined;
    this.#enter('up');
    this.#log.info('the tunnel is up', {
      server: this.#server?.host,
      addresses: this.#config?.addresses.join(','),
      routes: this.#config?.routes.length,
      mtu: this.#config?.mtu,
      ...link.facts,
    });
    this.#options.onUp?.();
    const stop = (): void => {
      this.#enter('stopping');
      void link.close({ cause: 'operator', detail: 'stopped' });
    };
    const watch = this.#watchConfig(link);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    const reason = await link.closed;
    signal.removeEventListener('abort', stop);
    clearInterval(watch);
    this.#options.carrier.detach();
    this.#link = undefined;
    const { bytesIn, bytesOut } = link.stats;
    this.#log.info('the link ended', { cause: reason.cause, reason: reason.detail, bytesIn, bytesOut });
    return reason;
  }

  /** A server may change the configuration of a link that is up. */
  #watchConfig(link: Link): NodeJS.Timeout {
    let seen = link.config;
    return setInterval(() => {
      const candidate = this.#server;
      if (link.config === seen || candidate === undefined) return;
      seen = link.config;
      this.#log.info('the server changed the configuration');
      const applied = this.#configure(link, candidate).then(() => this.#options.carrier.refresh(link));
      applied.catch((error: Error) => {
        this.#log.error('the changed configuration cannot be used', { reason: error.message });
        void link.close({ cause: 'error', detail: 'the changed configuration cannot be used' });
      });
    }, CONFIG_CHECK_MS);
  }

  /** Throws ClientError when there is no use in trying again. */
  #lost(reason: CloseReason): void {
    if (reason.cause === 'refused' || reason.cause === 'revoked') {
      throw new ClientError('CULVERT_CLIENT_REFUSED', reason.detail);
    }
    // Two clients with one identity would throw each other out for ever.
    if (reason.cause === 'replaced') throw new ClientError('CULVERT_CLIENT_ENDED', reason.detail);
    this.#trouble = reason.detail;
    this.#enter('reconnecting');
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const wait = this.#options.backoff.next();
    this.#log.info('trying again', { seconds: Math.round(wait / 100) / 10 });
    await this.#options.delay(wait, signal);
  }

  #note(event: TransportEvent): void {
    if (event.kind === 'note') this.#log.debug(event.message, event.fields);
    else if (event.kind === 'trouble') {
      this.#trouble = event.reason;
      this.#log.warn('no connection yet', { reason: event.reason });
    } else if (event.kind === 'rekeyed') this.#log.debug('new data keys are in use');
  }

  #enter(state: TunnelState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#since = Date.now();
  }
}

/** What is behind "no server could be reached", which the line that tells of it says itself. */
function troubleOf(error: ClientError): string {
  const { code, message } = error;
  return code === 'CULVERT_CLIENT_NO_LINK' ? message.slice(message.indexOf(': ') + 2) : message;
}

/** What `work` gives, or `instead` as soon as `signal` aborts. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal, instead: T): Promise<T> {
  if (signal.aborted) return instead;
  const { promise, resolve } = Promise.withResolvers<T>();
  const stop = (): void => resolve(instead);
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
