import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { test } from 'node:test';
import { shortenTimeSlice } from './time-slice.ts';

/** `se.slice` of the first thread, in nanoseconds; undefined where the kernel shows none (CONFIG_SCHED_DEBUG). */
function slice(): number | undefined {
  const [, shown] = /^se\.slice\s*:\s*(\d+)/m.exec(readFileSync('/proc/self/sched', 'utf8')) ?? [];
  return shown === undefined ? undefined : Number(shown);
}

test('a thread asks for the shortest time slice, and gets it where the kernel knows one', () => {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const knows = major > 6 || (major === 6 && minor >= 12);
  assert.equal(shortenTimeSlice(), knows);
  assert.equal(shortenTimeSlice(), knows);
  const now = slice();
  if (knows && now !== undefined) assert.equal(now, 100_000);
});
