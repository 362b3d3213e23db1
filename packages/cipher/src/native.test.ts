import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import fc from 'fast-check';
import { createOpenvpnAeadKey } from './index.ts';
import { loadNative, type Native } from './native.ts';
import { ReplayWindow } from './replay-window.ts';

const native = loadNative();
const key = native.openvpnAeadCreate(0, new Uint8Array(32), new Uint8Array(8), 4, 0);

const mppe = native.mppeCreate(128, new Uint8Array(16), 0, 16);

const window = new ReplayWindow(64).state;
const report = new Uint32Array(8);

type Batch = [arena: Uint8Array, offsets: Uint32Array, lengths: Uint32Array, tags: Uint32Array];
const batch = (slots = 4, bytes = 1000): Batch => [
  new Uint8Array(bytes),
  new Uint32Array(slots),
  new Uint32Array(slots),
  new Uint32Array(slots),
];
const bound = (arrays = batch(), cursor = new Uint32Array(4)) => native.bindBatch(...arrays, cursor);

test('the binary throws TypeError for what is no key, no batch or no number, and never crashes', () => {
  const closed = native.openvpnAeadCreate(0, new Uint8Array(32), new Uint8Array(8), 4, 0);
  native.openvpnAeadClose(closed);
  const closedMppe = native.mppeCreate(40, new Uint8Array(8), 3, 0);
  native.mppeClose(closedMppe);
  const good = fc.constantFrom<unknown>(
    key,
    mppe,
    closedMppe,
    128,
    closed,
    bound(),
    0,
    1,
    4,
    new Uint8Array(32),
    new Uint8Array(128),
    new Uint32Array(4),
    new Uint32Array(2),
  );
  const odd = fc.constantFrom<unknown>(
    ...[undefined, null, true, -1, 1e300, Number.NaN, 2 ** 32, 'text', Symbol('x'), 1n, {}, [], () => 0],
    ...[new Float64Array(3), new DataView(new ArrayBuffer(4)), new ArrayBuffer(4), new Int32Array(4)],
    ...[new Uint8Array(new SharedArrayBuffer(4)), new Uint32Array(0), new Uint8Array(0)],
  );
  const calls = [
    ...(['bindBatch', 'openvpnAeadCreate', 'openvpnAeadSeal', 'openvpnAeadOpen'] as const),
    ...(['openvpnAeadOpenTrain', 'segmentTrains', 'joinTrains'] as const),
    ...(['tlsCryptSeal', 'tlsCryptOpen', 'ecdsaSign', 'ecdsaVerify'] as const),
    ...(['mppeCreate', 'mppeSeal', 'mppeOpenTrain', 'mppeSkip'] as const),
    ...(['aesGcmEngines', 'aesGcmSelfTest', 'aesGcm'] as const),
  ];
  fc.assert(
    fc.property(fc.constantFrom(...calls), fc.array(fc.oneof(good, odd), { maxLength: 17 }), (name, args) => {
      try {
        (native[name] as (...args: unknown[]) => unknown)(...args);
      } catch (error) {
        assert.ok(error instanceof TypeError, String(error));
      }
    }),
    { numRuns: 5000 },
  );
});

test('offsets, lengths, counts and cursors of any value stay inside the arrays', () => {
  const u32 = fc.oneof(fc.nat({ max: 1100 }), fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0xffff_ffff));
  const four = fc.array(u32, { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(four, four, u32, u32, u32, u32, (offsets, lengths, first, count, dstCount, dstUsed) => {
      const src = batch();
      src[1].set(offsets);
      src[2].set(lengths);
      const from = bound(src);
      const into = () => bound(batch(), Uint32Array.of(dstCount, dstUsed, 0, 0));
      for (const next of [
        native.openvpnAeadSeal(key, from, into(), first, count, 0, 0x48, 1),
        native.openvpnAeadSeal(key, from, into(), first, count, 1, 0x48, 1),
        native.openvpnAeadOpenTrain(key, from, into(), first, count, 1, 15, window, report),
        native.segmentTrains(from, into(), first, count),
        native.joinTrains(from, into(), first, count, 15),
        native.openvpnAeadOpen(key, from, into(), first, count),
        native.mppeSeal(mppe, from, into(), first, count, 0),
        native.mppeSeal(mppe, from, into(), first, count, 1),
        native.mppeOpenTrain(mppe, from, into(), first, count, 1, 15, report),
      ]) {
        assert.ok(next === -1 || (next >= first && next <= 4), `returned ${next}`);
      }
    }),
    { numRuns: 2000 },
  );
});

test('only the state of a replay window is taken for one', () => {
  const open = (state: Uint32Array, words = report) =>
    native.openvpnAeadOpenTrain(key, bound(), bound(), 0, 0, 1, 15, state, words);
  assert.equal(open(new Uint32Array(window)), 0);
  const odd = [[], [0, 32], [0, 32, 0], [0, 32, 0, 0, 0], [0, 33, 0, 0], [0, 0, 0, 0], [0, 0xffff_ffff, 0, 0]];
  for (const state of odd) assert.throws(() => open(Uint32Array.from(state)), TypeError, `${state}`);
  assert.throws(() => open(window, new Uint32Array(7)), TypeError);
});

