/** A clock that moves only when a test says so. */
import type { Instant, Millis, MonotonicClock, WallClock } from '@culvert/base';

/** Where virtual time begins: not zero, so that code which takes 0 for "never" is found out. */
const START = 1_000_000;

/** The calendar at the start: 2026-01-01T00:00:00Z. */
const START_UNIX = Date.UTC(2026, 0, 1);

/** Both clocks at once; the calendar moves with the monotonic one. */
export class VirtualClock implements MonotonicClock, WallClock {
  #now = START as Instant;
  readonly #unixAtStart: number;

  /** @param unixMillis the calendar at the start, in Unix milliseconds. */
  constructor(unixMillis: number = START_UNIX) {
    this.#unixAtStart = unixMillis;
  }

  now(): Instant {
    return this.#now;
  }

  unixMillis(): number {
    return this.#unixAtStart + (this.#now - START);
  }

  advance(by: Millis): Instant {
    if (!(by >= 0)) throw new RangeError(`time moves forward only, not by ${by} ms`);
    this.#now = (this.#now + by) as Instant;
    return this.#now;
  }

  /** Move to `instant`; an instant that has passed leaves the clock alone. */
  advanceTo(instant: Instant): Instant {
    if (instant > this.#now) this.#now = instant;
    return this.#now;
  }
}
