import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import { Handed } from '@culvert/core';
import fc from 'fast-check';
import { createRing, RingReader, RingWriter } from './ring.ts';

/** One packet of `length` bytes that tell `n`, behind a virtio header of 0x77 where it has one. */
function batchOf(n: number, length: number, virtio = false): PacketBatch {
  const batch = createPacketBatch(1, length + 10, { virtio });
  batch.arena.fill(0x77, 0, 10);
  for (let i = 0; i < length; i++) batch.arena[10 + i] = n + i;
  batch.offsets[0] = 10;
  batch.lengths[0] = length;
  batch.count = 1;
  return batch;
}

interface Seen {
  readonly how: number;
  readonly header: number;
  readonly bytes: readonly number[];
}

function drain(reader: RingReader): Seen[] {
  const seen: Seen[] = [];
  const look = (batch: PacketBatch) => {
    assert.equal(batch.virtio, true);
    for (let i = 0; i < batch.count; i++) {
      const [at, length] = [batch.offsets[i] ?? 0, batch.lengths[i] ?? 0];
      const bytes = [...batch.arena.subarray(at, at + length)];
      seen.push({ how: batch.tags[i] ?? 0, header: batch.view.getUint8(at - 10), bytes });
    }
  };
  while (reader.read(look));
  return seen;
}

test('packets arrive in order with how they began, behind their virtio headers or zeros', () => {
  const memory = createRing(1_024);
  const [writer, reader] = [new RingWriter(memory, () => {}), new RingReader(memory)];
  writer.put(batchOf(1, 3, true), 0, Handed.fromDevice);
  writer.put(batchOf(9, 2), 0, Handed.answerOnly);
  assert.deepEqual(drain(reader), [], 'nothing is seen before the flush');
  writer.flush();
  assert.deepEqual(drain(reader), [
    { how: Handed.fromDevice, header: 0x77, bytes: [1, 2, 3] },
    { how: Handed.answerOnly, header: 0, bytes: [9, 10] },
  ]);
});

test('whatever is put and read, packets arrive whole and in order, and what finds no room is counted', () => {
  const step = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constant('read' as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const memory = createRing(512);
      const [writer, reader] = [new RingWriter(memory, () => {}), new RingReader(memory)];
      let [put, got, sent] = [0, 0, [] as number[][]];
      const look = () => {
        writer.flush();
        const seen = drain(reader);
        got += seen.length;
        assert.deepEqual(
          seen.map(({ bytes }) => bytes),
          sent,
        );
        sent = [];
      };
      for (const what of steps) {
        if (what === 'read') look();
        else {
          const dropped = writer.dropped;
          writer.put(batchOf(put++, what), 0, Handed.fromLink);
          if (writer.dropped === dropped) sent.push(Array.from({ length: what }, (_, i) => (put - 1 + i) & 0xff));
        }
      }
      look();
      assert.equal(got + writer.dropped, put);
      writer.put(batchOf(0, 200), 0, Handed.fromLink);
      assert.equal(got + writer.dropped, put, 'an empty ring has room');
    }),
  );
});

test('room is given back only after the packets were used', () => {
  const memory = createRing(512);
  const [writer, reader] = [new RingWriter(memory, () => {}), new RingReader(memory)];
  writer.put(batchOf(1, 400), 0, Handed.fromDevice);
  writer.flush();
  reader.read(() => {
    writer.put(batchOf(2, 400), 0, Handed.fromDevice);
    assert.equal(writer.dropped, 1);
  });
  writer.put(batchOf(3, 400), 0, Handed.fromDevice);
  assert.equal(writer.dropped, 1);
});

test('a reader is woken once until it has looked', () => {
  let wakes = 0;
  const memory = createRing(4_096);
  const [writer, reader] = [new RingWriter(memory, () => wakes++), new RingReader(memory)];
  for (let n = 0; n < 3; n++) {
    writer.put(batchOf(n, 10), 0, Handed.fromDevice);
    writer.flush();
  }
  assert.equal(wakes, 1);
  reader.handleWake();
  assert.equal(drain(reader).length, 3);
  writer.flush();
  assert.equal(wakes, 1, 'nothing is new');
  writer.put(batchOf(4, 10), 0, Handed.fromDevice);
  writer.flush();
  assert.equal(wakes, 2);
});

test('a reader in another thread gets every packet of a long run, whole and in order', async () => {
  const memory = createRing(65_536);
  const body = `
    import { workerData, parentPort } from 'node:worker_threads';
    const { RingReader } = await import(workerData.ring);
    const reader = new RingReader(workerData.memory);
    let next = 0, wrong = 0;
    const look = (batch) => {
      for (let i = 0; i < batch.count; i++, next++) {
        const at = batch.offsets[i], length = batch.lengths[i];
        if (length !== 4 + next % 900 || batch.view.getUint32(at) !== next) wrong++;
        for (let b = 4; b < length; b++) if (batch.view.getUint8(at + b) !== (next & 0xff)) wrong++;
      }
    };
    parentPort.postMessage('ready');
    while (next < workerData.count) reader.read(look);
    parentPort.postMessage({ next, wrong });`;
  const count = 50_000;
  const ring = new URL('./ring.ts', import.meta.url).href;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(body)}`), {
    workerData: { memory, ring, count },
  });
  await once(worker, 'message');
  const ended = once(worker, 'message');
  const writer = new RingWriter(memory, () => {});
  const batch = createPacketBatch(1, 1_024);
  batch.count = 1;
  for (let n = 0; n < count; ) {
    batch.lengths[0] = 4 + (n % 900);
    batch.arena.fill(n & 0xff, 4, 904);
    batch.view.setUint32(0, n);
    const dropped = writer.dropped;
    writer.put(batch, 0, Handed.fromDevice);
    if (writer.dropped === dropped) n++;
    writer.flush();
  }
  assert.deepEqual((await ended)[0], { next: count, wrong: 0 });
});
