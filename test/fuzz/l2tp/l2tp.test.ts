import assert from 'node:assert/strict';
import { test } from 'node:test';
import { searchTarget } from '../target.ts';
import { l2tp } from './search.ts';

const COUNT = 60_000;

test(`${COUNT} mutated packets break no endpoint, and every decoder is reached in every state`, async () => {
  const { sent, problems, unreached } = await searchTarget(l2tp, { count: COUNT, seed: 1 });
  assert.deepEqual(problems, []);
  assert.ok(sent >= COUNT);
  assert.deepEqual(unreached, []);
});
