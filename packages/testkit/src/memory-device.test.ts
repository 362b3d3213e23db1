import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createPacketBatch } from '@culvert/base';
import { batchOf } from './compliance/packets.ts';
import { MemoryDevice } from './memory-device.ts';

test('packets that the kernel sends come out in order, as many as the batch has slots for', () => {
  const device = new MemoryDevice();
  for (const n of [1, 2, 3]) device.inject(Uint8Array.of(n));
  const batch = createPacketBatch(2, 8192);
  assert.equal(device.readBatch(batch), 2);
  assert.deepEqual([...batch.arena.subarray(0, batch.used)], [1, 2]);
  assert.equal(device.readBatch(batch), 0, 'no slot is free');
});

test('a write takes what has a length and fits the queue, and says how many', () => {
  const device = new MemoryDevice({ queuePackets: 2 });
  const batch = batchOf([Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3), Uint8Array.of(4)]);
  batch.lengths[1] = 0;
  assert.equal(device.writeBatch(batch), 2);
  assert.deepEqual(device.collect(), [Uint8Array.of(1), Uint8Array.of(3)]);
  assert.equal(device.dropped, 1);
});

test('readiness calls back once a turn while packets wait, and no longer', async () => {
  const device = new MemoryDevice();
  let calls = 0;
  device.onReadable(() => {
    calls++;
    if (calls === 3) device.readBatch(createPacketBatch(4, 8192));
  });
  device.inject(Uint8Array.of(1));
  for (let i = 0; i < 8; i++) await turn();
  assert.equal(calls, 3);
});
