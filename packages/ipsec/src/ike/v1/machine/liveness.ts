/** Whether the peer lives: after a silence it is asked, a few times, and then taken for dead (RFC 3706). Any message under its keys is an answer. */
import type { Instant, Path, RandomSource } from '@culvert/base';
import { Echo } from './echo.ts';
import { type DeadPeerDetection, later } from './face.ts';

/** strongSwan, for one, drops what comes right behind the last message of main mode: a question that does not wait is asked again so soon. */
const SOON = 1000;
/** Answers to other questions than the latest: late ones are few, more are guesses. */
const MOST_WRONG = 8;

interface Probe {
  readonly sequence: number;
  readonly sent: number;
  readonly at: Instant;
  /** It did not wait for a silence, so it does not count. */
  readonly extra: boolean;
}

export class Liveness {
  readonly #settings: DeadPeerDetection;
  readonly #random: RandomSource;
  #heardAt: Instant;
  #probe: Probe | undefined;
  /** The last that was asked: its answer may come after others. */
  #question: { readonly sequence: number; readonly echo: Echo; wrong: number } | undefined;

  constructor(settings: DeadPeerDetection, random: RandomSource, now: Instant) {
    this.#settings = settings;
    this.#random = random;
    this.#heardAt = now;
  }

  heard(now: Instant): void {
    this.#heardAt = now;
    this.#probe = undefined;
  }

  /** When it was heard last. */
  get heardAt(): Instant {
    return this.#heardAt;
  }

  /** The question is due at once. */
  hurry(now: Instant): void {
    this.#probe ??= { sequence: this.#drawSequence(), sent: 0, at: now, extra: true };
  }

  deadline(): Instant {
    return this.#probe?.at ?? later(this.#heardAt, this.#settings.idle);
  }

  /** Whether this answer shows that the peer hears at `path`: the question went there alone. */
  proves(sequence: number | undefined, path: Path): boolean {
    const question = this.#question;
    if (question === undefined) return false;
    if (question.sequence === sequence) return question.echo.proves(path);
    if (++question.wrong >= MOST_WRONG) this.#question = undefined;
    return false;
  }

  /** The number of a question to ask now at `path`, the verdict, or nothing. */
  due(now: Instant, path: Path): number | 'dead' | undefined {
    if (now < this.deadline()) return undefined;
    this.#probe ??= { sequence: this.#drawSequence(), sent: 0, at: now, extra: false };
    const { sequence, sent, extra } = this.#probe;
    const { questions, interval } = this.#settings;
    if (sent >= questions) return 'dead';
    const [counted, pause] = extra ? [sent, Math.min(SOON, interval)] : [sent + 1, interval];
    this.#probe = { sequence, sent: counted, at: later(now, pause), extra: false };
    if (this.#question?.sequence !== sequence) this.#question = { sequence, echo: new Echo(), wrong: 0 };
    this.#question.echo.sent(path);
    return sequence;
  }

  /** 31 bits: the first is clear (RFC 3706, section 6.2). */
  #drawSequence(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#random.bytes(4);
    return ((a & 0x7f) << 24) | (b << 16) | (c << 8) | d;
  }
}
