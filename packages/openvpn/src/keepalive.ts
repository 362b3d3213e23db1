/** When a ping is due and when the peer counts as lost (openvpn ping.c). */
import type { Instant, Millis } from '@culvert/base';

export class Keepalive {
  readonly #interval: Millis;
  readonly #timeout: Millis;
  #lastSent: Instant;
  #lastReceived: Instant;

  /** 0 means never, for either. */
  constructor(options: { readonly interval: Millis; readonly timeout: Millis }, now: Instant) {
    this.#interval = options.interval;
    this.#timeout = options.timeout;
    this.#lastSent = now;
    this.#lastReceived = now;
  }

  sent(now: Instant): void {
    this.#lastSent = now;
  }

  received(now: Instant): void {
    this.#lastReceived = now;
  }

  check(now: Instant): 'lost' | 'ping' | undefined {
    if (this.#timeout > 0 && now >= this.#lastReceived + this.#timeout) return 'lost';
    if (this.#interval > 0 && now >= this.#lastSent + this.#interval) return 'ping';
    return undefined;
  }

  get silence(): Millis {
    return this.#timeout;
  }

  get next(): Instant | undefined {
    const ping = this.#interval > 0 ? this.#lastSent + this.#interval : Number.POSITIVE_INFINITY;
    const lost = this.#timeout > 0 ? this.#lastReceived + this.#timeout : Number.POSITIVE_INFINITY;
    const next = Math.min(ping, lost);
    return next === Number.POSITIVE_INFINITY ? undefined : (next as Instant);
  }
}
