import assert from 'node:assert/strict';
import { test } from 'node:test';
import { searchL2tp } from './search.ts';

const COUNT = 60_000;

test(`${COUNT} mutated packets break no endpoint, and every decoder is reached in every state`, () => {
  const { sent, problems, unreached } = searchL2tp({ count: COUNT, seed: 1 });
  assert.deepEqual(problems, []);
  assert.ok(sent >= COUNT);
  assert.deepEqual(unreached, []);
});
