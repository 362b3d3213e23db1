import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { createDatagramBatch, type DatagramBatch } from '@culvert/netio';
import { StrangerShare } from './stranger-share.ts';

const SLOTS = 1_024;

function batchOf(count: number, length: number): DatagramBatch {
  const batch = createDatagramBatch(SLOTS, 16 * 65_536);
  batch.lengths.fill(length, 0, count);
  batch.count = count;
  batch.used = count * length;
  return batch;
}

/** What passes of each of these batches, a millisecond apart. */
function passed(share: StrangerShare, batches: number, batch: DatagramBatch, from = 0): number[] {
  return Array.from({ length: batches }, (_, n) => {
    share.begin(batch, (from + n) as Instant);
    return share.admits(batch, 0, batch.count);
  });
}

for (const [what, batch, least] of [
  ['slots', batchOf(SLOTS, 100), 32],
  ['bytes', batchOf(700, 1_440), 23],
] as const) {
  test(`strangers who fill the ${what} of each batch are cut to a share after a burst, and are free again when they stop`, () => {
    const share = new StrangerShare(0 as Instant);
    const counts = passed(share, 100, batch);
    assert.ok(counts.slice(0, 5).every((count) => count === batch.count));
    assert.equal(counts.at(-1), least);
    const few = batchOf(600, 100);
    assert.equal(passed(share, 10, few, 100).at(-1), 600);
  });
}

test('what empties the socket is never cut', () => {
  const share = new StrangerShare(0 as Instant);
  assert.ok(passed(share, 1_000, batchOf(SLOTS - 128, 100)).every((count) => count === SLOTS - 128));
});