test('detached, shrunken and shared arrays are read at the size that they have', () => {
  const detached = batch();
  structuredClone(detached[0], { transfer: [detached[0].buffer as ArrayBuffer] });
  const resizable = new ArrayBuffer(1000, { maxByteLength: 2000 });
  const shrunken: Batch = [new Uint8Array(resizable), new Uint32Array(4), new Uint32Array(4), new Uint32Array(4)];
  resizable.resize(10);
  const noSlots: Batch = [new Uint8Array(100), new Uint32Array(4), new Uint32Array(0), new Uint32Array(4)];
  for (const src of [detached, shrunken, noSlots]) {
    src[1][0] = 0;
    src[2][0] = 100;
    assert.equal(native.openvpnAeadSeal(key, bound(src), bound(), 0, 1, 0, 0x48, 1), -1);
  }
  for (const dst of [detached, shrunken, noSlots]) {
    const src = batch();
    src[2][0] = 100;
    const next = native.openvpnAeadSeal(key, bound(src), bound(dst), 0, 1, 0, 0x48, 1);
    assert.equal(next, 0, 'nothing fits');
  }
  const shared = batch();
  shared[0] = new Uint8Array(new SharedArrayBuffer(1000));
  shared[2][0] = 100;
  assert.equal(native.openvpnAeadSeal(key, bound(shared), bound(), 0, 1, 0, 0x48, 1), 1);
});

test('only an array of four words is taken for a cursor', () => {
  for (const words of [0, 3]) assert.throws(() => bound(batch(), new Uint32Array(words)), TypeError);
});

test('an array that is replaced, detached or resized after it was used is looked at anew', () => {
  const options = { cipher: 'AES-256-GCM', key: new Uint8Array(32), implicitIv: new Uint8Array(8) } as const;
  const one = createOpenvpnAeadKey({ ...options, format: 'v2', implementation: 'native' });
  const dst = createPacketBatch(4, 1000);
  const seal = (src: PacketBatch, into = dst) => {
    into.count = into.used = 0;
    src.lengths[0] = 100;
    src.count = 1;
    return one.seal(src, 0, into, 0x4800_0000, 1);
  };
  const buffer = new ArrayBuffer(1000, { maxByteLength: 2000 });
  const resized = { ...createPacketBatch(4, 1000), arena: new Uint8Array(buffer) };
  assert.equal(seal(resized), 1);
  buffer.resize(50);
  assert.throws(() => seal(resized), RangeError);
  buffer.resize(1000);
  assert.equal(seal(resized), 1);

  for (const field of ['arena', 'offsets', 'lengths', 'tags'] as const) {
    const [detached, full] = [createPacketBatch(4, 1000), createPacketBatch(4, 1000)];
    assert.equal(seal(detached, full), 1);
    for (const batch of [detached, full]) {
      structuredClone(batch[field], { transfer: [batch[field].buffer as ArrayBuffer] });
    }
    assert.throws(() => seal(detached), RangeError, field);
    assert.equal(seal(createPacketBatch(4, 1000), full), 0, 'nothing fits');
  }

  const replaced = createPacketBatch(4, 1000);
  assert.equal(seal(replaced), 1);
  const before = dst.arena.slice(0, dst.used);
  Object.assign(replaced, { arena: new Uint8Array(1000).fill(7) });
  assert.equal(seal(replaced), 1);
  assert.notDeepEqual(dst.arena.slice(0, dst.used), before);
  one.close();
});

test('two threads use the binary at once', async () => {
  const workers = [1, 2].map(() => new Worker(new URL('../test/seal-worker.ts', import.meta.url)));
  const exits = await Promise.all(workers.map((worker) => new Promise((resolve) => worker.on('exit', resolve))));
  assert.deepEqual(exits, [0, 0]);
});

test('every call of the interface is in the binary', () => {
  const names: Record<keyof Native, true> = {
    bindBatch: true,
    ecdsaSign: true,
    ecdsaVerify: true,
    openvpnAeadCreate: true,
    openvpnAeadSeal: true,
    openvpnAeadOpen: true,
    openvpnAeadOpenTrain: true,
    segmentTrains: true,
    joinTrains: true,
    openvpnAeadClose: true,
    espCreate: true,
    espSeal: true,
    espOpen: true,
    espSealFramed: true,
    espOpenFramed: true,
    espClose: true,
    tlsCryptSeal: true,
    tlsCryptOpen: true,
    mppeCreate: true,
    mppeSeal: true,
    mppeOpenTrain: true,
    mppeSkip: true,
    mppeClose: true,
    aesGcmEngines: true,
    aesGcmSelfTest: true,
    aesGcm: true,
  };
  assert.deepEqual(Object.keys(native).sort(), Object.keys(names).sort());
});
