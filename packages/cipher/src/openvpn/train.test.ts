import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import fc from 'fast-check';
import { batchOf, contentsOf, packet, packetsOf, virtioBatchOf, virtioHeader } from '../../test/packets.ts';
import { arbitraryTraffic, byFlow } from '../../test/traffic.ts';
import {
  type AeadName,
  createOpenvpnAeadKey,
  createTrains,
  Join,
  OpenReport,
  type OpenvpnAeadKey,
  ReplayWindow,
} from '../index.ts';

const implementations = ['native', 'portable'] as const;
const ciphers: readonly AeadName[] = ['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'];
const implicitIv = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const HEADER = { v1: 0x30, v2: 0x48_00_00_07 } as const;

function create(
  implementation: 'native' | 'portable',
  cipher: AeadName = 'AES-256-GCM',
  format: 'v1' | 'v2' = 'v2',
): OpenvpnAeadKey {
  const key = Uint8Array.from({ length: cipher === 'AES-128-GCM' ? 16 : 32 }, (_, i) => i + 1);
  return createOpenvpnAeadKey({ cipher, key, implicitIv, format, implementation });
}

const stream = (count: number, size = 100): Buffer[] =>
  Array.from({ length: count }, (_, i) => packet({ id: i, seq: i * size, payload: new Uint8Array(size).fill(i) }));

/** A TSO packet of the kernel that stands for `stream(count, size)`. */
function superPacket(count: number, size = 100): PacketBatch {
  const payload = Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.alloc(size, i)));
  const whole = packet({ id: 0, seq: 0, payload, checksum: 'pseudo' });
  const header = virtioHeader({ flags: 1, gsoType: 1, gsoSize: size, csumStart: 20, csumOffset: 16, headerLength: 40 });
  return virtioBatchOf([{ header, packet: whole }]);
}

function sealed(packets: readonly Uint8Array[], from = 1): PacketBatch {
  const dst = createPacketBatch(packets.length, 1_000_000);
  create('native').seal(batchOf(packets), 0, dst, HEADER.v2, from);
  return dst;
}

function report(): Uint32Array {
  return new Uint32Array(OpenReport.words).fill(99);
}

