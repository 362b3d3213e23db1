/** Waiting in tests: for a condition, with a deadline, never for a length of time. */
import assert from 'node:assert/strict';
import type { Millis } from '@culvert/base';

const POLL_MILLIS = 5;
/** What is waited for on a busy machine: one that fails takes so long to say so. */
const PATIENCE: Millis = 30_000;

/** Resolves with the first value of `probe` that is neither undefined nor false; fails after `within`, naming `what`. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  within: Millis = PATIENCE,
): Promise<T> {
  const deadline = performance.now() + within;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() >= deadline) assert.fail(`${what}: did not happen within ${within} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
  }
}

/** Settles as `promise` does; fails after `within`, naming `what`. */
export async function inTime<T>(what: string, promise: Promise<T>, within: Millis = PATIENCE): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new assert.AssertionError({ message: `${what}: not within ${within} ms` })),
      within,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
