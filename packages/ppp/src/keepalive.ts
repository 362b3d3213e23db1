/** Whether the peer still lives: asks after silence, and gives up after questions without answer. */
import type { Instant, Millis } from '@culvert/base';

export class Keepalive {
  readonly #options: { readonly interval: Millis; readonly failures: number };
  #deadline: Instant | undefined;
  #unanswered = 0;

  constructor(options: { readonly interval: Millis; readonly failures: number }) {
    this.#options = options;
  }

  start(now: Instant): void {
    this.#unanswered = 0;
    this.#deadline = (now + this.#options.interval) as Instant;
  }
  stop(): void {
    this.#deadline = undefined;
  }
  heard(now: Instant): void {
    if (this.#deadline !== undefined) this.start(now);
  }
  handleTimeout(now: Instant): 'ask' | 'silent' | undefined {
    if (this.#deadline === undefined || now < this.#deadline) return undefined;
    if (this.#unanswered >= this.#options.failures) {
      this.stop();
      return 'silent';
    }
    this.#unanswered++;
    this.#deadline = (now + this.#options.interval) as Instant;
    return 'ask';
  }
  pollTimeout(): Instant | undefined {
    return this.#deadline;
  }
}
