/** Notices that the machine slept: Linux's monotonic clock stands still meanwhile, its uptime does not. */
import { readFileSync } from 'node:fs';
import type { Millis } from '@culvert/base';

const CHECK_MS = 2_000;
/** Less is a busy machine. */
const LEAST_SLEEP_MS = 3_000;

/** Calls `onWake` with the length of each sleep, soon after it, until `close`. */
export function watchSleep(
  onWake: (slept: Millis) => void,
  clocks: { readonly awake: () => Millis; readonly total: () => Millis } = systemClocks,
  every: Millis = CHECK_MS,
): { close(): void } {
  let asleep = clocks.total() - clocks.awake();
  const timer = setInterval(() => {
    const now = clocks.total() - clocks.awake();
    const slept = now - asleep;
    asleep = now;
    if (slept >= LEAST_SLEEP_MS) onWake(slept);
  }, every);
  return { close: () => clearInterval(timer) };
}

const systemClocks = {
  awake: () => performance.now(),
  /** proc_uptime(5): seconds since the boot, time asleep included. */
  total: () => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1_000,
};
