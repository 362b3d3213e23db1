import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { VirtualClock } from '@culvert/testkit';
import * as fc from 'fast-check';
import { captured, gre } from '../test/capture.ts';
import { batchOf, frame, numberOf, packetsOf, tunnel, wrapped } from '../test/frames.ts';

const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex');
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** Hands packets to a tunnel, all in one batch. */
function deliver({ machine }: ReturnType<typeof tunnel>, packets: readonly Uint8Array[], now: Instant): void {
  const batch = batchOf(packets, 0);
  machine.handleBatch(batch, 0, batch.count, now);
}

function setUp(options: Parameters<typeof tunnel>[0] = {}) {
  const clock = new VirtualClock();
  const receiver = tunnel(options);
  const sender = tunnel();
  return {
    clock,
    receiver,
    /** Packets 0 to 199 of one sender. */
    packets: wrapped(sender.machine, range(0, 200), clock.now()),
    deliver: (...packets: (Uint8Array | undefined)[]) =>
      deliver(
        receiver,
        packets.filter((packet) => packet !== undefined),
        clock.now(),
      ),
    pass: (time: number) => receiver.machine.handleTimeout(clock.advance(time)),
  };
}

test("a real session's packets are taken, and its frames given as they lay in them", () => {
  const { deliver, receiver } = setUp();
  deliver(gre.first, gre.ackAlone, gre.last);
  receiver.machine.handleTimeout(2_000_000 as Instant);
  assert.deepEqual(receiver.given.map(hex), [hex(gre.first).slice(24), hex(gre.last).slice(24)]);
});

test('what we write is, byte for byte, what pptpd and pptp-linux wrote', () => {
  const clock = new VirtualClock();
  // pptpd's end: it has sent sequence 0, received 1, and answers with both.
  const server = tunnel({ peerCallId: captured.client });
  wrapped(server.machine, [0], clock.now());
  deliver(server, [gre.first], clock.now());
  const batch = batchOf([gre.withAck.subarray(16)]);
  server.machine.wrap(batch, 0, clock.now());
  assert.deepEqual(packetsOf(batch).map(hex), [hex(gre.withAck)]);
  // pptp-linux's end: nothing else to send, so the acknowledgement leaves alone.
  const client = tunnel({ peerCallId: captured.server });
  const seventh = gre.last.slice();
  seventh[11] = 7;
  deliver(client, [seventh], clock.now());
  assert.equal(client.machine.pollTransmit(), undefined, 'it waits for data to go with');
  client.machine.handleTimeout(clock.advance(100));
  assert.equal(hex(client.machine.pollTransmit()), hex(gre.ackAlone));
  assert.equal(client.machine.pollTransmit(), undefined, 'once');
});

test('frames that come in order are given at once, in one run', () => {
  const runs: number[] = [];
  const { deliver, packets } = setUp({ onFrames: (_, __, count) => void runs.push(count) });
  deliver(...packets);
  assert.deepEqual(runs, [200]);
});

test('any first sequence number is taken, and numbers go round the end', () => {
  for (const first of [0, 1, 7, 0x7fff_fffe, 0xffff_fff0]) {
    const { deliver, receiver, packets } = setUp();
    const renumbered = packets.slice(0, 40).map((packet, n) => {
      new DataView(packet.buffer).setUint32(8, first + n);
      return packet;
    });
    deliver(...renumbered);
    assert.deepEqual(receiver.numbers(), range(0, 40));
  }
});

test('a frame that comes too early waits for those before it, also in the same batch', () => {
  const { deliver, receiver, packets } = setUp();
  deliver(packets[0], packets[2], packets[3]);
  assert.deepEqual(receiver.numbers(), [0]);
  deliver(packets[1]);
  deliver(packets[6], packets[5], packets[4], packets[7]);
  assert.deepEqual(receiver.numbers(), range(0, 8));
  assert.equal(receiver.machine.stats.reordered, 4);
  assert.equal(receiver.machine.stats.lost, 0);
});

test('it waits no longer than its time; what comes after that is late and dropped', () => {
  const { deliver, receiver, packets, pass } = setUp({ reorderWait: 40 });
  deliver(packets[0], packets[2], packets[4]);
  pass(39);
  assert.deepEqual(receiver.numbers(), [0]);
  pass(1);
  assert.deepEqual(receiver.numbers(), [0, 2, 4]);
  deliver(packets[1], packets[3], packets[4], packets[5]);
  assert.deepEqual(receiver.numbers(), [0, 2, 4, 5]);
  const { lost, late } = receiver.machine.stats;
  assert.deepEqual([lost, late], [2, 3]);
});

test('a gap that never fills holds no more than its places', () => {
  const { deliver, receiver, packets } = setUp();
  deliver(packets[0], ...packets.slice(2, 65));
  assert.deepEqual(receiver.numbers(), [0]);
  deliver(packets[65]);
  assert.deepEqual(receiver.numbers(), [0, ...range(2, 66)]);
});

test('a jump is taken for loss once a second packet goes on from there; a single one harms nothing', () => {
  const { deliver, receiver, packets } = setUp();
  const far = (by: number) => {
    const packet = packets[1]?.slice() ?? new Uint8Array(20);
    new DataView(packet.buffer).setUint32(8, by);
    return packet;
  };
  deliver(packets[0], far(0x1000_0000), packets[1], far(0x2000_0000), packets[2]);
  assert.deepEqual([receiver.numbers(), receiver.machine.stats.far], [[0, 1, 2], 2]);
  deliver(far(3_000), far(3_001), far(3_002));
  assert.equal(receiver.given.length, 5);
  assert.deepEqual([receiver.machine.stats.far, receiver.machine.stats.lost], [3, 2_998]);
});

