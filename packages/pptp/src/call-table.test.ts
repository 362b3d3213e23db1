import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import { CallTable } from './call-table.ts';

const [client, stranger, gateway, alias] = [1, 2, 3, 4];

test('a call is found by its id and both addresses, and by nothing less', () => {
  const table = new CallTable<string>(seededRandom(1));
  const id = table.take() ?? 0;
  assert.equal(table.find(id, client, gateway), undefined, 'a call that is not up has no packets');
  table.connect(id, 'call', client, gateway);
  assert.equal(table.find(id, client, gateway), 'call');
  assert.equal(table.find(id, stranger, gateway), undefined);
  assert.equal(table.find(id, client, alias), undefined);
  assert.equal(table.find(id ^ 1, client, gateway), undefined);
  table.give(id);
  assert.equal(table.find(id, client, gateway), undefined);
});

test('clients behind one address differ by their ids', () => {
  const table = new CallTable<number>(seededRandom(2));
  const ids = Array.from({ length: 50 }, () => table.take() ?? 0);
  for (const [n, id] of ids.entries()) table.connect(id, n, client, gateway);
  for (const [n, id] of ids.entries()) assert.equal(table.find(id, client, gateway), n);
});

test('every id but 0 is given once, and no more; one that was given back is free', () => {
  const table = new CallTable<number>(seededRandom(3));
  const ids = new Set<number>();
  for (let id = table.take(); id !== undefined; id = table.take()) ids.add(id);
  assert.deepEqual([ids.size, ids.has(0), table.size], [65_535, false, 65_535]);
  table.give(77);
  assert.equal(table.take(), 77);
});

test('ids are drawn, not counted', () => {
  const table = new CallTable<number>(seededRandom(4));
  const ids = Array.from({ length: 20 }, () => table.take() ?? 0);
  const steps = new Set(ids.slice(1).map((id, i) => id - (ids[i] ?? 0)));
  assert.ok(steps.size > 10);
});

test('connecting an id that nobody took is the caller’s fault', () => {
  assert.throws(() => new CallTable<number>(seededRandom(5)).connect(9, 1, client, gateway), RangeError);
});
