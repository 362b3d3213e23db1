/** One PPP peer that is up, as the core sees it. */
import type { CloseReason, Instant, MonotonicClock, PacketBatch, Path } from '@culvert/base';
import type { Link, LinkConfig, LinkStats, Principal, TransportName } from '@culvert/core';

export interface PppLinkOptions {
  readonly id: number;
  readonly transport: TransportName;
  readonly principal: Principal;
  readonly config: LinkConfig;
  readonly path: Path;
  readonly clock: MonotonicClock;
  readonly stats: LinkStats;
  readonly facts: Readonly<Record<string, string>>;
  /** The largest inner packet whose outer one is whole, in bytes; undefined: that is not known. */
  readonly unfragmented: () => number | undefined;
  /** Counters of what is below: of the socket, where the link has one of its own, or of the protocols. */
  readonly wire?: (() => Readonly<Record<string, number>>) | undefined;
  readonly send: (batch: PacketBatch, now: Instant) => void;
  readonly close: (why: CloseReason) => void;
  /** A mistake of our own while packets were sent, which ends the call. */
  readonly onFault: (error: unknown) => void;
}

export class PppLink implements Link {
  readonly id: number;
  readonly transport: TransportName;
  readonly principal: Principal;
  readonly since: Instant;
  readonly stats: LinkStats;
  readonly facts: Readonly<Record<string, string>>;
  readonly closed: Promise<CloseReason>;
  readonly #options: PppLinkOptions;
  readonly #resolveClosed: (why: CloseReason) => void;
  #config: LinkConfig;
  #path: Path;
  #sink: ((batch: PacketBatch) => void) | undefined;
  #onReconfigured: (() => void) | undefined;
  #over = false;

  constructor(options: PppLinkOptions) {
    this.#options = options;
    this.id = options.id;
    this.transport = options.transport;
    this.principal = options.principal;
    this.#config = options.config;
    this.#path = options.path;
    this.since = options.clock.now();
    this.stats = options.stats;
    this.facts = options.facts;
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  get config(): LinkConfig {
    return this.#config;
  }

  get path(): Path {
    return this.#path;
  }

  get unfragmented(): number | undefined {
    return this.#options.unfragmented();
  }

  get wire(): Readonly<Record<string, number>> | undefined {
    return this.#options.wire?.();
  }

  send(batch: PacketBatch): void {
    if (this.#over) return;
    try {
      this.#options.send(batch, this.#options.clock.now());
    } catch (error) {
      this.stats.droppedOut += batch.count;
      this.#options.onFault(error);
    }
  }

  onPackets(sink: (batch: PacketBatch) => void): void {
    this.#sink = sink;
  }

  /** A PPP peer cannot be told anything new: what changes is what the core holds it to. */
  update(config: LinkConfig): void {
    this.#config = config;
  }

  onReconfigured(tell: () => void): void {
    this.#onReconfigured = tell;
  }

  /** The two ends have agreed on other addresses. Called by the driver. */
  reconfigure(config: LinkConfig): void {
    this.#config = config;
    this.#onReconfigured?.();
  }

  close(why: CloseReason): Promise<void> {
    if (!this.#over) this.#options.close(why);
    return this.closed.then(() => undefined);
  }

  /** Inner packets from the peer. Called by the driver. */
  receive(batch: PacketBatch): void {
    this.#sink?.(batch);
  }

  /** The peer is elsewhere. Called by the driver. */
  move(path: Path): void {
    this.#path = path;
  }

  /** The call is gone. Called by the driver, once. */
  end(why: CloseReason): void {
    this.#over = true;
    this.#resolveClosed(why);
  }
}
