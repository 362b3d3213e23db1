/**
 * What all machines of authentication share: a packet that is repeated until it is answered or has had its effect, and bounded queues
 * to the outside.
 *
 * Owns retransmission. Leaves packets and what they mean to the protocols.
 */
import type { Instant, Millis } from '@culvert/base';
import type { AuthEvent } from './machine.ts';

// Chosen by us: the first packet of a link is often lost, before the peer listens; later ones seldom.
const FIRST_WAITS: readonly Millis[] = [1_000, 2_000];
const WAIT: Millis = 3_000;
const MOST_SENDINGS = 10;
/** Answers that wait for the carrier. More than a peer can have earned between two drains is dropped. */
const MOST_WAITING = 8;

export class Exchange {
  readonly #out: Uint8Array[] = [];
  readonly #events: AuthEvent[] = [];
  #repeated: ((now: Instant) => Uint8Array) | undefined;
  #sendings = 0;
  #sentAt = 0 as Instant;
  #shortestWait: Millis = 0;
  #deadline: Instant | undefined;
  #over = false;

  /** The last event was told. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Sends what `make` gives, and again until `settle`. It takes the place of what was repeated before. */
  repeat(make: (now: Instant) => Uint8Array, now: Instant): void {
    this.#repeated = make;
    this.#sendings = 0;
    this.#shortestWait = 0;
    this.#sendAgain(now);
  }

  /** What is repeated leaves the peer so much time, from its last sending on. */
  slowDown(wait: Millis): void {
    if (wait <= this.#shortestWait) return;
    this.#shortestWait = wait;
    if (this.#repeated !== undefined) this.#setDeadline();
  }

  /** Nothing is repeated or awaited any more. */
  settle(): void {
    this.#repeated = undefined;
    this.#deadline = undefined;
  }

  /** Nothing to say, but a time to wait. */
  wait(until: Instant): void {
    this.settle();
    this.#deadline = until;
  }

  send(packet: Uint8Array): void {
    if (this.#out.length < MOST_WAITING) this.#out.push(packet);
  }

  tell(event: AuthEvent): void {
    if (this.#over) return;
    this.#events.push(event);
    if (event.kind === 'failed') {
      this.#over = true;
      this.settle();
    }
  }

  /** False: nobody answered for too long. */
  handleTimeout(now: Instant): boolean {
    if (this.#deadline === undefined || now < this.#deadline) return true;
    if (this.#repeated === undefined || this.#sendings >= MOST_SENDINGS) {
      this.settle();
      return false;
    }
    this.#sendAgain(now);
    return true;
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#out.shift();
  }
  pollEvent(): AuthEvent | undefined {
    return this.#events.shift();
  }
  pollTimeout(): Instant | undefined {
    return this.#deadline;
  }

  #sendAgain(now: Instant): void {
    if (this.#repeated === undefined) return;
    this.send(this.#repeated(now));
    this.#sendings++;
    this.#sentAt = now;
    this.#setDeadline();
  }

  #setDeadline(): void {
    const wait = Math.max(FIRST_WAITS[this.#sendings - 1] ?? WAIT, this.#shortestWait);
    this.#deadline = (this.#sentAt + wait) as Instant;
  }
}
