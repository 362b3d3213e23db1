/** One PPTP peer that is up, as the core sees it. */
import type { CloseReason, Instant, MonotonicClock, PacketBatch, Path } from '@culvert/base';
import type { Link, LinkConfig, LinkStats, Principal } from '@culvert/core';

export interface PptpLinkOptions {
  readonly id: number;
  readonly principal: Principal;
  readonly config: LinkConfig;
  readonly path: Path;
  readonly clock: MonotonicClock;
  readonly stats: LinkStats;
  readonly facts: Readonly<Record<string, string>>;
  /** Bytes that a packet grows by behind the outer IP header. */
  readonly overhead: number;
  readonly send: (batch: PacketBatch, now: Instant) => void;
  readonly close: (why: CloseReason) => void;
}

/** What an outer packet may have so that it is whole on most paths: for lines with PPPoE. */
const OUTER_MTU = 1_492;
const IPV4_HEADER = 20;

export class PptpLink implements Link {
  readonly id: number;
  readonly transport = 'pptp';
  readonly principal: Principal;
  readonly path: Path;
  readonly since: Instant;
  readonly stats: LinkStats;
  readonly facts: Readonly<Record<string, string>>;
  readonly unfragmented: number;
  readonly closed: Promise<CloseReason>;
  readonly #options: PptpLinkOptions;
  readonly #resolveClosed: (why: CloseReason) => void;
  #config: LinkConfig;
  #sink: ((batch: PacketBatch) => void) | undefined;
  #over = false;

  constructor(options: PptpLinkOptions) {
    this.#options = options;
    this.id = options.id;
    this.principal = options.principal;
    this.#config = options.config;
    this.path = options.path;
    this.since = options.clock.now();
    this.stats = options.stats;
    this.facts = options.facts;
    this.unfragmented = OUTER_MTU - IPV4_HEADER - options.overhead;
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  get config(): LinkConfig {
    return this.#config;
  }

  send(batch: PacketBatch): void {
    if (!this.#over) this.#options.send(batch, this.#options.clock.now());
  }

  onPackets(sink: (batch: PacketBatch) => void): void {
    this.#sink = sink;
  }

  /** A PPP peer cannot be told anything new: what changes is what the core holds it to. */
  update(config: LinkConfig): void {
    this.#config = config;
  }

  close(why: CloseReason): Promise<void> {
    if (!this.#over) this.#options.close(why);
    return this.closed.then(() => undefined);
  }

  /** Inner packets from the peer. Called by the driver. */
  receive(batch: PacketBatch): void {
    this.#sink?.(batch);
  }

  /** The call is gone. Called by the driver, once. */
  end(why: CloseReason): void {
    this.#over = true;
    this.#resolveClosed(why);
  }
}