for (const implementation of implementations) {
  test(`${implementation}: a super-packet leaves as sealed segments, one behind the other, with ids that count up`, () => {
    for (const cipher of ciphers) {
      for (const format of ['v1', 'v2'] as const) {
        const one = create(implementation, cipher, format);
        const dst = createPacketBatch(9, 10_000);
        assert.equal(one.seal(superPacket(3), 0, dst, HEADER[format], 7), 1);
        assert.deepEqual([...dst.tags.subarray(0, 3)], [100, 100, 100]);
        assert.equal(dst.offsets[1], dst.lengths[0]);
        assert.equal(dst.offsets[2], 2 * (dst.lengths[0] ?? 0));
        const opened = createPacketBatch(9, 10_000);
        create('portable', cipher, format).open(dst, 0, 3, opened);
        assert.deepEqual(packetsOf(opened), stream(3));
        assert.deepEqual([...opened.tags.subarray(0, 3)], [7, 8, 9]);
      }
    }
  });

  test(`${implementation}: a train of datagrams opens as the super-packet that was sealed`, () => {
    const [one, window, dst] = [
      create(implementation),
      new ReplayWindow(64),
      createPacketBatch(9, 100_000, { virtio: true }),
    ];
    const datagrams = createPacketBatch(64, 100_000);
    one.seal(superPacket(45, 1400), 0, datagrams, HEADER.v2, 1);
    const counts = report();
    assert.equal(one.openTrain(datagrams, 0, 45, dst, window, counts), 45);
    assert.deepEqual(packetsOf(dst), packetsOf(superPacket(45, 1400)));
    assert.equal(dst.tags[0], 100);
    assert.deepEqual([...counts], [45, 0, 0, 0, 45, 45 * 1440, 44, 0]);
    assert.equal(window.highest, 45);
  });

  test(`${implementation}: forged, replayed and short datagrams leave no trace but in the report`, () => {
    const good = sealed(stream(4));
    const all = packetsOf(good) as [Buffer, Buffer, Buffer, Buffer];
    const forged = Buffer.from(all[2]);
    forged[60] = (forged[60] ?? 0) ^ 1;
    const src = batchOf([all[0], all[1], forged, all[1], Buffer.alloc(23), Buffer.alloc(0), all[2], all[3]]);
    const dst = createPacketBatch(8, 10_000, { virtio: true });
    const counts = report();
    assert.equal(create(implementation).openTrain(src, 0, 8, dst, new ReplayWindow(64), counts), 8);
    assert.deepEqual([...counts], [4, 1, 1, 2, 4, 4 * 140, 3, 0]);
    assert.equal(dst.count, 1);
    const back = createPacketBatch(8, 10_000);
    createTrains().segment(dst, 0, back);
    assert.deepEqual(packetsOf(back), stream(4));
  });

  test(`${implementation}: no plaintext of a forged datagram is left`, () => {
    const payload = Buffer.alloc(100, 0x5a);
    for (const others of [stream(0), stream(3)]) {
      const src = sealed([...others, packet({ seq: others.length * 100, id: others.length, payload })]);
      src.arena[src.used - 1] = (src.arena[src.used - 1] ?? 0) ^ 1;
      const dst = createPacketBatch(8, 10_000, { virtio: true });
      create(implementation).openTrain(src, 0, src.count, dst, new ReplayWindow(64), report());
      assert.ok(!Buffer.from(dst.arena).includes(Buffer.alloc(8, 0x5a)));
    }
  });

  test(`${implementation}: a plain destination gets every packet single`, () => {
    const dst = createPacketBatch(8, 10_000);
    const counts = report();
    create(implementation).openTrain(sealed(stream(4)), 0, 4, dst, new ReplayWindow(64), counts);
    assert.deepEqual(packetsOf(dst), stream(4));
    assert.deepEqual([counts[OpenReport.packets], counts[OpenReport.joined]], [4, 0]);
  });

  test(`${implementation}: OpenVPN's own messages come out single and are told of; empty packets have no slot`, () => {
    const ping = Buffer.from('2a187bf3641eb4cb07ed2d0a981fc748', 'hex');
    const odd = sealed([stream(1)[0] as Buffer, ping, Buffer.of(0)]);
    const src = batchOf([...packetsOf(odd), emptyDatagram(9)]);
    const dst = createPacketBatch(8, 10_000, { virtio: true });
    const counts = report();
    create(implementation).openTrain(src, 0, 4, dst, new ReplayWindow(64), counts);
    assert.deepEqual(packetsOf(dst), [stream(1)[0], ping, Buffer.of(0)]);
    assert.deepEqual([...counts], [4, 0, 0, 0, 1, 140, 0, 2]);
  });

  test(`${implementation}: packets that seal passes over are counted and take no packet id`, () => {
    const one = create(implementation);
    const good = { header: virtioHeader(), packet: packet() };
    const malformed = { header: virtioHeader({ gsoType: 9 }), packet: packet() };
    const oversized = {
      header: virtioHeader({ gsoType: 1, gsoSize: 1 }),
      packet: packet({ payload: new Uint8Array(10) }),
    };
    const dst = createPacketBatch(9, 10_000);
    assert.equal(one.seal(virtioBatchOf([malformed, oversized, good]), 0, dst, HEADER.v2, 1), 3);
    assert.equal(dst.count, 1);
    assert.deepEqual({ ...one.skipped }, { malformed: 1, oversized: 1 });
    assert.throws(
      () => one.seal(virtioBatchOf([good]), 0, dst, HEADER.v2, 0xffff_fff9),
      RangeError,
      'eight slots, seven ids',
    );
    assert.equal(one.seal(virtioBatchOf([good]), 0, dst, HEADER.v2, 0xffff_fff8), 1);
  });

  test(`${implementation}: mistakes of the caller throw`, () => {
    const one = create(implementation);
    const [plain, virtio] = [createPacketBatch(2, 100), createPacketBatch(2, 100, { virtio: true })];
    const window = new ReplayWindow(64);
    assert.throws(() => one.seal(plain, 0, virtio, HEADER.v2, 1), TypeError);
    assert.throws(() => one.open(plain, 0, 0, virtio), TypeError);
    assert.throws(() => one.openTrain(virtio, 0, 0, plain, window, report()), TypeError);
    assert.throws(() => one.openTrain(plain, 0, 0, virtio, window, new Uint32Array(7)), TypeError);
    assert.throws(() => one.openTrain(plain, 0, 0, virtio, window, report(), 16), TypeError);
    assert.throws(() => one.openTrain(plain, 0, 1, virtio, window, report()), RangeError);
    one.close();
    const closed = { code: 'CULVERT_CIPHER_CLOSED' };
    assert.throws(() => one.openTrain(plain, 0, 0, virtio, window, report()), closed);
    assert.throws(() => one.seal(virtio, 0, plain, HEADER.v2, 1), closed);
  });
}

/** An empty packet that someone sealed: `seal` makes none. */
function emptyDatagram(id: number): Buffer {
  const start = Buffer.alloc(8);
  start.writeUInt32BE(HEADER.v2, 0);
  start.writeUInt32BE(id, 4);
  const key = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
  const cipher = createCipheriv('aes-256-gcm', key, Buffer.concat([start.subarray(4), implicitIv]));
  cipher.setAAD(start);
  cipher.final();
  return Buffer.concat([start, cipher.getAuthTag()]);
}

