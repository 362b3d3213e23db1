import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decoders, sampleFrames } from './frames.ts';
import { searchPpp } from './search.ts';

const COUNT = 30_000;

test('a seed draws the same frames again', () => {
  for (const decoder of decoders) assert.deepEqual(sampleFrames(decoder, 20), sampleFrames(decoder, 20));
});

test(`${COUNT} mutated frames break no session, and every decoder is reached in every state`, () => {
  const { tally, sent, problems } = searchPpp({ count: COUNT, seed: 1 });
  assert.deepEqual(problems, []);
  assert.ok(sent >= COUNT);
  const unreached = Object.entries(tally).flatMap(([cell, { reached }]) => (reached === 0 ? [cell] : []));
  assert.deepEqual(unreached, []);
});
