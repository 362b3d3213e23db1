/** Which of many have something to do next: a heap by time, so that a deadline costs those that it is of, and not all there are. */
import type { Instant } from '@culvert/base';

interface Entry<T> {
  readonly item: T;
  at: Instant;
  place: number;
}

export class Deadlines<T> {
  /** The children of entry n are 2n+1 and 2n+2, and not before it. */
  readonly #heap: Entry<T>[] = [];
  readonly #entries = new Map<T, Entry<T>>();

  get next(): Instant | undefined {
    return this.#heap[0]?.at;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** `item` is looked at no later than `at`. One that is to be looked at before stays: early is harmless, and moving later costs nothing. */
  set(item: T, at: Instant): void {
    const known = this.#entries.get(item);
    if (known !== undefined) {
      if (known.at <= at) return;
      known.at = at;
      this.#rise(known);
      return;
    }
    const entry = { item, at, place: this.#heap.length };
    this.#heap.push(entry);
    this.#entries.set(item, entry);
    this.#rise(entry);
  }

  delete(item: T): void {
    const entry = this.#entries.get(item);
    if (entry === undefined) return;
    this.#entries.delete(item);
    const last = this.#heap.pop();
    if (last === undefined || last === entry) return;
    this.#put(last, entry.place);
    this.#rise(last);
    this.#sink(last);
  }

  /** Those whose time has come, in its order. They are none of ours until they are set again. */
  take(now: Instant): T[] {
    const due: T[] = [];
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      due.push(first.item);
      this.delete(first.item);
    }
    return due;
  }

  #rise(entry: Entry<T>): void {
    while (entry.place > 0) {
      const above = this.#heap[(entry.place - 1) >>> 1];
      if (above === undefined || above.at <= entry.at) return;
      const { place } = above;
      this.#put(above, entry.place);
      this.#put(entry, place);
    }
  }

  #sink(entry: Entry<T>): void {
    for (;;) {
      const [left, right] = [this.#heap[2 * entry.place + 1], this.#heap[2 * entry.place + 2]];
      const below = right !== undefined && left !== undefined && right.at < left.at ? right : left;
      if (below === undefined || below.at >= entry.at) return;
      const { place } = below;
      this.#put(below, entry.place);
      this.#put(entry, place);
    }
  }

  #put(entry: Entry<T>, place: number): void {
    entry.place = place;
    this.#heap[place] = entry;
  }
}
