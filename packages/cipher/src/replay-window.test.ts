import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReplayWindow } from './index.ts';

test('an id is accepted once, while it is newer than all or at most the window behind', () => {
  const nearby = fc.integer({ min: -200, max: 200 });
  const jump = fc.constantFrom(1, 31, 32, 33, 64, 1000, 5000, 0x7fff_ffff);
  fc.assert(
    fc.property(
      fc.constantFrom(1, 32, 64, 65, 500),
      fc.array(fc.tuple(nearby, fc.boolean(), jump), { maxLength: 200 }),
      (size, moves) => {
        const window = new ReplayWindow(size);
        const seen = new Set<number>();
        let highest = 0;
        for (const [near, jumps, by] of moves) {
          const id = Math.min(0xffff_ffff, Math.max(0, highest + (jumps ? by : near)));
          const expected = id > 0 && !seen.has(id) && id > highest - window.size;
          assert.equal(window.accept(id), expected, `${id} after ${highest}`);
          if (expected) seen.add(id);
          if (expected) highest = Math.max(highest, id);
          assert.equal(window.highest, highest);
        }
      },
    ),
  );
});

test('a window that was reset has seen nothing', () => {
  const window = new ReplayWindow(64);
  assert.ok(window.accept(0xffff_ffff));
  window.reset();
  assert.deepEqual([window.highest, window.size, window.accept(1)], [0, 64, true]);
});

test('a window has a size that makes sense', () => {
  for (const size of [0, -1, 1.5, 2 ** 20 + 1]) assert.throws(() => new ReplayWindow(size), RangeError);
  assert.equal(new ReplayWindow(33).size, 64);
});
