import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { enterFreshNamespace, hostileBytes, hostileNumber, hostileWords } from '@culvert/testkit';
import fc from 'fast-check';
import { append, pathTo } from '../test/sockets.ts';
import { createDatagramBatch, NetioError, openUdp } from './index.ts';
import { native } from './native.ts';

const skip = enterFreshNamespace();

const batch = fc.record({
  arena: hostileBytes,
  offsets: hostileWords(64),
  lengths: hostileWords(64),
  paths: hostileWords(640),
  runs: hostileWords(64),
  count: hostileNumber,
  used: hostileNumber,
});
const anything = fc.array(fc.oneof(hostileNumber, hostileBytes, hostileWords(16)), { maxLength: 13 });
const functions = Object.entries(native).map(([name, call]) => ({
  name,
  call: call as (...args: unknown[]) => unknown,
}));

/** Runs `act`: it may work, or refuse in one of the ways that the face names. That the process lives on is the point. */
function worksOrRefuses(act: () => unknown): 'works' | 'refuses' {
  try {
    act();
    return 'works';
  } catch (error) {
    assert.ok(error instanceof TypeError || error instanceof RangeError || error instanceof NetioError, String(error));
    return 'refuses';
  }
}

test('no batch, however wrong, makes sending or receiving do more than throw', { skip }, () => {
  using socket = openUdp({ family: 4 });
  using peer = openUdp({ family: 4 });
  const seen = { works: 0, refuses: 0 };
  const path = pathTo(socket, '127.0.0.1');
  fc.assert(
    fc.property(batch, hostileNumber, (wrong, from) => {
      peer.send(Buffer.from('something to receive'), path);
      seen[worksOrRefuses(() => socket.recvBatch(wrong as never))]++;
      seen[worksOrRefuses(() => socket.sendBatch(wrong as never, from as never))]++;
      seen[worksOrRefuses(() => socket.send(wrong.arena as never, wrong.paths as never))]++;
    }),
    { numRuns: 3_000 },
  );
  assert.ok(seen.works > 100 && seen.refuses > 100, `both outcomes were reached (${JSON.stringify(seen)})`);
});

test('no memory of trains, however wrong, makes sending or receiving do more than throw', { skip }, () => {
  using socket = openUdp({ family: 6 });
  const fd = findDescriptor();
  const state = fc.oneof(hostileWords(16), fc.array(fc.nat(70_000), { minLength: 13, maxLength: 200 }));
  const seen = { works: 0, refuses: 0 };
  const batch = createDatagramBatch(16, 40_000);
  const { arena, offsets, lengths, paths } = batch;
  const report = new Uint32Array(6);
  for (let i = 0; i < 8; i++) append(batch, Buffer.alloc(100), pathTo(socket, '::1'));
  const bind = native.bind as (...args: unknown[]) => void;
  fc.assert(
    fc.property(state, fc.boolean(), fc.nat(100), (words, on, used) => {
      const wrong = Array.isArray(words) ? Uint32Array.from(words) : words;
      if (on && wrong instanceof Uint32Array && wrong.length > 0) wrong[0] = 1;
      const send = () => {
        bind(fd, 1, arena, undefined, offsets, lengths, paths, report, wrong);
        native.sendBatch(fd, 6, 0, 8);
      };
      seen[worksOrRefuses(send)]++;
      const spill = new Uint8Array(65_536);
      const into = [arena.slice(), ...[16, 16, 160, 16].map((words) => new Uint32Array(words))];
      const receive = () => {
        bind(fd, 0, into[0], spill, ...into.slice(1), report, wrong);
        native.receiveBatch(fd, 0, used, 2_048, 0);
      };
      seen[worksOrRefuses(receive)]++;
      assert.ok(
        into.slice(1, 3).every((rows) => rows.every((word) => word <= arena.length)),
        'nothing lies outside',
      );
    }),
    { numRuns: 1_000 },
  );
  assert.ok(seen.works > 100 && seen.refuses > 50, `both outcomes were reached (${JSON.stringify(seen)})`);
});

