import type { Instant } from '@culvert/base';
import { sourceOf } from '@culvert/wire';

/** Told at once, after a quiet while. */
const BURST = 20;
/** Milliseconds for one more: people read no faster. */
const EVERY = 1000;
/** Of one source. */
const PAUSE = 1000;
const MOST_SOURCES = 64;

/**
 * Which of the things that strangers cause are told to people: so many in all, and rather those of who was not told of yet.
 *
 * There is a store of tellings that fills by one each second. Who was told of five times needs more than five in store, so that a host
 * which fails all day long leaves the rest to others.
 */
export class Telling {
  /** Who was told of last, the latest last. */
  readonly #sources = new Map<string, { readonly at: Instant; readonly times: number }>();
  #store = BURST;
  #at = Number.NEGATIVE_INFINITY;

  /** Whether to tell what `address` caused. True counts as told. */
  ask(address: string, now: Instant): boolean {
    this.#store = Math.min(BURST, this.#store + (now - this.#at) / EVERY);
    this.#at = now;
    const source = sourceOf(address);
    const { at, times } = this.#sources.get(source) ?? { at: Number.NEGATIVE_INFINITY, times: 0 };
    if (now < at + PAUSE || this.#store < Math.min(times + 1, BURST)) return false;
    this.#store--;
    this.#sources.delete(source);
    this.#sources.set(source, { at: now, times: times + 1 });
    const [longestAgo] = this.#sources.size > MOST_SOURCES ? this.#sources.keys() : [];
    if (longestAgo !== undefined) this.#sources.delete(longestAgo);
    return true;
  }
}
