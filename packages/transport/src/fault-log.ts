/**
 * Where a mistake of our own in what handles a peer's bytes is told: with its stack, as it is to be mended, and seldom, as whoever found
 * it can repeat it. Whatever it happened to ends; the process, with all its other links, does not.
 */
import type { Instant, Logger, Millis, MonotonicClock } from '@culvert/base';

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

  /** @param what what ends by it */
  tell(what: string, error: unknown): void {
    this.#count++;
    const now = this.#clock.now();
    if (this.#count > 1 && now < this.#quietUntil) return;
    this.#quietUntil = (now + QUIET) as Instant;
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#log.error(`a fault of culvert's own ended ${what}`, { stack, faults: this.#count });
  }
}