test('an array that was replaced, detached or resized since the last call is looked at anew', { skip }, () => {
  using socket = openUdp({ family: 4 });
  const memory = new ArrayBuffer(65_536, { maxByteLength: 65_536 });
  const sound = { ...createDatagramBatch(128, 0), arena: new Uint8Array(memory) };
  /** The text of a datagram that is sent and received by way of the batch. */
  const carry = (batch: typeof sound) => {
    socket.send(Buffer.from('one datagram'), pathTo(socket, '127.0.0.1'));
    batch.count = batch.used = 0;
    socket.recvBatch(batch);
    socket.sendBatch(batch);
    const at = batch.offsets[0] ?? 0;
    batch.count = batch.used = 0;
    socket.recvBatch(batch);
    return Buffer.from(batch.arena.subarray(at, at + (batch.lengths[0] ?? 0))).toString();
  };
  const refuses = (batch: object, error: new () => Error) => assert.throws(() => carry(batch as typeof sound), error);
  assert.equal(carry(sound), 'one datagram');
  memory.resize(1_000);
  refuses(sound, RangeError);
  memory.resize(65_536);
  assert.equal(carry(sound), 'one datagram');
  refuses({ ...sound, offsets: 'none' }, TypeError);
  refuses({ ...sound, paths: undefined }, TypeError);
  assert.equal(carry({ ...sound, arena: new Uint8Array(65_536) }), 'one datagram');
  assert.equal(carry(sound), 'one datagram');
  memory.transfer();
  refuses(sound, RangeError);
});

test('datagrams outside of the arena are never sent', { skip }, () => {
  using socket = openUdp({ family: 6 });
  const arena = new Uint8Array(100);
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), fc.integer({ min: 1, max: 0xffff_ffff }), (offset, length) => {
      fc.pre(offset + length > arena.length);
      const wrong = {
        arena,
        view: new DataView(arena.buffer),
        tags: new Uint32Array(1),
        offsets: Uint32Array.of(offset),
        lengths: Uint32Array.of(length),
        paths: pathTo(socket, '::1'),
        runs: new Uint32Array(1),
        count: 1,
        used: 0,
      };
      assert.throws(() => socket.sendBatch(wrong), RangeError);
    }),
  );
});

test('the native functions take no descriptor but their own', { skip }, () => {
  const refuses = (error: unknown) => error instanceof TypeError || error instanceof RangeError;
  const others = ['parseAddress', 'formatAddress', 'openUdp', 'openRawIp', 'setTimeSlice', 'trimMemory', 'close'];
  for (const { name, call } of functions.filter(({ name }) => !others.includes(name))) {
    fc.assert(
      // No socket is open, so every number is somebody else's.
      fc.property(anything, (args) => assert.throws(() => call(...args), refuses, name)),
      { numRuns: 100 },
    );
  }
});

test('the native functions survive any arguments behind a good descriptor', { skip }, () => {
  using socket = openUdp({ family: 6 });
  const fd = findDescriptor();
  assert.equal(native.getBuffer(fd, 1), socket.bufferSizes.receive);
  for (const { call } of functions.filter(({ name }) => name !== 'close')) {
    fc.assert(
      fc.property(anything, (args) => {
        worksOrRefuses(() => call(fd, ...args));
        worksOrRefuses(() => call(...args));
      }),
      { numRuns: 200 },
    );
  }
});

test('two threads use sockets at once, and one that is ended while waiting closes its own', { skip }, async () => {
  const before = readdirSync('/proc/self/fd').length;
  const source = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(workerData).then(({ createDatagramBatch, encodePath, openUdp }) => {
      const [a, b] = [openUdp({ family: 4 }), openUdp({ family: 4 })];
      const batch = createDatagramBatch(64, 131072);
      let rounds = 0;
      for (const socket of [a, b]) socket.onReadable(() => {
        batch.count = batch.used = 0;
        socket.recvBatch(batch);
        socket.sendBatch(batch);
        if (++rounds === 1000) parentPort.postMessage(rounds);
      });
      for (let n = 0; n < 64; n++) a.send(Buffer.from('to and fro'), encodePath({ remote: { address: '127.0.0.1', port: b.local.port } }, 4));
    });`;
  const workerData = new URL('./index.ts', import.meta.url).href;
  const workers = [1, 2].map(() => new Worker(source, { eval: true, workerData }));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  await Promise.all(workers.map((worker) => worker.terminate()));
  assert.equal(readdirSync('/proc/self/fd').length, before);
});

/** The one descriptor that is open in the addon. */
function findDescriptor(): number {
  for (let fd = 0; fd < 1_000; fd++) {
    try {
      native.getBuffer(fd, 1);
      return fd;
    } catch {}
  }
  throw new Error('no socket is open');
}
