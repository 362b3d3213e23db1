/** Whether the peer lives: after a silence it is asked, a few times, and then taken for dead (RFC 3706). Any message under its keys is an answer. */
import type { Instant, RandomSource } from '@culvert/base';
import { type DeadPeerDetection, later } from './face.ts';

interface Probe {
  readonly sequence: number;
  readonly sent: number;
  readonly at: Instant;
}

export class Liveness {
  readonly #settings: DeadPeerDetection;
  readonly #random: RandomSource;
  #heardAt: Instant;
  #probe: Probe | undefined;

  constructor(settings: DeadPeerDetection, random: RandomSource, now: Instant) {
    this.#settings = settings;
    this.#random = random;
    this.#heardAt = now;
  }

  heard(now: Instant): void {
    this.#heardAt = now;
    this.#probe = undefined;
  }

  deadline(): Instant {
    return this.#probe?.at ?? later(this.#heardAt, this.#settings.idle);
  }

  /** The number of a question to ask now, the verdict, or nothing. */
  due(now: Instant): number | 'dead' | undefined {
    if (now < this.deadline()) return undefined;
    this.#probe ??= { sequence: this.#drawSequence(), sent: 0, at: now };
    const { sequence, sent } = this.#probe;
    if (sent >= this.#settings.questions) return 'dead';
    this.#probe = { sequence, sent: sent + 1, at: later(now, this.#settings.interval) };
    return sequence;
  }

  #drawSequence(): number {
    const [a = 0, b = 0, c = 0] = this.#random.bytes(3);
    return (a << 16) | (b << 8) | c;
  }
}
