/**
 * Log lines on their way to stderr: one that comes alone is written at once, those that follow it closely go together.
 *
 * A write costs more than putting the line together, and wakes its reader: with 1,000 sessions a second that come and go it was a tenth
 * of the gateway's time.
 */
import { Writable } from 'node:stream';

/** From one write to the next. Chosen: what a crash of the whole process may take with it. */
const PAUSE_MILLIS = 20;
/** Characters that wait. */
const MOST = 32 * 1024;

export interface Line {
  readonly text: string;
  /** What is wrong is written at once, with all that waits before it. */
  readonly urgent: boolean;
}

/** Takes objects of winston's. `flush` when the process ends, and before anything else is written to `out`. */
export class LinesTogether extends Writable {
  readonly #out: Pick<Writable, 'write'>;
  readonly #lineOf: (info: object) => Line;
  #waiting = '';
  #pause: NodeJS.Timeout | undefined;

  constructor(out: Pick<Writable, 'write'>, lineOf: (info: object) => Line) {
    super({ objectMode: true });
    this.#out = out;
    this.#lineOf = lineOf;
  }

  override _write(info: object, _encoding: BufferEncoding, next: () => void): void {
    const { text, urgent } = this.#lineOf(info);
    this.#waiting += `${text}\n`;
    if (this.#pause === undefined || urgent || this.#waiting.length > MOST) this.flush();
    next();
  }

  /** Writes what waits. */
  flush(): void {
    if (this.#waiting === '') return;
    const text = this.#waiting;
    this.#waiting = '';
    this.#out.write(text);
    // It keeps no process alive: who ends one flushes.
    this.#pause ??= setTimeout(() => this.#resume(), PAUSE_MILLIS).unref();
  }

  #resume(): void {
    this.#pause = undefined;
    this.flush();
  }
}
