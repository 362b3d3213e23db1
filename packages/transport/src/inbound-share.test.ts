/** What a read of a socket brings of several links, in virtual time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Instant } from '@culvert/base';
import { ShareUse } from '@culvert/core';
import { createDatagramBatch, type DatagramBatch } from '@culvert/netio';
import { InboundShare, singleRoom, trainRoom } from './inbound-share.ts';

const SLOTS = 1_024;
const BYTES = 16 * 65_536;

/** Datagrams of a link, by its number, or of strangers; all of them one train, or each for itself. */
interface Run {
  readonly of: number | 'strangers';
  readonly count: number;
  readonly length: number;
  readonly isTrain?: boolean;
}

function batchOf(runs: readonly Run[]): DatagramBatch {
  const batch = createDatagramBatch(SLOTS, BYTES);
  for (const { count, length, isTrain = false } of runs) {
    for (let i = 0; i < count; i++) {
      batch.offsets[batch.count] = batch.used;
      batch.lengths[batch.count] = length;
      batch.runs[batch.count++] = isTrain ? count - i : 1;
      batch.used += length;
    }
  }
  assert.ok(batch.count <= SLOTS && batch.used <= BYTES);
  return batch;
}

class Reader {
  readonly share: InboundShare;
  readonly uses = [new ShareUse(), new ShareUse(), new ShareUse()];
  /** What part of the socket's room is used. */
  full = 1;
  #now = 0;

  constructor(room = trainRoom) {
    this.share = new InboundShare(0 as Instant, { ...room, size: 8_000, queued: () => 8_000 * this.full });
  }

  /** Reads the same so many times, a millisecond apart. Returns how much of each run passed, for each read. */
  read(times: number, ...runs: readonly Run[]): number[][] {
    const batch = batchOf(runs);
    return Array.from({ length: times }, () => {
      this.share.begin(batch, this.#now++ as Instant);
      let end = 0;
      return runs.map((run) => {
        const first = end;
        end += run.count;
        return this.#passed(run.of === 'strangers' ? undefined : this.uses[run.of], batch, first, end);
      });
    });
  }

  #passed(use: ShareUse | undefined, batch: DatagramBatch, first: number, end: number): number {
    let passed = 0;
    for (let at = first; at < end; ) {
      const over = this.share.within(use, batch, at, end);
      passed += over - at;
      at = over === end ? end : this.share.behind(batch, over, end);
    }
    return passed;
  }
}

const train = (of: Run['of']): Run => ({ of, count: 40, length: 1_600, isTrain: true });
const short = (of: number): Run => ({ ...train(of), length: 1_440 });
const trains = (of: Run['of'], count: number): Run[] => Array.from({ length: count }, () => train(of));
const ping: Run = { of: 1, count: 1, length: 140 };
const junk: Run = { of: 0, count: 1_000, length: 100 };
const sum = (reads: readonly number[][], run: number) => reads.reduce((all, read) => all + (read[run] ?? 0), 0);

describe('while the socket has no room left', () => {
  test('a link that floods is cut to a share, and one under its share loses nothing', () => {
    const reads = new Reader().read(200, junk, ping);
    assert.equal(sum(reads, 1), 200);
    assert.ok(
      reads.slice(0, 5).every(([flood]) => flood === junk.count),
      'a burst passes',
    );
    assert.equal(reads.at(-1)?.[0], 32);
  });

  test('a flood of trains is cut by whole trains', () => {
    const reads = new Reader().read(200, ...trains(0, 16), ping);
    assert.equal(sum(reads, 16), 200);
    for (let run = 0; run < 16; run++) for (const read of reads) assert.ok(read[run] === 0 || read[run] === 40);
    assert.deepEqual(reads.at(-1)?.slice(0, 16), [40, ...new Array(15).fill(0)]);
  });

  test("a link's trains take nothing from its single datagrams", () => {
    const reads = new Reader().read(200, ...trains(0, 16), { ...ping, of: 0 }, ping);
    assert.deepEqual([sum(reads, 16), sum(reads, 17)], [200, 200]);
  });

  test('a train of small datagrams costs what it costs to decrypt them', () => {
    const small: Run = { of: 0, count: 64, length: 100, isTrain: true };
    const reads = new Reader().read(200, ...new Array(14).fill(small), ping);
    assert.deepEqual(reads.at(-1)?.slice(0, 14), [64, ...new Array(13).fill(0)]);
  });

  test('links that all bring much are cut alike', () => {
    const runs = Array.from({ length: 6 }, () => [0, 1, 2].map(short)).flat();
    const reads = new Reader().read(300, ...runs);
    const passed = [0, 1, 2].map((link) =>
      runs.reduce((all, { of }, i) => (of === link ? all + sum(reads, i) : all), 0),
    );
    assert.equal(new Set(passed).size, 1, String(passed));
    assert.ok((passed[0] ?? 0) < 300 * 6 * 40, 'and are cut at all');
  });

  test('a link that is alone loses nothing, whatever strangers do meanwhile', () => {
    const reads = new Reader().read(200, { of: 'strangers', count: 500, length: 100 }, { ...junk, count: 500 });
    assert.equal(sum(reads, 1), 200 * 500);
    assert.equal(reads.at(-1)?.[0], 32);
  });

  test('strangers have one share together and take none of a link that they name', () => {
    const strangers: Run = { of: 'strangers', count: 450, length: 100 };
    const reads = new Reader().read(200, strangers, { of: 0, count: 20, length: 100 }, strangers, ping);
    assert.deepEqual([sum(reads, 1), sum(reads, 3)], [200 * 20, 200]);
    assert.deepEqual(reads.at(-1), [32, 20, 0, 1]);
  });
});

