import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { enterFreshNamespace } from '@culvert/testkit';
import fc from 'fast-check';
import { append, pathTo, receive, textOf, until } from '../test/sockets.ts';
import { withWire } from '../test/wire.ts';
import { createDatagramBatch, type DatagramBatch, encodePath, openUdp, type UdpSocket } from './index.ts';

const skip = enterFreshNamespace();

// Loopback carries trains whole, whatever their segments; a wire does not (test/wire.ts).
const families = [
  { family: 4, address: '127.0.0.1' },
  { family: 6, address: '::1' },
] as const;

/** Datagrams that tell their number, of the lengths given. */
function numbered(lengths: readonly number[], path: Uint32Array): DatagramBatch {
  const batch = createDatagramBatch(lengths.length, lengths.reduce((a, b) => a + b, 0) + 1);
  for (const [i, length] of lengths.entries()) append(batch, Buffer.alloc(length, `${i};`), path);
  return batch;
}

function textsOf(batch: DatagramBatch): string[] {
  return Array.from({ length: batch.count }, (_, i) => textOf(batch, i));
}

function sendAll(socket: UdpSocket, batch: DatagramBatch): void {
  assert.equal(socket.sendBatch(batch), batch.count);
}

/** Room for sixteen trains. */
const roomy = () => createDatagramBatch(2_048, 16 * 65_536);

for (const { family, address } of families) {
  test(`IPv${family}: datagrams of one size travel as trains and arrive one by one, in order`, { skip }, async () => {
    using server = openUdp({ family, address, receiveBufferBytes: 4 << 20 });
    using client = openUdp({ family });
    const out = numbered([...Array(200).fill(1_400), 700], pathTo(server, address));
    sendAll(client, out);
    assert.deepEqual({ sent: client.stats.sent, trains: client.stats.trainsSent }, { sent: 201, trains: 5 });
    const batch = roomy();
    assert.equal(server.recvBatch(batch), 201);
    assert.deepEqual(textsOf(batch), textsOf(out));
    assert.equal(server.stats.trainsReceived, 5);
    assert.equal(server.stats.received, 201);
    const inTrain = [46, 46, 46, 46, 17].flatMap((length) => Array.from({ length }, (_, i) => length - i));
    assert.deepEqual([...batch.runs.subarray(0, 201)], inTrain);
    for (let i = 1; i < 201; i++)
      assert.deepEqual(batch.paths.subarray(i * 10, i * 10 + 10), batch.paths.subarray(0, 10));
  });

  test(`IPv${family}: the socket that knows no trains gets datagrams all the same`, { skip }, async () => {
    for (const [segmentation, coalescing] of [
      [true, false],
      [false, true],
      [false, false],
    ] as const) {
      using server = openUdp({ family, address, coalescing, receiveBufferBytes: 4 << 20 });
      using client = openUdp({ family, segmentation });
      const out = numbered(Array(100).fill(600), pathTo(server, address));
      sendAll(client, out);
      const batch = roomy();
      assert.equal(server.recvBatch(batch), 100);
      assert.deepEqual(textsOf(batch), textsOf(out));
      assert.equal(client.stats.trainsSent > 0, segmentation);
      assert.equal(client.stats.segmentation, segmentation ? 'on' : 'off');
      assert.equal(server.stats.trainsReceived, 0);
      assert.equal(server.stats.coalescing, coalescing ? 'on' : 'off');
    }
  });

  test(`IPv${family}: a train ends at another length, another path, and what its owner dropped is not in it`, {
    skip,
  }, async () => {
    using server = openUdp({ family, address });
    using other = openUdp({ family, address });
    using client = openUdp({ family });
    const out = numbered([500, 500, 400, 500, 500, 600, 500, 500, 500, 500], pathTo(server, address));
    out.paths.set(pathTo(other, address), 7 * 10);
    out.lengths[4] = 0;
    sendAll(client, out);
    // 0 1 2 | 3 | 5 | 6 | 7 | 8 9, for a shorter one may end a train, and 5 is longer than 3.
    assert.equal(client.stats.trainsSent, 3);
    const batch = roomy();
    server.recvBatch(batch);
    assert.deepEqual(
      textsOf(batch),
      [0, 1, 2, 3, 5, 6, 8, 9].map((i) => textOf(out, i)),
    );
    const elsewhere = roomy();
    other.recvBatch(elsewhere);
    assert.deepEqual(textsOf(elsewhere), [textOf(out, 7)]);
  });

  test(`IPv${family}: datagrams that lie scattered in the arena are one train, too`, { skip }, async () => {
    using server = openUdp({ family, address });
    using client = openUdp({ family });
    const out = numbered(Array(64).fill(50), pathTo(server, address));
    out.offsets.reverse();
    sendAll(client, out);
    assert.equal(client.stats.trainsSent, 1);
    const batch = roomy();
    server.recvBatch(batch);
    assert.deepEqual(textsOf(batch), textsOf(out));
  });

  test(`IPv${family}: a thousand datagrams of any size to any peer arrive, each peer's in order`, {
    skip,
  }, async () => {
    const peers = Array.from({ length: 3 }, () =>
      openUdp({ family, address, receiveBufferBytes: 8 << 20, slotBytes: 9_000 }),
    );
    using client = openUdp({ family, sendBufferBytes: 8 << 20 });
    const paths = peers.map((peer) => pathTo(peer, address));
    const run = fc.record({
      peer: fc.nat(2),
      length: fc.oneof(fc.integer({ min: 1, max: 1_500 }), fc.integer({ min: 1, max: 9_000 })),
      count: fc.nat(70),
    });
    let trains = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(run, { minLength: 1, maxLength: 30 }), fc.boolean(), async (runs, small) => {
        const all = runs
          .flatMap(({ peer, length, count }) => Array.from({ length: count }, () => ({ peer, length })))
          .slice(0, 1_000);
        const out = numbered(
          all.map((d) => d.length),
          new Uint32Array(10),
        );
        for (const [i, { peer }] of all.entries()) out.paths.set(paths[peer] as Uint32Array, i * 10);
        const got = peers.map((): string[] => []);
        const into = small ? createDatagramBatch(40, 20_000) : roomy();
        for (let from = 0; from < out.count; ) {
          // In pieces, for a socket's queue holds no thousand datagrams of 9,000 bytes.
          const piece = { ...out, count: Math.min(out.count, from + 200) };
          from += client.sendBatch(piece, from);
          peers.forEach((peer, p) => {
            for (let n = 1; n > 0; ) {
              into.count = into.used = 0;
              n = peer.recvBatch(into);
              got[p]?.push(...textsOf(into));
            }
          });
        }
        peers.forEach((_, p) => {
          const sent = textsOf(out).filter((_, i) => all[i]?.peer === p);
          assert.deepEqual(got[p], sent);
        });
        trains = client.stats.trainsSent;
      }),
      { numRuns: 40 },
    );
    assert.ok(trains > 100);
    assert.equal(client.stats.sendErrors, 0);
    for (const peer of peers) peer.close();
  });
}

