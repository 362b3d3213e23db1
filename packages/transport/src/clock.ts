/** The real clock, calendar and entropy: what drivers pass into machines. */
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Instant, MonotonicClock, RandomSource, WallClock } from '@culvert/base';

export const systemClock: MonotonicClock = { now: () => performance.now() as Instant };
export const systemWallClock: WallClock = { unixMillis: () => Date.now() };
export const systemRandom: RandomSource = { bytes: (length) => new Uint8Array(randomBytes(length)) };
