/** So many times a second and no more. */
import type { Instant } from '@culvert/base';

export class SecondLimit {
  readonly #most: number;
  #second = 0;
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether it may be once more now. Counts by whole seconds of the clock, so two of these may touch. */
  take(now: Instant): boolean {
    const second = Math.floor(now / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#taken = 0;
    }
    return this.#taken++ < this.#most;
  }
}