for (const [what, runs, least] of [
  ['slots', [{ of: 'strangers', count: SLOTS, length: 100 }], 32],
  ['bytes', [{ of: 'strangers', count: 700, length: 1_440 }], 23],
] as const) {
  test(`strangers who fill the ${what} of each read are cut to a share after a burst, and are free again when they stop`, () => {
    const reader = new Reader();
    const reads = reader.read(100, ...runs);
    assert.ok(reads.slice(0, 5).every(([passed]) => passed === runs[0].count));
    assert.equal(reads.at(-1)?.[0], least);
    const few: Run = { of: 'strangers', count: 600, length: 100 };
    assert.deepEqual(reader.read(10, few).at(-1), [600]);
  });
}

test('links are held to a share from three quarters of the room until half of it is left, and then to ever more', () => {
  const reader = new Reader();
  reader.full = 0.7;
  assert.deepEqual(reader.read(50, junk, ping).at(-1), [1_000, 1], 'a queue that stands cuts nobody');
  reader.full = 0.8;
  assert.deepEqual(reader.read(50, junk, ping).at(-1), [32, 1]);
  reader.full = 0.6;
  assert.deepEqual(reader.read(1, junk, ping), [[32, 1]]);
  reader.full = 0.4;
  const passed = reader.read(30, junk, ping).map(([flood = 0]) => flood);
  assert.deepEqual(passed.slice(0, 4), [37, 42, 48, 55]);
  assert.equal(passed.at(-1), 1_000);
});

test('strangers are held to theirs as soon as the queue stands', () => {
  const reader = new Reader();
  reader.full = 0.1;
  const strangers: Run = { of: 'strangers', count: 500, length: 100 };
  assert.deepEqual(reader.read(100, strangers, { ...junk, count: 500 }, ping).at(-1), [32, 500, 1]);
});

test('what empties the socket is never cut', () => {
  const runs: Run[] = [{ of: 'strangers', count: 400, length: 100 }, { ...junk, count: SLOTS - 128 - 401 }, ping];
  const reads = new Reader().read(1_000, ...runs);
  for (const [run, { count }] of runs.entries()) assert.equal(sum(reads, run), 1_000 * count);
});

test('where datagrams come one by one a read is full when no other fits', () => {
  // Where each slot has 2,048 bytes: the last of 512 begins 2,048 bytes before the end.
  const batch = batchOf([]);
  const passedAt = (last: number) => {
    const reader = new Reader(singleRoom(2_048));
    const use = new ShareUse();
    batch.count = last + 1;
    for (let i = 0; i <= last; i++) {
      batch.offsets[i] = 2_048 * i;
      batch.lengths[i] = 1_440;
      batch.runs[i] = 1;
    }
    batch.used = 2_048 * last + 1_440;
    for (let n = 0; n < 100; n++) {
      reader.share.begin(batch, n as Instant);
      reader.share.within(reader.uses[0], batch, 0, 1);
      reader.share.within(use, batch, 1, 2);
    }
    return reader.share.within(use, batch, 2, batch.count) - 2;
  };
  assert.equal(passedAt(511), 22);
  assert.equal(passedAt(510 - 1), 508, 'two more would fit');
});
