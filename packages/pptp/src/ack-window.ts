/**
 * How much is under way to the peer, and how long its acknowledgements take (RFC 2637, sections 4.3 and 4.4).
 *
 * The window limits nothing unless it is enforced. No peer of today waits at its own or looks at ours but Linux's kernel; windows of 3
 * (pptp-linux) or 1 (poptop) would hold a link to a few packets a round trip; and Windows sends no acknowledgement that one could wait
 * for. TCP inside the tunnel does what the window was meant for. Enforced, it never stalls either: when the adaptive time-out passes
 * without an acknowledgement, what is under way counts as lost.
 *
 * One packet a round trip is timed, as there is no room for a time each.
 */
import type { Instant, Millis } from '@culvert/base';

/** RFC 2637, section 4.4: gains of the round trip's estimate and of its deviation, and the deviation's weight. */
const ALPHA = 1 / 8;
const BETA = 1 / 4;
const CHI = 4;
const DELTA = 2;
const INITIAL_TIMEOUT: Millis = 1_000;
const MIN_TIMEOUT: Millis = 100;
const MAX_TIMEOUT: Millis = 10_000;

export class AckWindow {
  /** Times that acknowledgements did not come in time. */
  timeouts = 0;
  readonly #most: number;
  #window: number;
  #roundTrip: Millis | undefined;
  #deviation: Millis = 0;
  #timeout: Millis = INITIAL_TIMEOUT;
  /** The next sequence number, and the highest that was acknowledged (both int32). */
  #next = 0;
  #acknowledged = -1;
  #sinceGrowth = 0;
  #timed: number | undefined;
  #timedAt = 0;
  #lastProgress = 0;

  /** @param most the peer's receive window; 0 counts as 1 */
  constructor(most: number) {
    this.#most = Math.max(1, most);
    this.#window = Math.max(1, this.#most >>> 1);
  }

  /** Milliseconds; undefined until something was acknowledged. */
  get roundTrip(): Millis | undefined {
    return this.#roundTrip;
  }

  get window(): number {
    return this.#window;
  }

  get underWay(): number {
    return (this.#next - 1 - this.#acknowledged) | 0;
  }

  /** How many packets an enforced window lets go now. */
  room(now: Instant): number {
    if (this.underWay > 0 && now >= this.#lastProgress + this.#timeout) this.#giveUp();
    return Math.max(0, this.#window - this.underWay);
  }

  /** Packets `sequence` to `sequence + count - 1` leave. */
  sent(sequence: number, count: number, now: Instant): void {
    if (this.underWay === 0) this.#lastProgress = now;
    this.#next = (sequence + count) | 0;
    if (this.#timed !== undefined) return;
    this.#timed = (this.#next - 1) | 0;
    this.#timedAt = now;
  }

  /** What the peer says to have received; nonsense is passed over. Returns whether it told something new. */
  acknowledged(sequence: number, now: Instant): boolean {
    const newly = (sequence - this.#acknowledged) | 0;
    if (newly <= 0 || ((this.#next - 1 - sequence) | 0) < 0) return false;
    this.#acknowledged = sequence;
    this.#lastProgress = now;
    if (this.#timed !== undefined && ((sequence - this.#timed) | 0) >= 0) {
      this.#sample(now - this.#timedAt);
      this.#timed = undefined;
    }
    this.#sinceGrowth += newly;
    if (this.#sinceGrowth >= this.#window) {
      this.#sinceGrowth = 0;
      this.#window = Math.min(this.#most, this.#window + 1);
    }
    return true;
  }

  #sample(sample: Millis): void {
    const difference = sample - (this.#roundTrip ?? sample);
    this.#deviation += BETA * (Math.abs(difference) - this.#deviation);
    this.#roundTrip = (this.#roundTrip ?? sample) + ALPHA * difference;
    this.#setTimeout(this.#roundTrip + CHI * this.#deviation);
  }

  #giveUp(): void {
    this.timeouts++;
    this.#acknowledged = (this.#next - 1) | 0;
    this.#timed = undefined;
    this.#sinceGrowth = 0;
    this.#window = Math.max(1, this.#window >>> 1);
    this.#setTimeout(DELTA * this.#timeout);
  }

  #setTimeout(timeout: Millis): void {
    this.#timeout = Math.min(MAX_TIMEOUT, Math.max(MIN_TIMEOUT, timeout));
  }
}
