/**
 * Where a mistake of our own in what handles a peer's bytes is told: with its stack, as it is to be mended, and seldom, as whoever found
 * it can repeat it. Whatever it happened to ends; the process, with all its other links, does not.
 */
import type { CloseReason, Instant, Logger, Millis, MonotonicClock } from '@culvert/base';

/** Why what a mistake of our own met ends. */
export const ourFault: CloseReason = { cause: 'error', detail: "a fault of culvert's own" };

/** One line in so long. */
const QUIET: Millis = 60_000;

export class FaultLog {
  #count = 0;
  #quietUntil = 0 as Instant;
  readonly #log: Logger;
  readonly #clock: MonotonicClock;

  constructor(log: Logger, clock: MonotonicClock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Those that were not logged are among them. */
  get count(): number {
    return this.#count;
  }

  /** @param what what ends by it, or is lost */
  tell(what: string, error: unknown, effect: 'ended' | 'lost' = 'ended'): void {
    this.#count++;
    const now = this.#clock.now();
    if (this.#count > 1 && now < this.#quietUntil) return;
    this.#quietUntil = (now + QUIET) as Instant;
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#log.error(`a fault of culvert's own ${effect} ${what}`, { stack, faults: this.#count });
  }
}
