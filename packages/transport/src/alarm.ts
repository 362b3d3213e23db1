import type { Instant, Millis, MonotonicClock } from '@culvert/base';

/** The longest delay that a Node timer keeps (2^31 - 1 ms); a later deadline is reached in steps. */
const LONGEST_DELAY = 0x7fff_ffff;
/** Chosen: a turn of the event loop takes less. Who is later was held up: by a busy machine, or one that slept. */
const LATE: Millis = 100;

/**
 * One timer that follows a machine's `pollTimeout`. Moving the deadline later costs nothing: the timer that fires early
 * looks again, so a link under traffic does not touch the timer list for each batch.
 *
 * An alarm that comes late rings once the sockets have been read: the peer was not silent while we did not listen.
 */
export class Alarm {
  readonly #clock: MonotonicClock;
  readonly #ring: (now: Instant) => void;
  #timer: NodeJS.Timeout | undefined;
  #afterReading: NodeJS.Immediate | undefined;
  #armedFor = Number.POSITIVE_INFINITY;
  #deadline: Instant | undefined;

  constructor(clock: MonotonicClock, ring: (now: Instant) => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  set(deadline: Instant | undefined): void {
    this.#deadline = deadline;
    if (deadline !== undefined && deadline < this.#armedFor) this.#arm(deadline);
  }

  cancel(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#afterReading);
    this.#timer = undefined;
    this.#afterReading = undefined;
    this.#deadline = undefined;
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  #arm(deadline: Instant): void {
    clearTimeout(this.#timer);
    const delay = Math.min(LONGEST_DELAY, Math.max(0, Math.ceil(deadline - this.#clock.now())));
    this.#armedFor = deadline;
    this.#timer = setTimeout(() => this.#fire(LATE), delay);
  }

  /** @param patience rings where it is not later than that */
  #fire(patience: Millis): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#armedFor = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    if (this.#deadline === undefined) return;
    if (this.#deadline > now) this.#arm(this.#deadline);
    else if (now - this.#deadline <= patience) this.#ring(now);
    else this.#afterReading ??= setImmediate(() => this.#ringLate());
  }

  /** Timers come before sockets in a turn of the event loop, and immediates after both. */
  #ringLate(): void {
    this.#afterReading = undefined;
    this.#fire(Number.POSITIVE_INFINITY);
  }
}
