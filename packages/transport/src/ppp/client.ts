/**
 * The client's side of a PPP session: from the session's events to the link that they make, and the wait for what a router tells.
 *
 * Leaves what carries the session, and its end, to the transport.
 */
import type { CloseReason, Path } from '@culvert/base';
import type { Link, LinkConfig, TransportEvent } from '@culvert/core';
import { type AuthOffer, type MppeWish, type PppEvent, PppSession, type PppTerms } from '@culvert/ppp';
import { errorOf } from '../errors.ts';
import type { PppLink } from './link.ts';
import { clientConfig } from './network.ts';
import type { PppDialOptions } from './options.ts';
import { handshakeWindowOf, keepaliveOf, sessionSettings } from './settings.ts';

/** A server that gives IPv6 addresses tells them by then; without an answer the link comes up without, if it has one of IPv4. */
const ROUTER_MILLIS = 3_000;

export interface PppClientOptions {
  readonly id: number;
  readonly path: Path;
  readonly to: PppDialOptions;
  readonly auth: readonly AuthOffer[];
  readonly mppe?: MppeWish | undefined;
  readonly signal: AbortSignal;
  onEvent(event: TransportEvent): void;
  /** The session is up. Undefined: not as it must be, and the transport ends it. */
  createLink(terms: PppTerms, config: LinkConfig): PppLink | undefined;
  /** Ends the session and what carries it; `end` follows. */
  stop(why: CloseReason): void;
}

export class PppClient {
  /** Resolves when the link is up and configured. */
  readonly link: Promise<Link>;
  readonly #options: PppClientOptions;
  readonly #resolve: (link: Link) => void;
  readonly #reject: (error: Error) => void;
  readonly #stop = (): void => this.#options.stop({ cause: 'operator', detail: 'stopped' });
  #link: PppLink | undefined;
  #terms: PppTerms | undefined;
  #waiting: NodeJS.Timeout | undefined;
  /** No router told anything in time. */
  #isLate = false;

  constructor(options: PppClientOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<Link>();
    this.link = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#options = options;
  }

  /** Tells of the attempt, and stops when the signal says so. `begin` starts what carries the session. */
  start(begin: () => void): void {
    const { id, path, signal, onEvent } = this.#options;
    onEvent({ kind: 'attempt', id, path });
    signal.addEventListener('abort', this.#stop, { once: true });
    begin();
    if (signal.aborted) this.#stop();
  }

  createSession(): PppSession {
    const { to, auth, mppe } = this.#options;
    const { ipv4 = true, ipv6 = true } = to;
    return new PppSession({
      role: 'client',
      auth,
      mppe,
      ipv4: ipv4 ? { dns: true } : undefined,
      ipv6: ipv6 ? {} : undefined,
      ...sessionSettings(to),
    });
  }

  note(message: string, fields: Readonly<Record<string, unknown>>): void {
    const { id, onEvent } = this.#options;
    onEvent({ kind: 'note', id, message, fields });
  }

  handle(event: PppEvent): void {
    switch (event.kind) {
      case 'up':
        this.#up(event.terms);
        return;
      case 'changed':
        this.#terms = event.terms;
        this.#link?.update(this.#configOf(event.terms));
        this.#tellWhenConfigured();
        return;
      case 'note':
        this.note(event.message, event.fields);
        return;
      case 'claim':
      case 'encryption-reset':
      case 'down':
        return;
    }
  }

  /** Nothing more will come. */
  end(reason: CloseReason): void {
    clearTimeout(this.#waiting);
    const { id, path, signal, onEvent } = this.#options;
    signal.removeEventListener('abort', this.#stop);
    // Where the link was told already, nobody hears these.
    if (this.#link === undefined) onEvent({ kind: 'failed', id, path, reason });
    this.#reject(errorOf(reason));
    this.#link = undefined;
  }

  #up(terms: PppTerms): void {
    this.#link = this.#options.createLink(terms, this.#configOf(terms));
    if (this.#link === undefined) return;
    this.#terms = terms;
    this.#waiting = setTimeout(() => this.#handleLateRouter(), ROUTER_MILLIS);
    this.#tellWhenConfigured();
  }

  #handleLateRouter(): void {
    const { stop, to } = this.#options;
    this.#isLate = true;
    const none: CloseReason = { cause: 'lost', detail: 'the server told no address in time' };
    this.#waiting = setTimeout(() => stop(none), handshakeWindowOf(to));
    this.#tellWhenConfigured();
  }

  /**
   * At the end of the turn: what comes in one read with the last word of the negotiation may take the address back, for a moment. pppd
   * begins IPCP anew where our acknowledgement was lost.
   */
  #tellWhenConfigured(): void {
    queueMicrotask(() => {
      if (this.#isConfigured) this.#tellUp();
    });
  }

  /** A link without an address is of no use to anybody: the first one may be a router's, which comes in its own time. */
  get #isConfigured(): boolean {
    const { ipv4, ipv6 } = this.#terms ?? {};
    if (ipv4 === undefined && ipv6?.global === undefined) return false;
    return ipv6 === undefined || ipv6.global !== undefined || this.#isLate;
  }

  #tellUp(): void {
    clearTimeout(this.#waiting);
    if (this.#link === undefined) return;
    this.#options.signal.removeEventListener('abort', this.#stop);
    this.#resolve(this.#link);
  }

  #configOf(terms: PppTerms): LinkConfig {
    const { to } = this.#options;
    return clientConfig(terms, to, keepaliveOf(to));
  }
}
