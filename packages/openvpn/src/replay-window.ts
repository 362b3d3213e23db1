/**
 * Which packet ids were seen: a sliding window over a ring of words (the scheme of RFC 6479).
 *
 * An id is accepted once, and only when it is newer than the highest so far or at most `size` behind it.
 */
const WORD_BITS = 32;

export class ReplayWindow {
  /** Ids behind the highest that are still told apart. */
  readonly size: number;
  readonly #words: Uint32Array;
  readonly #mask: number;
  #highest = 0;

  /** @param size rounded up to a multiple of 32; the ring takes the next power of two above it. At most 2 ** 20. */
  constructor(size: number) {
    if (!Number.isInteger(size) || size < 1 || size > 2 ** 20)
      throw new RangeError('a replay window has 1 to 1048576 packets');
    this.size = Math.ceil(size / WORD_BITS) * WORD_BITS;
    let words = 2;
    while ((words - 1) * WORD_BITS < this.size) words *= 2;
    this.#words = new Uint32Array(words);
    this.#mask = words - 1;
  }

  get highest(): number {
    return this.#highest;
  }

  /** True exactly once for an id inside the window. Call it only for packets that proved authentic. Id 0 is never right. */
  accept(id: number): boolean {
    if (id === 0 || id + this.size <= this.#highest) return false;
    const word = Math.floor(id / WORD_BITS);
    if (id > this.#highest) this.#advance(word, id);
    const at = word & this.#mask;
    const bit = 1 << (id & (WORD_BITS - 1));
    const seen = this.#words[at] ?? 0;
    if ((seen & bit) !== 0) return false;
    this.#words[at] = seen | bit;
    return true;
  }

  /** Forget everything. */
  reset(): void {
    this.#words.fill(0);
    this.#highest = 0;
  }

  #advance(word: number, id: number): void {
    const top = Math.floor(this.#highest / WORD_BITS);
    const steps = Math.min(word - top, this.#words.length);
    for (let i = 1; i <= steps; i++) this.#words[(top + i) & this.#mask] = 0;
    this.#highest = id;
  }
}
