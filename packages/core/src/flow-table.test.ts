import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Protocol } from '@culvert/wire';
import fc from 'fast-check';
import { FlowKey } from './flow-key.ts';
import { FlowTable, NO_FLOW } from './flow-table.ts';

function key(n: number): FlowKey {
  const k = new FlowKey();
  k.version = 4;
  k.protocol = Protocol.tcp;
  k.inside0 = 0x0a08_0002;
  k.outside0 = 0x0a00_0000 | (n >>> 8);
  k.insidePort = 40_000;
  k.outsidePort = n & 0xff;
  return k;
}

test('a flow is found by its whole key and by no other', () => {
  const table = new FlowTable(64);
  table.insert(key(1), 0, 10, 5);
  assert.equal(table.state(table.find(key(1), 0)), 5);
  for (const field of [
    'version',
    'protocol',
    'kind',
    'inside0',
    'inside1',
    'inside2',
    'inside3',
    'outside0',
  ] as const) {
    const other = key(1);
    other[field]++;
    assert.equal(table.find(other, 0), NO_FLOW, field);
  }
  for (const field of ['outside1', 'outside2', 'outside3', 'insidePort', 'outsidePort'] as const) {
    const other = key(1);
    other[field]++;
    assert.equal(table.find(other, 0), NO_FLOW, field);
  }
});

test('a flow is known up to its last tick and not beyond', () => {
  const table = new FlowTable(64);
  table.insert(key(1), 0, 10, 0);
  assert.notEqual(table.find(key(1), 10), NO_FLOW);
  assert.equal(table.find(key(1), 11), NO_FLOW);
  assert.equal(table.size, 0);
});

test('the table grows to its limit and never beyond, and the flow nearest to its timeout makes room', () => {
  const table = new FlowTable(256);
  const smallest = table.capacity;
  for (let n = 0; n < 5000; n++) {
    table.insert(key(n), 0, n < 4 ? 1_000_000 : 1000 + n, n);
    assert.ok(table.size <= 256 && table.capacity <= 256);
  }
  assert.ok(table.capacity > smallest);
  for (let n = 0; n < 4; n++) assert.notEqual(table.find(key(n), 0), NO_FLOW, 'the long-lived ones stay');
  assert.notEqual(table.find(key(4999), 0), NO_FLOW, 'the new one is in');
});

test('flows whose time is over make room before the table grows', () => {
  const table = new FlowTable(4096);
  const smallest = table.capacity;
  for (let n = 0; n < 3000; n++) table.insert(key(n), n, n, 0);
  assert.equal(table.capacity, smallest);
});

test('a sweep forgets what is over and gives memory back', () => {
  const table = new FlowTable(1024);
  for (let n = 0; n < 600; n++) table.insert(key(n), 0, n < 3 ? 1000 : 10, n);
  const large = table.capacity;
  table.sweep(11);
  assert.equal(table.size, 3);
  assert.ok(table.capacity < large / 4);
  for (let n = 0; n < 3; n++) assert.equal(table.state(table.find(key(n), 11)), n);
});

test('what is in the table is what was put there last, whatever happened before', () => {
  const step = fc.record({ n: fc.nat(40), remove: fc.boolean(), state: fc.nat(1000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const table = new FlowTable(4096);
      const model = new Map<number, number>();
      for (const { n, remove, state } of steps) {
        const at = table.find(key(n), 0);
        assert.equal(at !== NO_FLOW, model.has(n));
        if (remove) {
          if (at !== NO_FLOW) table.remove(at);
          model.delete(n);
        } else {
          if (at === NO_FLOW) table.insert(key(n), 0, 10, state);
          else table.update(at, 10, state);
          model.set(n, state);
        }
        assert.equal(table.size, model.size);
      }
      for (const [n, state] of model) assert.equal(table.state(table.find(key(n), 0)), state);
    }),
  );
});
