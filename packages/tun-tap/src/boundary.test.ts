import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enterFreshNamespace, hostileBytes, hostileNumber, hostileWords } from '@culvert/testkit';
import fc from 'fast-check';
import { createBatch, openTun, TunError } from './index.ts';
import { native } from './native.ts';

const skip = enterFreshNamespace();

const batch = fc.record({
  arena: hostileBytes,
  offsets: hostileWords(64),
  lengths: hostileWords(64),
  count: hostileNumber,
  used: hostileNumber,
  virtio: fc.boolean(),
});

/** Runs `act`: it may work, or refuse in one of the ways that the face names. That the process lives on is the point. */
function worksOrRefuses(act: () => unknown): 'works' | 'refuses' {
  try {
    act();
    return 'works';
  } catch (error) {
    assert.ok(error instanceof TypeError || error instanceof RangeError || error instanceof TunError, String(error));
    return 'refuses';
  }
}

for (const vnetHeader of [false, true])
  test(`no batch, however wrong, makes reading or writing do more than throw (virtio headers: ${vnetHeader})`, {
    skip,
  }, () => {
    using device = openTun({ vnetHeader, ...(vnetHeader && { offloads: 'best' }) });
    device.setUp();
    const seen = { works: 0, refuses: 0 };
    fc.assert(
      fc.property(batch, (wrong) => {
        seen[worksOrRefuses(() => device.writeBatch(wrong as never))]++;
        seen[worksOrRefuses(() => device.readBatch(wrong as never))]++;
      }),
      { numRuns: 3_000 },
    );
    assert.ok(seen.works > 100 && seen.refuses > 100, `both outcomes were reached (${JSON.stringify(seen)})`);
  });

test('an array that was replaced, detached or resized since the last call is looked at anew', { skip }, () => {
  using device = openTun();
  device.setUp();
  const memory = new ArrayBuffer(8_192, { maxByteLength: 8_192 });
  const sound = { ...createBatch(4, 0), arena: new Uint8Array(memory), count: 1 };
  const packet = Buffer.from('4500001400000000401126cb0a0900020a090001', 'hex');
  /** Writes a packet by way of the batch. */
  const write = (batch: typeof sound) => {
    batch.arena.set(packet);
    batch.lengths[0] = packet.length;
    return device.writeBatch(batch);
  };
  assert.equal(write(sound), 1);
  memory.resize(packet.length - 1);
  assert.throws(() => device.writeBatch(sound), RangeError);
  memory.resize(8_192);
  assert.equal(write(sound), 1);
  assert.throws(() => device.writeBatch({ ...sound, offsets: 'none' as never }), TypeError);
  assert.throws(() => device.writeBatch({ ...sound, lengths: undefined as never }), TypeError);
  assert.equal(write({ ...sound, arena: new Uint8Array(8_192) }), 1);
  assert.equal(write(sound), 1);
  memory.transfer();
  assert.throws(() => device.writeBatch(sound), RangeError);
});

test('packets outside of the arena are never written', { skip }, () => {
  using device = openTun();
  const arena = new Uint8Array(100);
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), fc.integer({ min: 1, max: 0xffff_ffff }), (offset, length) => {
      fc.pre(offset + length > arena.length);
      const wrong = { arena, offsets: Uint32Array.of(offset), lengths: Uint32Array.of(length), count: 1, used: 0 };
      assert.throws(() => device.writeBatch(wrong), RangeError);
    }),
  );
});

const anything = fc.array(fc.oneof(hostileNumber, hostileBytes, hostileWords(8)), { maxLength: 9 });
const calls = Object.entries(native)
  .filter(([name]) => !['openClone', 'adopt', 'release', 'close'].includes(name))
  .map(([name, call]) => ({ name, call: call as (...args: unknown[]) => unknown }));

test('the native functions take no descriptor but their own', { skip }, () => {
  const refuses = (error: unknown) => error instanceof TypeError || error instanceof RangeError;
  for (const { name, call } of calls) {
    fc.assert(
      // No device is open, so every number is somebody else's.
      fc.property(anything, (args) => assert.throws(() => call(...args), refuses, name)),
      { numRuns: 100 },
    );
  }
});

test('the native functions survive any arguments behind a good descriptor', { skip }, () => {
  using device = openTun();
  for (const { call } of calls) {
    fc.assert(
      fc.property(anything, (args) => {
        worksOrRefuses(() => call(device.fd, ...args));
      }),
      { numRuns: 100 },
    );
  }
});
