/** Two tunnels over a wire that loses, delays and doubles, in virtual time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { LossyLink, simulatedPath, VirtualClock } from '@culvert/testkit';
import { batchOf, frame, packetsOf, tunnel } from '../test/frames.ts';

/** A tunnel in the shape that the simulated wire knows: a packet a datagram. */
function end(clock: VirtualClock, peerWindow: number) {
  const { machine, given, numbers } = tunnel({ peerWindow });
  const out: Uint8Array[] = [];
  return {
    machine,
    given,
    numbers,
    send: (frames: readonly number[]) => {
      const batch = batchOf(frames.map(frame));
      machine.limit(batch, 0, clock.now());
      machine.wrap(batch, 0, clock.now());
      out.push(...packetsOf(batch));
    },
    handleDatagram: (datagram: Uint8Array, _: unknown, now: Instant) => {
      const batch = batchOf([datagram], 0);
      machine.handleBatch(batch, 0, batch.count, now);
    },
    handleTimeout: (now: Instant) => machine.handleTimeout(now),
    pollTransmit: () => {
      const datagram = out.shift() ?? machine.pollTransmit()?.slice();
      return datagram && { datagram, path: simulatedPath(0) };
    },
    pollEvent: () => undefined,
    pollTimeout: () => machine.pollTimeout(),
  };
}

function run(seed: number, wire: ConstructorParameters<typeof LossyLink>[2], peerWindow = 8_192) {
  const clock = new VirtualClock();
  const [a, b] = [end(clock, peerWindow), end(clock, peerWindow)];
  const link = new LossyLink(a, b, { ...wire, seed, clock });
  for (let n = 0; n < 2_000; n++) {
    a.send([n]);
    if (n % 3 === 0) b.send([n]);
    link.advance(2);
  }
  link.settle(60_000);
  return { a, b, link };
}

for (const seed of [1, 2, 3, 5, 8]) {
  test(`frames come in order and once over a wire that loses a tenth and reorders a tenth (seed ${seed})`, () => {
    const { a, b, link } = run(seed, { latency: 5, jitter: 4, drop: 0.1, duplicate: 0.05, reorder: 0.1 });
    for (const [from, to, sent] of [
      [a, b, 2_000],
      [b, a, 667],
    ] as const) {
      const numbers = to.numbers();
      assert.deepEqual(
        numbers,
        [...new Set(numbers)].sort((x, y) => x - y),
      );
      assert.ok(
        numbers.length > 0.87 * sent,
        `${numbers.length} of ${sent}: hardly more is missing than the wire lost`,
      );
      assert.ok(to.machine.stats.reordered > 0.05 * sent, 'the wire was bad enough to matter');
      assert.ok(from.machine.window.roundTrip !== undefined && from.machine.window.roundTrip > 10);
    }
    assert.ok(link.stats.dropped > 100);
    assert.equal(a.pollTimeout(), undefined, 'when all is quiet nobody waits for anything');
  });
}

test('a good wire loses nothing, and nothing waits', () => {
  const { a, b } = run(1, { latency: 5 });
  assert.deepEqual([b.numbers().length, a.numbers().length], [2_000, 667]);
  const { reordered, lost, late } = b.machine.stats;
  assert.deepEqual([reordered, lost, late], [0, 0, 0]);
});

test('a wire on which no acknowledgement comes back limits nothing', () => {
  const clock = new VirtualClock();
  const [a, b] = [end(clock, 3), { ...end(clock, 3), pollTransmit: () => undefined }];
  const link = new LossyLink(a, b, { latency: 5, clock });
  for (let n = 0; n < 3_000; n++) {
    a.send([n]);
    link.advance(10);
  }
  link.settle(1_000);
  assert.equal(b.numbers().length, 3_000);
});

test('a peer that tells a small window gets all that it keeps up with, once that is known', () => {
  const { a, b } = run(1, { latency: 40 }, 3);
  const [toA, toB] = [a.numbers(), b.numbers()];
  assert.equal(toA.length, 667);
  assert.equal(toB.length, 2_000 - a.machine.stats.windowFull);
  assert.ok(a.machine.stats.windowFull < 100, `${a.machine.stats.windowFull} were not sent`);
  assert.deepEqual(
    toB.slice(-1_500),
    Array.from({ length: 1_500 }, (_, n) => n + 500),
  );
});

test('damaged headers cost little more than the packets that they are of', () => {
  const { b } = run(4, { latency: 5, jitter: 2, corrupt: 0.3 });
  assert.ok(b.given.length > 1_200, `${b.given.length} of 2000`);
  assert.ok(b.machine.stats.malformed + b.machine.stats.far + b.machine.stats.late > 50);
});
