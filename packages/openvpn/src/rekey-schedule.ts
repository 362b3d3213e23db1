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
  /** When the present key came. */
  #keyFrom: Instant;
  /** Rekeys that the peer began since then. */
  #countedSince: Instant;
  #counted = 0;

  /** @param after a new key so long after the last; 0: never by time */
  constructor(role: 'server' | 'client', after: Millis, random: RandomSource, now: Instant) {
    this.#role = role;
    this.#after = after;
    this.#random = random;
    this.#countedSince = now;
    this.#keyFrom = now;
  }

  /** A key is there. A server draws from the last tenth before the limit, so that its clients do not come all at once. */
  restart(now: Instant): void {
    this.#due = undefined;
    this.#keyFrom = now;
    if (this.#after <= 0) return;
    const [high = 0, low = 0] = this.#random.bytes(2);
    const early = this.#role === 'server' ? (this.#after / 10) * ((high * 256 + low) / 65_536) : 0;
    this.#due = (now + this.#after - early) as Instant;
  }

  /** The present key is worn out: a new one is due, at the pace that a peer may ask for them, since its packet ids say how worn a key is. */
  bringForward(now: Instant): void {
    const due = Math.max(now, this.#keyFrom + REKEY_INTERVAL / REKEYS_PER_INTERVAL) as Instant;
    if (this.#due === undefined || this.#due > due) this.#due = due;
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
