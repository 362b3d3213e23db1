/**
 * A hash table from four 32-bit words to a small number, over typed arrays: a look-up allocates nothing and builds no string.
 * Open addressing with linear probing, at most half full; removal moves later entries back, so there are no tombstones.
 */
export const NOT_FOUND = -1;

/** Chosen: a table of one host route stays within one page. */
const SMALLEST = 16;

export class WordHash {
  #keys = new Int32Array(SMALLEST * 4);
  #values = new Int32Array(SMALLEST).fill(NOT_FOUND);
  #mask = SMALLEST - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The value of the key, or NOT_FOUND. */
  find(a: number, b: number, c: number, d: number): number {
    return this.#values[this.#slot(a, b, c, d)] as number;
  }

  /** Sets the key's value, which is 0 or more. */
  set(a: number, b: number, c: number, d: number, value: number): void {
    let slot = this.#slot(a, b, c, d);
    if (this.#values[slot] === NOT_FOUND) {
      if ((this.#size + 1) * 2 > this.#values.length) {
        this.#grow();
        slot = this.#slot(a, b, c, d);
      }
      this.#size++;
    }
    this.#keys.set([a, b, c, d], slot * 4);
    this.#values[slot] = value;
  }

  delete(a: number, b: number, c: number, d: number): void {
    let hole = this.#slot(a, b, c, d);
    if (this.#values[hole] === NOT_FOUND) return;
    this.#size--;
    for (let slot = (hole + 1) & this.#mask; this.#values[slot] !== NOT_FOUND; slot = (slot + 1) & this.#mask) {
      const home = this.#home(slot);
      // The entry may fill the hole unless its home lies between the hole and where it is.
      if (((slot - home) & this.#mask) < ((slot - hole) & this.#mask)) continue;
      this.#keys.copyWithin(hole * 4, slot * 4, slot * 4 + 4);
      this.#values[hole] = this.#values[slot] as number;
      hole = slot;
    }
    this.#values[hole] = NOT_FOUND;
  }

  /** Where the key is, or the free slot where it would go. */
  #slot(a: number, b: number, c: number, d: number): number {
    const keys = this.#keys;
    const mask = this.#mask;
    let slot = hashWords(a, b, c, d) & mask;
    while (this.#values[slot] !== NOT_FOUND) {
      const at = slot * 4;
      if (keys[at] === a && keys[at + 1] === b && keys[at + 2] === c && keys[at + 3] === d) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #home(slot: number): number {
    const at = slot * 4;
    const k = this.#keys;
    return hashWords(k[at] as number, k[at + 1] as number, k[at + 2] as number, k[at + 3] as number) & this.#mask;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = new Int32Array(keys.length * 2);
    this.#values = new Int32Array(values.length * 2).fill(NOT_FOUND);
    this.#mask = this.#values.length - 1;
    for (const [i, value] of values.entries()) {
      if (value === NOT_FOUND) continue;
      const key = keys.subarray(i * 4, i * 4 + 4);
      const [a = 0, b = 0, c = 0, d = 0] = key;
      const slot = this.#slot(a, b, c, d);
      this.#keys.set(key, slot * 4);
      this.#values[slot] = value;
    }
  }
}

/** Mixes four words so that neighbours in any of them land apart (the finisher is MurmurHash3's). */
export function hashWords(a: number, b: number, c: number, d: number): number {
  let h = Math.imul(a, 0x9e37_79b1) ^ Math.imul(b, 0x85eb_ca77) ^ Math.imul(c, 0xc2b2_ae3d) ^ Math.imul(d, 0x27d4_eb2f);
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}
