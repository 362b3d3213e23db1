import assert from 'node:assert/strict';
import { test } from 'node:test';
import { searchTarget } from '../target.ts';
import { decoders, sampleFrames } from './frames.ts';
import { ppp } from './search.ts';

const COUNT = 30_000;

test('a seed draws the same frames again', () => {
  for (const decoder of decoders) assert.deepEqual(sampleFrames(decoder, 20), sampleFrames(decoder, 20));
});

test(`${COUNT} mutated frames break no session, and every decoder is reached in every state`, async () => {
  const { sent, problems, unreached } = await searchTarget(ppp, { count: COUNT, seed: 1 });
  assert.deepEqual(problems, []);
  assert.ok(sent >= COUNT);
  assert.deepEqual(unreached, []);
});
