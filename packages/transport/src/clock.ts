/** The real clock, calendar and entropy: what drivers pass into machines. */
import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Instant, MonotonicClock, RandomSource, WallClock } from '@culvert/base';

export const systemClock: MonotonicClock = { now: () => performance.now() as Instant };
export const systemWallClock: WallClock = { unixMillis: () => Date.now() };
export const systemRandom: RandomSource = { bytes: randomBytes };

/** A call for entropy costs the same for 8 bytes as for 1,024: those that are asked for little by little are taken together. */
const pool = new Uint8Array(1_024);
/** From here on nobody had them; what was given out is wiped. */
let unused = pool.length;

function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  if (length > pool.length / 8) return randomFillSync(bytes);
  if (length > pool.length - unused) {
    randomFillSync(pool);
    unused = 0;
  }
  const end = unused + length;
  bytes.set(pool.subarray(unused, end));
  pool.fill(0, unused, end);
  unused = end;
  return bytes;
}
