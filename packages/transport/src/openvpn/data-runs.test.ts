import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDatagramBatch, type DatagramBatch, encodePath, pathWords } from '@culvert/netio';
import { controlFollows, endOfRun, NO_DATA, NO_PEER_ID, peerIdAt } from './data-runs.ts';

const paths = [1, 2].map((port) => encodePath({ remote: { address: '192.0.2.1', port } }, 4));
const V1 = [0x30, 0, 0, 0, 1];
const V2 = (peerId: number, keyId = 0) => [0x48 | keyId, 0, 0, peerId, 0, 0, 0, 1];
const NONE = [0x48, 0xff, 0xff, 0xff, 0];
const CONTROL = [0x20, 0, 0, 0, 0];

/** Datagrams in trains, each of one path. */
function read(...trains: { path: number; datagrams: number[][] }[]): DatagramBatch {
  const batch = createDatagramBatch(64, 4_096);
  for (const { path, datagrams } of trains) {
    for (const [i, bytes] of datagrams.entries()) {
      batch.arena.set(bytes, batch.used);
      batch.offsets[batch.count] = batch.used;
      batch.lengths[batch.count] = bytes.length;
      batch.paths.set(paths[path] ?? [], batch.count * pathWords);
      batch.runs[batch.count++] = datagrams.length - i;
      batch.used += bytes.length;
    }
  }
  return batch;
}

function runsOf(batch: DatagramBatch): [peerId: number, length: number][] {
  const found: [number, number][] = [];
  for (let i = 0; i < batch.count; ) {
    const peerId = peerIdAt(batch, i);
    const end = peerId === NO_DATA ? i + 1 : endOfRun(batch, i, peerId);
    found.push([peerId, end - i]);
    i = end;
  }
  return found;
}

test('a run goes on over trains of one path, whatever their keys', () => {
  const batch = read({ path: 0, datagrams: [V2(7), V2(7)] }, { path: 0, datagrams: [V2(7, 1), V2(7, 1), V2(7, 1)] });
  assert.deepEqual(runsOf(batch), [[7, 5]]);
});

test('a run ends where another peer or another path begins, within a train or between two', () => {
  assert.deepEqual(runsOf(read({ path: 0, datagrams: [V2(7), V2(8), V2(8)] })), [
    [7, 1],
    [8, 2],
  ]);
  assert.deepEqual(runsOf(read({ path: 0, datagrams: [V2(7), V2(7)] }, { path: 1, datagrams: [V2(7)] })), [
    [7, 2],
    [7, 1],
  ]);
});

test('data without a peer id is one run on one path, and takes no control datagram along', () => {
  const batch = read({ path: 0, datagrams: [V1, NONE, CONTROL, V1] }, { path: 1, datagrams: [V1] });
  assert.deepEqual(runsOf(batch), [
    [NO_PEER_ID, 2],
    [NO_DATA, 1],
    [NO_PEER_ID, 1],
    [NO_PEER_ID, 1],
  ]);
});

test('slots behind the last datagram count for nothing, whatever an earlier read left in them', () => {
  const batch = read({ path: 0, datagrams: [V2(7), V2(7), V2(7)] });
  batch.count = 2;
  assert.deepEqual(runsOf(batch), [[7, 2]]);
});

test('a reset that a client begins with follows nothing, whatever session it names', () => {
  const of1 = (first: number) => [first, ...new Array(8).fill(1), 0];
  for (const reset of [7 << 3, 10 << 3]) {
    const batch = read({ path: 0, datagrams: [of1(0x20), of1(reset)] });
    assert.equal(controlFollows(batch, 0), false);
  }
});

test('a control packet is followed by another of its session on its path, or by none', () => {
  const control = (session: number) => [0x20, ...new Array(8).fill(session), 0];
  const batch = read(
    { path: 0, datagrams: [control(1), control(1), control(2), V2(7), control(2)] },
    { path: 1, datagrams: [control(2), control(2)] },
  );
  const follows = Array.from({ length: batch.count }, (_, i) => controlFollows(batch, i));
  assert.deepEqual(follows, [true, false, false, false, false, true, false]);
});
