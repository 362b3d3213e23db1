/** Who did not get in, and why: the latest, for `culvertd status`, and log lines that no flood of strangers can multiply. */
import type { Instant, Logger } from '@culvert/base';

export interface Refusal {
  /** ISO 8601. */
  readonly time: string;
  readonly transport: string;
  readonly remote: string;
  readonly reason: string;
}

const kept = 200;
/** Lines a burst may bring at once, and how fast further ones are allowed. */
const burst = 20;
const perSecond = 2;

export class Refusals {
  readonly #log: Logger;
  readonly #now: () => Instant;
  readonly #latest: Refusal[] = [];
  #drops = burst;
  #at: Instant;
  #silent = 0;

  constructor(log: Logger, now: () => Instant) {
    this.#log = log;
    this.#now = now;
    this.#at = now();
  }

  /** The latest last. */
  get latest(): readonly Refusal[] {
    return this.#latest;
  }

  /** `message` is what happened ("a peer was refused"), `id` the transport's number of the try. */
  add(message: string, refusal: Refusal, id: number): void {
    this.#latest.push(refusal);
    if (this.#latest.length > kept) this.#latest.shift();
    if (!this.#mayLog()) {
      this.#silent++;
      return;
    }
    const { transport, remote, reason } = refusal;
    this.#log.info(message, { link: id, transport, remote, reason });
    if (this.#silent > 0) this.#log.info('more peers did not get in than there are lines', { notLogged: this.#silent });
    this.#silent = 0;
  }

  #mayLog(): boolean {
    const now = this.#now();
    this.#drops = Math.min(burst, this.#drops + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    if (this.#drops < 1) return false;
    this.#drops--;
    return true;
  }
}
