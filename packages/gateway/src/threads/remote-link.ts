/** A packet thread's link, as the main thread has it: who it is and what it counted when its thread was last asked. */
import type { CloseReason, Instant, Path } from '@culvert/base';
import type { Admitted, Link, LinkConfig, LinkStats, Principal } from '@culvert/core';
import type { LinkState } from './messages.ts';

export class RemoteLink implements Link {
  readonly id: number;
  readonly transport: string;
  readonly principal: Principal;
  readonly config: LinkConfig;
  readonly since: Instant;
  readonly closed: Promise<CloseReason>;
  path: Path;
  stats: LinkStats;
  facts: Readonly<Record<string, string>>;
  dropped: Readonly<Record<string, number>>;
  readonly #close: (why: CloseReason) => void;
  readonly #resolveClosed: (why: CloseReason) => void;

  constructor(options: {
    readonly admitted: Pick<Admitted, 'principal' | 'config'>;
    readonly state: LinkState;
    readonly since: Instant;
    readonly close: (why: CloseReason) => void;
  }) {
    const { admitted, state, since, close } = options;
    this.id = state.id;
    this.transport = state.transport;
    this.principal = admitted.principal;
    this.config = admitted.config;
    this.since = since;
    this.path = state.path;
    this.stats = state.stats;
    this.facts = state.facts;
    this.dropped = state.dropped;
    this.#close = close;
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  take({ path, stats, facts, dropped }: LinkState): void {
    this.path = path;
    this.stats = stats;
    this.facts = facts;
    this.dropped = dropped;
  }

  /** Its thread has released it. */
  end(why: CloseReason): void {
    this.#resolveClosed(why);
  }

  close(why: CloseReason): Promise<void> {
    this.#close(why);
    return this.closed.then(() => undefined);
  }

  /** Packets stay in its thread. */
  send(): void {}
  onPackets(): void {}
  update(): void {}
}