test('a batch too small for a train takes it in pieces, and the reader is called until it has all', {
  skip,
}, async () => {
  using server = openUdp({ family: 4, address: '127.0.0.1' });
  using client = openUdp({ family: 4 });
  const out = numbered(Array(50).fill(1_000), pathTo(server, '127.0.0.1'));
  sendAll(client, out);
  const got: string[] = [];
  const batch = createDatagramBatch(7, 5_000);
  await until<void>(30_000, 'fifty datagrams', (done) => {
    server.onReadable(() => {
      batch.count = batch.used = 0;
      assert.ok(server.recvBatch(batch) <= 4);
      got.push(...textsOf(batch));
      if (got.length === 50) done();
    });
  });
  assert.deepEqual(got, textsOf(out));
  server.onReadable(undefined);
  assert.equal(server.recvBatch(batch), 0);
});

test('a reader that comes later finds what an earlier batch had no room for', { skip }, async () => {
  using server = openUdp({ family: 4, address: '127.0.0.1' });
  using client = openUdp({ family: 4 });
  sendAll(client, numbered(Array(9).fill(100), pathTo(server, '127.0.0.1')));
  assert.equal(server.recvBatch(createDatagramBatch(2, 4_096)), 2);
  const batch = await receive(server, 7);
  assert.deepEqual(
    Array.from({ length: 7 }, (_, i) => textOf(batch, i).slice(0, 1)),
    [...'2345678'],
  );
});

test('a socket closed with a train half read calls nobody any more', { skip }, async () => {
  const server = openUdp({ family: 4, address: '127.0.0.1' });
  using client = openUdp({ family: 4 });
  sendAll(client, numbered(Array(9).fill(100), pathTo(server, '127.0.0.1')));
  let calls = 0;
  await until<void>(30_000, 'the first', (done) => {
    server.onReadable(() => {
      calls++;
      server.recvBatch(createDatagramBatch(1, 2_048));
      setImmediate(() => {
        server.close();
        done();
      });
    });
  });
  const before = calls;
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.equal(calls, before);
});

