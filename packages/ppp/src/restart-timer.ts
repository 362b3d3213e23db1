/** The restart timer and its counter (RFC 1661, section 4.6): when a request of ours goes out again, and how often. */
import type { Instant, Millis } from '@culvert/base';

// The RFC's defaults (section 4.6).
const MAX_CONFIGURE = 10;
const MAX_TERMINATE = 2;

// Chosen by us.
/** The first request is often lost, because the peer has no PPP yet: the RFC's 3 s come after shorter ones. */
const FIRST_RESTART: Millis = 750;
const LONGEST_RESTART: Millis = 3_000;
/** Goodbyes are not lost to a peer that is not there yet. */
const TERMINATE_RESTART: Millis = 1_000;

export class RestartTimer {
  #left = 0;
  #interval: Millis = FIRST_RESTART;
  #deadline: Instant | undefined;

  get deadline(): Instant | undefined {
    return this.#deadline;
  }
  /** A request may go out once more: TO+ and not TO- when time is over. */
  get mayRepeat(): boolean {
    return this.#left > 0;
  }
  /** How often the Configure-Request under way has gone out. */
  get sendings(): number {
    return MAX_CONFIGURE - this.#left;
  }

  /** irc: the counter for requests of this kind. */
  begin(kind: 'configure' | 'terminate'): void {
    this.#left = kind === 'terminate' ? MAX_TERMINATE : MAX_CONFIGURE;
    this.#interval = kind === 'terminate' ? TERMINATE_RESTART : FIRST_RESTART;
  }
  /** zrc: nothing goes out again, and that is over soon. */
  zero(now: Instant): void {
    this.#left = 0;
    this.#deadline = (now + TERMINATE_RESTART) as Instant;
  }
  /** A request goes out; where it does `again`, the next one takes longer. */
  sent(now: Instant, again: boolean): void {
    if (again) this.#interval = Math.min(this.#interval * 2, LONGEST_RESTART);
    this.#left--;
    this.#deadline = (now + this.#interval) as Instant;
  }
  stop(): void {
    this.#deadline = undefined;
  }
}
