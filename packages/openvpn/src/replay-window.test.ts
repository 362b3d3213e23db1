import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReplayWindow } from './replay-window.ts';

/** What a window should do, by remembering everything. */
class Model {
  readonly #seen = new Set<number>();
  #highest = 0;
  readonly #size: number;
  constructor(size: number) {
    this.#size = size;
  }
  accept(id: number): boolean {
    if (id === 0 || id <= this.#highest - this.#size || this.#seen.has(id)) return false;
    this.#seen.add(id);
    this.#highest = Math.max(this.#highest, id);
    return true;
  }
}

test('it accepts what a model that remembers everything accepts', () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: -100, max: 20 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
  );
  fc.assert(
    fc.property(
      fc.constantFrom(32, 64, 96, 1_024),
      fc.integer({ min: 1, max: 0xffff_0000 }),
      fc.array(step),
      (size, start, steps) => {
        const window = new ReplayWindow(size);
        const model = new Model(size);
        let at = start;
        for (const by of steps) {
          const id = Math.min(0xffff_ffff, Math.max(0, at + by));
          assert.equal(window.accept(id), model.accept(id), `id ${id}`);
          at = Math.max(at, id);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('the size is rounded up to whole words, and bounded', () => {
  assert.equal(new ReplayWindow(1).size, 32);
  assert.equal(new ReplayWindow(65).size, 96);
  assert.throws(() => new ReplayWindow(0), RangeError);
  assert.throws(() => new ReplayWindow(2 ** 20 + 1), RangeError);
});

test('ids up to the last of 32 bits are told apart', () => {
  const window = new ReplayWindow(64);
  assert.ok(window.accept(0xffff_fffe));
  assert.ok(window.accept(0xffff_ffff));
  assert.ok(!window.accept(0xffff_ffff));
  assert.equal(window.highest, 0xffff_ffff);
});