test('the native window is the portable one, in the same memory', () => {
  const jump = fc.constantFrom(1, 1, 1, 2, 31, 32, 33, 64, 1000, 0x7fff_0000);
  const move = fc.tuple(fc.constantFrom(true, true, false), jump, fc.nat({ max: 150 }));
  const plain = batchOf([Buffer.of(0)]);
  const [sealing, opening] = [create('native'), create('native')];
  fc.assert(
    fc.property(fc.constantFrom(1, 64, 100), fc.array(move, { maxLength: 60 }), (size, moves) => {
      const [native, portable] = [new ReplayWindow(size), new ReplayWindow(size)];
      for (const [onwards, by, back] of moves) {
        const id = onwards ? Math.min(0xffff_fffe, portable.highest + by) : Math.max(0, portable.highest - back);
        const datagram = createPacketBatch(1, 100);
        sealing.seal(plain, 0, datagram, HEADER.v2, id);
        const counts = report();
        opening.openTrain(datagram, 0, 1, createPacketBatch(1, 100), native, counts);
        assert.equal(counts[OpenReport.accepted] === 1, portable.accept(id), `${id}`);
        assert.deepEqual(native.state, portable.state);
      }
    }),
    { numRuns: 100 },
  );
});

/** What happens to a datagram on its way. */
const arbitraryWire = fc.array(
  fc.record({
    fate: fc.oneof(
      { weight: 12, arbitrary: fc.constant('arrives') },
      { weight: 3, arbitrary: fc.constantFrom('lost', 'twice', 'late', 'forged', 'cut') },
    ),
    at: fc.nat(),
  }),
  { minLength: 1, maxLength: 30 },
);

test('over a bad wire each flow gets what was accepted, byte for byte and in the order of arrival', () => {
  const arbitraryCall = fc.record({
    traffic: arbitraryTraffic,
    wire: arbitraryWire,
    cipher: fc.constantFrom(...ciphers),
    format: fc.constantFrom('v1', 'v2'),
    join: fc.constantFrom(Join.none, Join.tcp, Join.all),
    slots: fc.constantFrom(3, 100, 100),
    bytes: fc.constantFrom(2000, 40_000, 400_000),
  });
  fc.assert(
    fc.property(arbitraryCall, ({ traffic, wire, cipher, format, join, slots, bytes }) => {
      // From super-packets where the traffic has any: that is what a TUN device gives.
      const trains = createPacketBatch(traffic.packets.length, 1_000_000, { virtio: true });
      createTrains().join(batchOf(traffic.packets), 0, traffic.packets.length, trains, Join.all);
      const datagrams = implementations.map((implementation) => {
        const dst = createPacketBatch(traffic.packets.length, 200_000);
        assert.equal(create(implementation, cipher, format).seal(trains, 0, dst, HEADER[format], 1), trains.count);
        return dst;
      });
      assert.deepEqual(...(datagrams.map(contentsOf) as [unknown, unknown]));
      const arriving = batchOf(travel(packetsOf(datagrams[0] as PacketBatch), wire));

      const results = implementations.map((implementation) => {
        const dst = createPacketBatch(slots, bytes, { virtio: true });
        const window = new ReplayWindow(32);
        const counts = report();
        const next = create(implementation, cipher, format).openTrain(
          arriving,
          0,
          arriving.count,
          dst,
          window,
          counts,
          join,
        );
        return { next, dst, seen: { contents: contentsOf(dst), counts: [...counts], state: [...window.state] } };
      });
      assert.deepEqual(results[0]?.seen, results[1]?.seen);
      assert.equal(results[0]?.next, results[1]?.next);

      for (const { next, dst } of results) {
        const back = createPacketBatch(100, 200_000);
        assert.equal(createTrains().segment(dst, 0, back), dst.count);
        const plain = accepted(arriving, next, cipher, format);
        assert.deepEqual(byFlow(packetsOf(back), traffic.renumbered), byFlow(plain, traffic.renumbered));
      }
    }),
    { numRuns: 300 },
  );
});

function travel(datagrams: readonly Buffer[], wire: readonly { fate: string; at: number }[]): Buffer[] {
  const arriving: Buffer[] = [];
  const late: Buffer[] = [];
  datagrams.forEach((datagram, i) => {
    const { fate, at } = wire[i % wire.length] as { fate: string; at: number };
    const changed = Buffer.from(datagram);
    // Not the first byte: v1 leaves it to its caller.
    const byte = 1 + (at % (datagram.length - 1));
    if (fate === 'forged') changed[byte] = (changed[byte] ?? 0) ^ 0x10;
    if (fate === 'late') late.push(datagram);
    else if (fate !== 'lost') arriving.push(fate === 'cut' ? changed.subarray(0, at % datagram.length) : changed);
    if (fate === 'twice') arriving.push(datagram);
    if (at % 3 === 0) arriving.push(...late.splice(0));
  });
  return [...arriving, ...late];
}

/** What the first `count` datagrams hold, by `open` and a replay window in the portable implementation. */
function accepted(datagrams: PacketBatch, count: number, cipher: AeadName, format: 'v1' | 'v2'): Buffer[] {
  const dst = createPacketBatch(200, 400_000);
  create('portable', cipher, format).open(datagrams, 0, count, dst);
  const window = new ReplayWindow(32);
  return packetsOf(dst).filter((one, i) => window.accept(dst.tags[i] ?? 0) && one.length > 0);
}
