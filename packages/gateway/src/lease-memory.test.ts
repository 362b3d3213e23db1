import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NewLease, Store } from '@culvert/store';
import { eventually, nullLogger, RecordingLogger } from '@culvert/testkit';
import { openLeaseMemory } from './lease-memory.ts';

/** A store that keeps each write, and answers when told. */
function slowStore() {
  const writes: { readonly leases: readonly NewLease[]; done(): void; fail(): void }[] = [];
  const used: Pick<Store, 'leases' | 'putLeases'> = {
    leases: async () => [],
    putLeases: (leases) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      writes.push({ leases, done: resolve, fail: () => reject(new Error('the disk is gone')) });
      return promise;
    },
  };
  return { writes, store: used as Store };
}

test('a lease is written at once with its twin, and those that come meanwhile share the next write', async () => {
  const { writes, store } = slowStore();
  const memory = await openLeaseMemory(store, nullLogger);
  memory.put('alice', 4, '10.88.0.2');
  memory.put('alice', 6, 'fd88::2');
  await eventually('the first write', () => writes.length === 1);
  assert.deepEqual(
    writes[0]?.leases.map(({ address }) => address),
    ['10.88.0.2', 'fd88::2'],
  );
  for (const [user, address] of [
    ['bob', '10.88.0.3'],
    ['carol', '10.88.0.4'],
    ['dave', '10.88.0.3'],
  ] as const)
    memory.put(user, 4, address);
  assert.equal(writes.length, 1, 'one write at a time');
  writes[0]?.done();
  await eventually('the second write', () => writes.length === 2);
  assert.deepEqual(writes[1]?.leases, [
    { user: 'carol', version: 4, address: '10.88.0.4' },
    { user: 'dave', version: 4, address: '10.88.0.3' },
  ]);
  writes[1]?.done();
  await memory.close();
});

test('closing writes what waits', async () => {
  const { writes, store } = slowStore();
  const memory = await openLeaseMemory(store, nullLogger);
  memory.put('alice', 4, '10.88.0.2');
  await eventually('the first write', () => writes.length === 1);
  memory.put('bob', 4, '10.88.0.3');
  let closed = false;
  const closing = memory.close().then(() => {
    closed = true;
  });
  writes[0]?.done();
  await eventually('the second write', () => writes.length === 2);
  assert.equal(closed, false, 'what waits is not given up');
  writes[1]?.done();
  await closing;
});

test('a store that fails is warned of once, and asked again', async () => {
  const { writes, store } = slowStore();
  const log = new RecordingLogger();
  const memory = await openLeaseMemory(store, log);
  for (let n = 0; n < 3; n++) {
    memory.put('alice', 4, `10.88.0.${n + 2}`);
    await eventually('a write', () => writes.length === n + 1);
    if (n < 2) writes[n]?.fail();
    else writes[n]?.done();
  }
  await memory.close();
  assert.equal(log.text.match(/leases cannot be written down/g)?.length, 1);
  assert.match(log.text, /the disk is gone/);
});
