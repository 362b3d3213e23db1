/**
 * Which packet ids were seen: a sliding window over a ring of words (the scheme of RFC 6479), kept in one typed array that
 * native code reads and writes too.
 *
 * An id is accepted once, and only when it is newer than the highest so far or at most `size` behind it.
 *
 *   state  | highest | size | ring of 2 ** n words ...
 */
const WORD_BITS = 32;
const HIGHEST = 0;
const SIZE = 1;
const RING = 2;

export class ReplayWindow {
  /** Ids behind the highest that are still told apart. */
  readonly size: number;
  /** Lent to native code. Nobody else writes to it. */
  readonly state: Uint32Array;
  readonly #mask: number;

  /** @param size rounded up to a multiple of 32; the ring takes the next power of two above it. At most 2 ** 20. */
  constructor(size: number) {
    if (!Number.isInteger(size) || size < 1 || size > 2 ** 20)
      throw new RangeError('a replay window has 1 to 1048576 packets');
    this.size = Math.ceil(size / WORD_BITS) * WORD_BITS;
    let words = 2;
    while ((words - 1) * WORD_BITS < this.size) words *= 2;
    this.state = new Uint32Array(RING + words);
    this.state[SIZE] = this.size;
    this.#mask = words - 1;
  }

  get highest(): number {
    return this.state[HIGHEST] ?? 0;
  }

  /** True exactly once for an id inside the window. Call it only for packets that proved authentic. Id 0 is never right. */
  accept(id: number): boolean {
    const highest = this.highest;
    if (id === 0 || id + this.size <= highest) return false;
    const word = Math.floor(id / WORD_BITS);
    if (id > highest) this.#advance(Math.floor(highest / WORD_BITS), word, id);
    const at = RING + (word & this.#mask);
    const bit = 1 << (id & (WORD_BITS - 1));
    const seen = this.state[at] ?? 0;
    if ((seen & bit) !== 0) return false;
    this.state[at] = seen | bit;
    return true;
  }

  /** Forget everything. */
  reset(): void {
    this.state.fill(0, RING);
    this.state[HIGHEST] = 0;
  }

  #advance(top: number, word: number, id: number): void {
    const steps = Math.min(word - top, this.#mask + 1);
    for (let i = 1; i <= steps; i++) this.state[RING + ((top + i) & this.#mask)] = 0;
    this.state[HIGHEST] = id;
  }
}