test('one packet twice is one frame', () => {
  const { deliver, receiver, packets, pass } = setUp();
  deliver(packets[0], packets[0], packets[2], packets[2], packets[1], packets[2]);
  pass(1_000);
  assert.deepEqual(receiver.numbers(), [0, 1, 2]);
  assert.deepEqual([receiver.machine.stats.late, receiver.machine.stats.duplicates], [2, 1]);
});

test('with no time to wait, order is what comes first', () => {
  const { deliver, receiver, packets } = setUp({ reorderWait: 0 });
  deliver(packets[0], packets[2], packets[1], packets[3]);
  assert.deepEqual(receiver.numbers(), [0, 2, 3]);
});

test('whatever happens on the way, frames are given in order, once, and unharmed', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(199), { maxLength: 300 }),
      fc.integer({ min: 1, max: 40 }),
      fc.nat(),
      (order, size, seed) => {
        const { deliver, receiver, packets, pass } = setUp();
        for (let at = 0; at < order.length; at += size) {
          deliver(...order.slice(at, at + size).map((n) => packets[n]));
          if ((seed + at) % 3 === 0) pass(15);
        }
        pass(1_000);
        const numbers = receiver.numbers();
        assert.deepEqual(
          numbers,
          [...new Set(numbers)].sort((a, b) => a - b),
        );
        assert.deepEqual(receiver.given.map(hex), numbers.map(frame).map(hex));
        assert.equal(receiver.machine.pollTimeout() === undefined || receiver.given.length > 0, true);
      },
    ),
  );
});

test('acknowledgements ride on data; a stream one way is acknowledged every 32 packets at the latest', () => {
  const { deliver, receiver, packets, clock } = setUp();
  deliver(...packets.slice(0, 31));
  assert.equal(receiver.machine.pollTransmit(), undefined);
  const [first, second] = wrapped(receiver.machine, [0, 1], clock.now());
  assert.deepEqual([first?.[1], second?.[1]], [0x81, 0x01]);
  assert.equal(new DataView(first?.buffer ?? new ArrayBuffer(16)).getUint32(12), 30);
  assert.equal(receiver.machine.pollTimeout(), undefined, 'nothing is left to acknowledge');
  deliver(...packets.slice(31, 63));
  assert.equal(new DataView(receiver.machine.pollTransmit()?.buffer ?? new ArrayBuffer(12)).getUint32(8), 62);
});

test('missing acknowledgements hold nothing up, whatever window the peer told', () => {
  const clock = new VirtualClock();
  const { machine } = tunnel({ peerWindow: 1 });
  assert.equal(wrapped(machine, range(0, 1_000), clock.now()).length, 1_000);
});

test('what a peer that acknowledges does not keep up with is dropped, until it does or its acknowledgements stay away', () => {
  const clock = new VirtualClock();
  const { machine } = tunnel({ peerWindow: 3 });
  wrapped(machine, [0], clock.now());
  machine.window.acknowledged(0, clock.advance(5));
  const sent = (count: number) => {
    const batch = batchOf(range(0, count).map(frame));
    machine.limit(batch, 0, clock.now());
    machine.wrap(batch, 0, clock.now());
    return batch.count;
  };
  const first = machine.window.window;
  assert.deepEqual([sent(first + 20), sent(1)], [first, 0]);
  assert.equal(machine.stats.windowFull, 21);
  clock.advance(1_000);
  assert.equal(sent(500), 500, 'no acknowledgement came: none is waited for');
  assert.equal(machine.window.timeouts, 1);
});

test('malformed packets are counted, and harm nothing', () => {
  const { deliver, receiver, packets } = setUp();
  const [good = new Uint8Array()] = packets;
  const spoilt: Uint8Array[] = [
    ...range(0, 12).map((length) => good.subarray(0, length)),
    good.with(0, 0xb0), // C
    good.with(0, 0x70), // R
    good.with(0, 0x38), // s
    good.with(0, 0x31), // recursion
    good.with(0, 0x10), // no K
    good.with(1, 0x02), // version 2
    good.with(1, 0x09), // a reserved flag
    good.with(2, 0x08), // another protocol
    good.with(5, 200), // longer than it is
    good.with(1, 0x81), // its last bytes would have to be an acknowledgement
    good.with(5, 0).subarray(0, 12), // sequenced, and empty
  ];
  for (const packet of spoilt) deliver(packet);
  assert.equal(receiver.machine.stats.malformed, spoilt.length);
  deliver(good);
  assert.deepEqual(receiver.numbers(), [0]);
});

test('padding behind the payload is not part of the frame', () => {
  const { deliver, receiver, packets } = setUp();
  const [packet = new Uint8Array()] = packets;
  deliver(Uint8Array.of(...packet, 1, 2, 3));
  assert.equal(hex(receiver.given[0]), hex(frame(0)));
});

test('a frame longer than a place is not held: it goes on, and what it overtook is late', () => {
  const { deliver, receiver, packets } = setUp({ longestFrame: 10 });
  const long = packets.findIndex((packet, n) => n > 3 && packet.length > 40);
  deliver(packets[0], packets[long]);
  assert.deepEqual(receiver.given.map(numberOf), [0, long]);
  assert.equal(receiver.machine.stats.lost, long - 1);
});

test('a wait longer than RFC peers bear is the caller’s fault', () => {
  for (const reorderWait of [-1, 301, Number.NaN]) assert.throws(() => tunnel({ reorderWait }), RangeError);
});
