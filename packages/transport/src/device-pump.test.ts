import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createPacketBatch, type Instant, type Logger } from '@culvert/base';
import { MemoryDevice, nullLogger, RecordingLogger } from '@culvert/testkit';
import { DevicePump } from './device-pump.ts';

const packet = new Uint8Array(100);
/** Of the pump: looks that find nothing before they become rare, and writes a look from then on. */
const LOOKS = 8;
const WRITES_A_LOOK = 64;

function oneWritten() {
  const batch = createPacketBatch(1, packet.length);
  batch.lengths[0] = packet.length;
  batch.count = 1;
  return batch;
}

/** A pump over a device in memory, the sizes of the batches that it read, and its clock. */
function start(log: Logger = nullLogger, onPackets = () => {}, handleTimeout = () => {}) {
  const device = new MemoryDevice();
  const read: number[] = [];
  const it = { now: 0, reads: 0 };
  const counted = new Proxy(device, {
    get(target, name) {
      if (name === 'readBatch') it.reads++;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const core = {
    handleDevicePackets: (batch: { count: number }) => {
      onPackets();
      read.push(batch.count);
    },
    handleTimeout,
    pollTimeout: () => undefined,
  };
  const pump = new DevicePump({
    device: counted,
    virtio: false,
    core: () => core,
    clock: { now: () => it.now as Instant },
    log,
    onGone: (error) => {
      throw error;
    },
  });
  return { device, read, it, pump, [Symbol.dispose]: () => pump.close() };
}

test('what the device answers at once is read in the same turn', async () => {
  using end = start();
  end.device.onWritten(() => end.device.inject(packet));
  assert.equal(end.pump.writeBatch(oneWritten()), 1);
  await null;
  assert.deepEqual(end.read, [1]);
});

test('after a silence one packet is taken alone, and what stands behind it in the next turn', async () => {
  using end = start();
  end.it.now = 5;
  for (let i = 0; i < 4; i++) end.device.inject(packet);
  await turn();
  assert.deepEqual(end.read, [1]);
  await turn();
  assert.deepEqual(end.read, [1, 3]);
});

test('while more than one packet waits, none is taken alone, however long the turns are', async () => {
  using end = start();
  for (let n = 0; n < 3; n++) {
    end.it.now += 5;
    for (let i = 0; i < 4; i++) end.device.inject(packet);
    await turn();
    end.it.now += 5;
    await turn();
  }
  assert.deepEqual(end.read, [1, 3, 4, 4]);
});

test('one packet at a time costs one read each', async () => {
  using end = start();
  for (let n = 0; n < 3; n++) {
    end.it.now += 5;
    end.device.inject(packet);
    await turn();
    await turn();
  }
  assert.deepEqual([end.read, end.it.reads], [[1, 1, 1], 3]);
});

test('where nothing answers, looks become rare', async () => {
  using end = start();
  for (let i = 0; i < LOOKS + 2 * WRITES_A_LOOK; i++) {
    end.pump.writeBatch(oneWritten());
    await null;
  }
  assert.equal(end.it.reads, LOOKS + 2);
});

test('a pump that was closed within the turn looks no more', async () => {
  using end = start();
  end.pump.writeBatch(oneWritten());
  end.pump.close();
  await null;
  assert.equal(end.it.reads, 0);
});

test('a fault with a batch is logged with its stack, and the next is read', async () => {
  const log = new RecordingLogger();
  let broken = true;
  using end = start(log, () => {
    if (broken) throw new Error('broken');
  });
  end.device.inject(packet);
  await turn();
  broken = false;
  end.it.now = 5;
  end.device.inject(packet);
  await turn();
  assert.deepEqual(end.read, [1]);
  assert.match(log.text, /lost a packet from the device stack=Error: broken\n.*device-pump\.test/);
});

test('a fault at a deadline is tried again, and not at once', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const log = new RecordingLogger();
  let looks = 0;
  using end = start(log, undefined, () => {
    looks++;
    throw new Error('broken');
  });
  assert.ok(end);
  t.mock.timers.tick(1_000);
  assert.equal(looks, 1);
  for (let n = 0; n < 999; n++) t.mock.timers.tick(1);
  assert.equal(looks, 1);
  t.mock.timers.tick(1);
  assert.equal(looks, 2);
});
