/** How long handshakes may hold the packet thread in one turn: packets wait no longer than this. */
const TURN_MILLIS = 4;

/**
 * Handshake work (TLS flights), bounded in number and spread over turns of the event loop, so that a storm of
 * handshakes cannot starve the packets of links that are up.
 */
export class WorkQueue {
  readonly #jobs: (() => void)[] = [];
  readonly #limit: number;
  readonly #now: () => number;
  readonly #onFault: (error: unknown) => void;
  #scheduled = false;
  /** Jobs that found the queue full. Their peers send again. */
  dropped = 0;

  constructor(options: {
    readonly limit: number;
    readonly now: () => number;
    /** A job threw. Those behind it are done all the same. */
    onFault(error: unknown): void;
  }) {
    this.#limit = options.limit;
    this.#now = options.now;
    this.#onFault = (error) => options.onFault(error);
  }

  /** Jobs whose turn has not come. */
  get waiting(): number {
    return this.#jobs.length;
  }

  /** False: it was dropped. */
  push(job: () => void): boolean {
    if (this.#jobs.length >= this.#limit) {
      this.dropped++;
      return false;
    }
    this.#jobs.push(job);
    if (this.#scheduled) return true;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
    return true;
  }

  clear(): void {
    this.#jobs.length = 0;
  }

  #turn(): void {
    const until = this.#now() + TURN_MILLIS;
    let done = 0;
    while (done < this.#jobs.length && this.#now() < until) this.#do(this.#jobs[done++]);
    this.#jobs.splice(0, done);
    this.#scheduled = this.#jobs.length > 0;
    if (this.#scheduled) setImmediate(() => this.#turn());
  }

  #do(job: (() => void) | undefined): void {
    try {
      job?.();
    } catch (error) {
      this.#onFault(error);
    }
  }
}
