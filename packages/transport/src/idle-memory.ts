/**
 * Gives a thread's memory back to the kernel when it has nothing to do.
 *
 * V8 takes room to collect in while much comes and goes, and keeps it for the next time, and so does malloc: a thousand clients that came
 * and went leave nothing alive, and yet tens of megabytes. A collection that returns all of it stops the thread for a tenth of a second, so
 * it waits for a time in which nobody would notice. What malloc gives back is of all threads, one of which may want it again.
 */
import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Logger, Millis } from '@culvert/base';
import { trimMemory } from '@culvert/netio';

/** One look each: a thread that was quiet for so long is quiet. */
const LOOK_EVERY: Millis = 10_000;
/** Share of the time in which the thread does anything. Measured: 0.0006 to 0.002 with nothing to carry, 0.006 with five pings a second, 0.03 with a voice call's packets. */
const QUIET = 0.01;
/** Bytes that the heap must have taken since it was returned; less is not worth a stop. */
const WORTH_IT = 8 * 1024 * 1024;
/** After so many looks a thread that has worked meanwhile returns what it may have: what was alive then may be gone, and a heap does not show it. */
const LOOKS_APART = 30;

/** When it is time, from looks at the thread: no clock or collector in it. */
export class IdleWatch {
  /** Bytes of the heap after it was last returned; none before the first time, as a start leaves much behind. */
  #settled = 0;
  /** Since the heap was last returned. */
  #looks = 0;
  #worked = false;

  /**
   * A look. Returns whether to give the heap back now.
   *
   * @param busy share of the time since the look before in which the thread worked, 0 to 1
   * @param heap bytes that its heap holds of the machine's memory
   */
  look(busy: number, heap: number): boolean {
    this.#looks++;
    // V8 gives some back by itself now and then.
    this.#settled = Math.min(this.#settled, heap);
    if (busy >= QUIET) {
      this.#worked = true;
      return false;
    }
    return heap - this.#settled >= WORTH_IT || (this.#worked && this.#looks >= LOOKS_APART);
  }

  handleReturned(heap: number): void {
    this.#settled = heap;
    this.#looks = 0;
    this.#worked = false;
  }
}

export interface IdleMemoryOptions {
  readonly log: Logger;
  /** Between looks; for tests. */
  readonly lookEvery?: Millis;
}

/** Watches the thread that made it until it is closed. Without V8's `--expose-gc`, which both programs are started with, it does nothing. */
export class IdleMemory {
  readonly #log: Logger;
  readonly #watch = new IdleWatch();
  readonly #timer: NodeJS.Timeout;
  #latest = performance.eventLoopUtilization();

  constructor({ log, lookEvery = LOOK_EVERY }: IdleMemoryOptions) {
    this.#log = log;
    this.#timer = setInterval(() => this.#look(), lookEvery).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#latest);
    this.#latest = now;
    const before = heapBytes();
    if (globalThis.gc === undefined || !this.#watch.look(utilization, before)) return;
    globalThis.gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    trimMemory();
    const after = heapBytes();
    this.#watch.handleReturned(after);
    this.#latest = performance.eventLoopUtilization(); // The collection is no work.
    this.#log.debug('quiet: memory given back', { heapBefore: before, heapAfter: after });
  }
}

function heapBytes(): number {
  return getHeapStatistics().total_physical_size;
}
