/** What a bad wire does to each datagram, drawn from one seed: shared by the simulated wire and the one of real sockets. */
import type { Millis } from '@culvert/base';
import { type SeededRandom, seededRandom } from './seeded-random.ts';

export interface WireOptions {
  /** @default 1 */
  readonly seed?: number;
  /** One way, in milliseconds. @default 10 */
  readonly latency?: Millis;
  /** A random extra of up to so much; neighbours may overtake each other. @default 0 */
  readonly jitter?: Millis;
  /** Probabilities from 0 to 1, drawn for each datagram. @default 0 */
  readonly drop?: number;
  readonly duplicate?: number;
  /** One to four random bits of the datagram flip. @default 0 */
  readonly corrupt?: number;
  /** The datagram is held back for up to four latencies more. @default 0 */
  readonly reorder?: number;
  /** Longer datagrams are lost. @default none is too long */
  readonly largest?: number;
}

export interface WireStats {
  sent: number;
  dropped: number;
  duplicated: number;
  corrupted: number;
  reordered: number;
}

/** One copy that arrives. */
export interface Arrival {
  readonly datagram: Uint8Array;
  readonly delay: Millis;
}

export class WireNoise {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** The copies that arrive, none of them shared with the input; counts in `stats`. */
  carry(datagram: Uint8Array, wire: WireOptions, stats: WireStats): Arrival[] {
    stats.sent++;
    const { drop = 0, duplicate = 0, corrupt = 0, largest = Number.POSITIVE_INFINITY } = wire;
    // All drawn in every case, so that the rest of a run stays in place when one probability changes.
    const lost = this.#random.chance(drop);
    const corrupted = this.#random.chance(corrupt);
    const doubled = this.#random.chance(duplicate);
    if (lost || datagram.length > largest) {
      stats.dropped++;
      return [];
    }
    if (doubled) stats.duplicated++;
    return Array.from({ length: doubled ? 2 : 1 }, (_, n) => {
      const copy = datagram.slice();
      if (corrupted && n === 0) this.#corrupt(copy, stats);
      return { datagram: copy, delay: this.#delay(wire, stats) };
    });
  }

  #delay({ latency = 10, jitter = 0, reorder = 0 }: WireOptions, stats: WireStats): Millis {
    const held = this.#random.chance(reorder);
    const extra = this.#random.real();
    if (held) stats.reordered++;
    return latency + jitter * extra + (held ? latency * 4 * this.#random.real() : 0);
  }

  #corrupt(datagram: Uint8Array, stats: WireStats): void {
    stats.corrupted++;
    for (let n = this.#random.integer(4); n >= 0; n--) {
      const at = this.#random.integer(datagram.length);
      datagram[at] = (datagram[at] ?? 0) ^ (1 << this.#random.integer(8));
    }
  }
}
