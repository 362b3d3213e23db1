import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from './clock.ts';

test('no entropy is given twice, in pieces of any size', () => {
  const seen = new Set<string>();
  let pieces = 0;
  for (let round = 0; round < 200; round++) {
    for (const length of [8, 32, 32, 64, 127, 128, 129, 2_000]) {
      const bytes = systemRandom.bytes(length);
      assert.equal(bytes.length, length);
      for (let at = 0; at + 8 <= length; at += 8) {
        seen.add(Buffer.from(bytes.subarray(at, at + 8)).toString('hex'));
        pieces++;
      }
    }
  }
  assert.equal(seen.size, pieces);
  assert.ok(!seen.has('0000000000000000'));
});
