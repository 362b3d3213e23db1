import assert from 'node:assert/strict';
import { test } from 'node:test';
import { searchTarget } from '../target.ts';
import { esp } from './search.ts';

const COUNT = 30_000;

test(`${COUNT} mutated datagrams do what RFC 4303 says, natively and not, and every decoder is reached in every state`, async () => {
  const { sent, problems, unreached } = await searchTarget(esp, { count: COUNT, seed: 1 });
  assert.deepEqual(problems, []);
  assert.ok(sent >= COUNT);
  assert.deepEqual(unreached, []);
});
