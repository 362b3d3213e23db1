/**
 * ESP's replay window over 64-bit sequence numbers, of which packets carry the low half (RFC 4303, section 3.4.3 and appendix A),
 * kept in one typed array that native code reads and writes too.
 *
 *   state  | highest: low half | high half | size | 1 with ESN | ring of 2 ** n words ...
 */
const WORD_BITS = 32;
const HALF = 2 ** 32;
const [LOW, HIGH, SIZE, ESN, RING] = [0, 1, 2, 3, 4] as const;

export class EspReplayWindow {
  readonly size: number;
  /** Lent to native code. Nobody else writes to it. */
  readonly state: Uint32Array;
  readonly #words: number;

  /** @param size packets; rounded up to a multiple of 32, at most 2 ** 20. Chosen: 1024, as Wi-Fi reorders. */
  constructor({ size = 1024, esn = false } = {}) {
    if (!Number.isInteger(size) || size < 1 || size > 2 ** 20)
      throw new RangeError('a replay window has 1 to 1048576 packets');
    this.size = Math.ceil(size / WORD_BITS) * WORD_BITS;
    let words = 2;
    while ((words - 1) * WORD_BITS < this.size) words *= 2;
    this.state = new Uint32Array(RING + words);
    this.state[SIZE] = this.size;
    this.state[ESN] = esn ? 1 : 0;
    this.#words = words;
  }

  /** The highest sequence number that was accepted; 0 before the first. */
  get highest(): number {
    return (this.state[HIGH] ?? 0) * HALF + (this.state[LOW] ?? 0);
  }

  /** The whole sequence number that a packet's low half stands for: the one nearest to the window (RFC 4303, appendix A2.1). */
  sequenceOf(low: number): number {
    if (this.state[ESN] !== 1) return low;
    const [top, high] = [this.state[LOW] ?? 0, this.state[HIGH] ?? 0];
    const bottom = top - this.size + 1;
    if (bottom >= 0) return (low >= bottom ? high : high + 1) * HALF + low;
    return (low >= bottom + HALF && high > 0 ? high - 1 : high) * HALF + low;
  }

  /** Whether a packet is worth authenticating. Sequence number 0 is never right. */
  isFresh(sequence: number): boolean {
    if (sequence === 0 || sequence + this.size <= this.highest) return false;
    return sequence > this.highest || ((this.state[this.#slotOf(sequence)] ?? 0) & bitOf(sequence)) === 0;
  }

  /** Marks a sequence number that is fresh and whose packet proved authentic. */
  mark(sequence: number): void {
    if (sequence > this.highest) this.#advance(sequence);
    const at = this.#slotOf(sequence);
    this.state[at] = (this.state[at] ?? 0) | bitOf(sequence);
  }

  #slotOf(sequence: number): number {
    return RING + (Math.floor(sequence / WORD_BITS) % this.#words);
  }

  #advance(sequence: number): void {
    const top = Math.floor(this.highest / WORD_BITS);
    const steps = Math.min(Math.floor(sequence / WORD_BITS) - top, this.#words);
    for (let i = 1; i <= steps; i++) this.state[RING + ((top + i) % this.#words)] = 0;
    this.state[LOW] = sequence % HALF;
    this.state[HIGH] = Math.floor(sequence / HALF);
  }
}

function bitOf(sequence: number): number {
  return 1 << (sequence % WORD_BITS);
}
