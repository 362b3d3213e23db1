/** How long to wait between rounds of tries: it doubles, and no two clients of a server that restarted come back together. */
import { randomInt } from 'node:crypto';
import type { Millis } from '@culvert/base';

export interface BackoffOptions {
  /** @default 1,000 */
  readonly first?: Millis | undefined;
  /** @default 60,000 */
  readonly most?: Millis | undefined;
  /** From 0 to less than 1. @default node:crypto's */
  readonly random?: () => number;
}

/** How finely waits differ. */
const PARTS = 2 ** 32;

export class Backoff {
  readonly #first: Millis;
  readonly #most: Millis;
  readonly #random: () => number;
  #failures = 0;

  constructor(options: BackoffOptions = {}) {
    this.#first = options.first ?? 1_000;
    this.#most = Math.max(options.most ?? 60_000, this.#first);
    this.#random = options.random ?? (() => randomInt(PARTS) / PARTS);
  }

  /** The wait before the next round: between half and all of a length that doubles. */
  next(): Millis {
    const length = Math.min(this.#most, this.#first * 2 ** Math.min(this.#failures++, 30));
    return Math.round(length / 2 + (length / 2) * this.#random());
  }

  /** A round had success. */
  reset(): void {
    this.#failures = 0;
  }
}
