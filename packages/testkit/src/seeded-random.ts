/** Repeatable randomness (xoshiro128**, Blackman and Vigna 2018). The same seed gives the same run; it protects nothing. */
import type { RandomSource } from '@culvert/base';

export interface SeededRandom extends RandomSource {
  /** A number from 0 (included) to 1 (excluded). */
  real(): number;
  /** A whole number from 0 (included) to `below` (excluded). */
  integer(below: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
}

export function seededRandom(seed: number): SeededRandom {
  const next = xoshiro128(seed);
  const real = () => next() / 0x1_0000_0000;
  return {
    bytes: (length) => Uint8Array.from({ length }, () => next() >>> 24),
    real,
    integer: (below) => Math.floor(real() * below),
    // Draws in every case, so that changing one probability leaves the other draws where they were.
    chance: (probability) => real() < probability,
  };
}

function xoshiro128(seed: number): () => number {
  const s = new Uint32Array(4);
  for (let i = 0; i < s.length; i++) s[i] = splitmix32(seed + i * 0x9e37_79b9);
  return () => {
    let [a, b, c, d] = s as unknown as [number, number, number, number];
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    s.set([a, b, c, d]);
    return result;
  };
}

function splitmix32(seed: number): number {
  let z = (seed + 0x9e37_79b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0_aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a_2d97);
  return z ^ (z >>> 15);
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}
