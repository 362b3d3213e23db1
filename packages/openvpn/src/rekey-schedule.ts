/** When a new key is due, and how often a peer may ask for one (openvpn reneg-sec, ssl.c should_trigger_renegotiation). */
import type { Instant, Millis, RandomSource } from '@culvert/base';

/** A peer that asks for new keys more often costs us too many TLS handshakes. Chosen by us. */
const REKEYS_PER_INTERVAL = 20;
const REKEY_INTERVAL: Millis = 10_000;

export class RekeySchedule {
  readonly #role: 'server' | 'client';
  readonly #after: Millis;
  readonly #random: RandomSource;
  #due: Instant | undefined;
  /** Rekeys that the peer began since then. */
  #countedSince: Instant;
  #counted = 0;

  /** @param after a new key so long after the last; 0: never by time */
  constructor(role: 'server' | 'client', after: Millis, random: RandomSource, now: Instant) {
    this.#role = role;
    this.#after = after;
    this.#random = random;
    this.#countedSince = now;
  }

  /** A key is there. A server draws from the last tenth before the limit, so that its clients do not come all at once. */
  restart(now: Instant): void {
    this.#due = undefined;
    if (this.#after <= 0) return;
    const [high = 0, low = 0] = this.#random.bytes(2);
    const early = this.#role === 'server' ? (this.#after / 10) * ((high * 256 + low) / 65_536) : 0;
    this.#due = (now + this.#after - early) as Instant;
  }

  /** The present key is worn out. */
  bringForward(now: Instant): void {
    if (this.#due === undefined || this.#due > now) this.#due = now;
  }

  /** True once when a new key is due; the next time is set by `restart`. */
  take(now: Instant): boolean {
    if (this.#due === undefined || now < this.#due) return false;
    this.#due = undefined;
    return true;
  }

  get next(): Instant | undefined {
    return this.#due;
  }

  mayPeerBegin(now: Instant): boolean {
    if (now >= this.#countedSince + REKEY_INTERVAL) {
      this.#countedSince = now;
      this.#counted = 0;
    }
    return ++this.#counted <= REKEYS_PER_INTERVAL;
  }
}
