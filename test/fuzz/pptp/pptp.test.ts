import assert from 'node:assert/strict';
import { test } from 'node:test';
import { searchTarget } from '../target.ts';
import { pptp } from './search.ts';

const COUNT = 90_000;

test(`${COUNT} mutated messages and packets break no call, and every decoder is reached in every state`, async () => {
  const { sent, inside, problems, unreached } = await searchTarget(pptp, { count: COUNT, seed: 1 });
  assert.deepEqual(problems, []);
  assert.ok(sent >= COUNT);
  assert.ok(inside >= COUNT / 2, 'half of them lie inside MPPE');
  assert.deepEqual(unreached, []);
});