test('datagrams of a train that are longer than a slot are dropped and counted', { skip }, async () => {
  using server = openUdp({ family: 4, address: '127.0.0.1', slotBytes: 500 });
  using client = openUdp({ family: 4 });
  const path = pathTo(server, '127.0.0.1');
  sendAll(client, numbered([...Array(5).fill(501), 500, 200], path));
  for (const batch of [roomy(), createDatagramBatch(16, 16 * 500)]) {
    server.recvBatch(batch);
    assert.deepEqual([...batch.lengths.subarray(0, batch.count)], [500, 200]);
    sendAll(client, numbered([...Array(5).fill(501), 500, 200], path));
  }
  assert.equal(server.stats.truncated, 10);
});

test('a refused train counts for each of its datagrams', { skip }, () => {
  using socket = openUdp({ family: 4 });
  const nowhere = encodePath({ remote: { address: '203.0.113.1', port: 9 } }, 4);
  sendAll(socket, numbered(Array(10).fill(100), nowhere));
  const { sent, sendErrors, lastError, segmentation } = socket.stats;
  assert.deepEqual(
    { sent, sendErrors, lastError, segmentation },
    { sent: 0, sendErrors: 10, lastError: 'ENETUNREACH', segmentation: 'on' },
  );
});

test('a full send queue stops in front of a train, which then leaves whole', { skip }, async () => {
  await withWire(1_500, async () => {
    execFileSync('tc', 'qdisc add dev wire0 root tbf rate 8mbit burst 4k limit 1m'.split(' '));
    using socket = openUdp({ family: 4, sendBufferBytes: 8_192 });
    const out = numbered(Array(300).fill(1_000), encodePath({ remote: { address: '10.1.0.2', port: 9 } }, 4));
    const done = socket.sendBatch(out);
    assert.ok(done >= 64 && done < 300, `${done} of 300`);
    assert.equal(done % 64, 0);
    assert.deepEqual([socket.stats.sent, socket.stats.wouldBlock], [done, 1]);
    for (let from = done; from < 300; ) {
      await until<void>(30_000, 'room in the send queue', (room) => socket.onWritable(room));
      from += socket.sendBatch(out, from);
    }
    assert.equal(socket.stats.sent, 300);
    assert.equal(socket.stats.sendErrors, 0);
  });
});

for (const { family, far, pathMtu } of [
  { family: 4, far: '10.1.0.2', pathMtu: 'want' },
  { family: 4, far: '10.1.0.2', pathMtu: 'dont' },
  { family: 6, far: 'fd01::2', pathMtu: 'want' },
] as const) {
  test(`IPv${family}, ${pathMtu}: where the path takes no such segments datagrams leave one by one, cut by IP, and none is lost`, {
    skip,
  }, async () => {
    await withWire(1_300, async (receiver) => {
      using socket = openUdp({ family, pathMtu });
      const path = encodePath({ remote: { address: far, port: 4_000 + family } }, family);
      for (let round = 0; round < 3; round++) {
        sendAll(socket, numbered(Array(40).fill(1_400), path));
        await receiver.wait(family, (round * 2 + 1) * 40);
        sendAll(socket, numbered(Array(40).fill(1_000), path));
        await receiver.wait(family, (round * 2 + 2) * 40);
      }
      const { sent, sendErrors, trainFallbacks, trainsSent, segmentation } = socket.stats;
      assert.deepEqual(
        { sent, sendErrors, trainFallbacks, trainsSent, segmentation },
        // One train was refused, which is remembered; smaller segments pass.
        { sent: 240, sendErrors: 0, trainFallbacks: 1, trainsSent: 3, segmentation: 'on' },
      );
      assert.equal(receiver.bytes(family), 3 * 40 * 2_400);
    });
  });
}

test('segmentation and coalescing may be unwanted, and the socket says so', { skip }, () => {
  using socket = openUdp({ family: 4, segmentation: false, coalescing: false });
  const { segmentation, segmentationOff, coalescing, coalescingOff } = socket.stats;
  assert.deepEqual(
    { segmentation, segmentationOff, coalescing, coalescingOff },
    { segmentation: 'off', segmentationOff: 'unwanted', coalescing: 'off', coalescingOff: 'unwanted' },
  );
});
