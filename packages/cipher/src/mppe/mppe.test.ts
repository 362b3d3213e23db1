import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import fc from 'fast-check';
import { MppePeer } from '../../test/mppe-peer.ts';
import { batchOf, contentsOf, packet, packetsOf, virtioBatchOf, virtioHeader } from '../../test/packets.ts';
import { arbitraryTraffic, byFlow } from '../../test/traffic.ts';
import {
  createMppeKey,
  createTrains,
  Join,
  type MppeFraming,
  type MppeKey,
  MppeReport,
  type MppeStrength,
  mostSkipped,
  mppeKeyLength,
  mppeOverhead,
} from '../index.ts';
import { Rc4 } from './portable-rc4.ts';
import { initialSessionKey } from './portable-session-key.ts';

const implementations = ['native', 'portable'] as const;
type Implementation = (typeof implementations)[number];
const strengths: readonly MppeStrength[] = [128, 56, 40];
const full: MppeFraming = { acfc: false, pfc: false, headroom: 0 };
/** RFC 3079, section 3.5: the start key of all three examples. */
const START = Buffer.from('8B7CDC149B993A1BA118CB153F56DCCB', 'hex');

function create(implementation: Implementation, strength: MppeStrength = 128, framing: MppeFraming = full): MppeKey {
  const startKey = START.subarray(0, mppeKeyLength(strength));
  return createMppeKey({ strength, startKey, framing, implementation });
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

/** A peer whose start key is the RFC's. */
class Peer extends MppePeer {
  constructor(strength: MppeStrength = 128) {
    super(START.subarray(0, mppeKeyLength(strength)), strength);
  }
}

interface Opened {
  readonly next: number;
  readonly packets: Buffer[];
  readonly report: number[];
}

function open(key: MppeKey, frames: readonly Uint8Array[], dst = createPacketBatch(64, 200_000)): Opened {
  const report = new Uint32Array(MppeReport.words).fill(99);
  const next = key.openTrain(batchOf(frames), 0, frames.length, dst, report);
  return { next, packets: packetsOf(dst), report: [...report] };
}

/** accepted, unencrypted, late, garbled, missing */
const fates = ({ report }: Opened): number[] => report.slice(0, 5);

test('session keys are those of RFC 3079, section 3.5', () => {
  const vectors = [
    [40, 'd1269ec49fa62e3e', '929137917e5803d668d75898'],
    [56, 'd15c00c49fa62e3e', '3f106833fa448da842bc57b8'],
    [128, '405cb2247a7956e6e211007ae27b22d4', '81848317df68846272fb5abe'],
  ] as const;
  for (const [strength, session, sealed] of vectors) {
    const key = initialSessionKey(START.subarray(0, mppeKeyLength(strength)), strength);
    assert.equal(Buffer.from(key).toString('hex'), session);
    const message = Buffer.from('test message');
    new Rc4(key).crypt(message);
    assert.equal(message.toString('hex'), sealed);
  }
});

test('RC4 is that of RFC 6229', () => {
  const data = Buffer.alloc(32);
  new Rc4(Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex')).crypt(data);
  assert.equal(data.toString('hex'), '9ac7cc9a609d1ef7b2932899cde41b975248c4959014126a6e8a84f11d1a9e1c');
});

for (const implementation of implementations) {
  test(`${implementation}: frames are as RFC 3078 draws them, with a new key each`, () => {
    const packets = [packet({ payload: Buffer.from('one') }), packet({ version: 6, payload: Buffer.from('two') })];
    for (const strength of strengths) {
      for (const [acfc, pfc, head] of [
        [false, false, 'ff0300fd'],
        [true, false, '00fd'],
        [false, true, 'ff03fd'],
        [true, true, 'fd'],
      ] as const) {
        const framing = { acfc, pfc, headroom: 3 };
        const dst = createPacketBatch(4, 1000);
        dst.arena.fill(0xee);
        assert.equal(create(implementation, strength, framing).seal(batchOf(packets), 0, dst), 2);
        const peer = new Peer(strength);
        const expected = packets.map((one, i) => peer.frame(one, { head, protocol: i === 0 ? '0021' : '0057' }));
        assert.deepEqual(
          packetsOf(dst),
          expected.map((one) => Buffer.concat([Buffer.alloc(3), one])),
        );
        assert.equal((dst.lengths[0] ?? 0) - (packets[0]?.length ?? 0), mppeOverhead(framing));
        assert.deepEqual([...dst.tags.subarray(0, 2)], [100, 101]);
      }
    }
  });

  test(`${implementation}: frames of a peer open in every framing, with a protocol field of one or two bytes`, () => {
    for (const strength of strengths) {
      const peer = new Peer(strength);
      const one = packet({ payload: Buffer.alloc(50, 1) });
      const six = packet({ version: 6, payload: Buffer.alloc(51, 2) });
      const frames = [
        peer.frame(one),
        peer.frame(one, { head: '00fd', protocol: '21' }),
        peer.frame(six, { head: 'ff03fd', protocol: '0057' }),
        peer.frame(six, { head: 'fd', protocol: '57' }),
        peer.frame(one, { bits: 0xf000 }),
      ];
      const opened = open(create(implementation, strength), frames);
      assert.deepEqual(opened.packets, [one, one, six, six, one]);
      assert.deepEqual(opened.report, [5, 0, 0, 0, 0, 5, 3 * 90 + 2 * 111, 0, 0]);
    }
  });

  test(`${implementation}: a super-packet leaves as sealed segments and opens as the super-packet that it was`, () => {
    const datagrams = createPacketBatch(64, 200_000);
    assert.equal(create(implementation).seal(superPacket(45, 1400), 0, datagrams), 1);
    assert.equal(datagrams.count, 45);
    const dst = createPacketBatch(9, 100_000, { virtio: true });
    const opened = open(create(implementation), packetsOf(datagrams), dst);
    assert.deepEqual(opened.packets, packetsOf(superPacket(45, 1400)));
    assert.deepEqual(opened.report, [45, 0, 0, 0, 0, 45, 45 * 1440, 44, 0]);
    assert.equal(dst.tags[0], 100);
  });

  test(`${implementation}: the counts go round, and the key goes on`, () => {
    const [sealing, opening] = [create(implementation), create(implementation)];
    const dst = createPacketBatch(64, 20_000);
    for (let round = 0; round < 70; round++) {
      dst.count = dst.used = 0;
      sealing.seal(batchOf(stream(64, 1)), 0, dst);
      if (round % 10 === 9)
        assert.deepEqual(fates(open(opening, packetsOf(dst))), [64, 0, 0, 0, round === 9 ? 576 : 576]);
    }
  });

  test(`${implementation}: a gap is caught up with, to half of the counts, and nothing but that`, () => {
    const one = packet();
    const after = (lost: number) => {
      const key = create(implementation);
      const peer = new Peer();
      assert.deepEqual(fates(open(key, [peer.frame(one)])), [1, 0, 0, 0, 0]);
      return fates(open(key, [peer.skip(lost).frame(one)]));
    };
    assert.deepEqual(after(1), [1, 0, 0, 0, 1]);
    assert.deepEqual(after(2047), [1, 0, 0, 0, 2047]);
    assert.deepEqual(after(2048), [0, 0, 1, 0, 0], 'half of the counts ahead is as good as behind');
    assert.deepEqual(after(4095), [0, 0, 1, 0, 0], 'the same count again');
  });

  test(`${implementation}: repeated and late frames are dropped and leave the key alone`, () => {
    const peer = new Peer();
    const frames = stream(6).map((one) => peer.frame(one)) as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
    const key = create(implementation);
    const order = [frames[0], frames[0], frames[2], frames[1], frames[2], frames[3], frames[5], frames[4]];
    const opened = open(key, order);
    assert.deepEqual(fates(opened), [4, 0, 4, 0, 2]);
    assert.deepEqual(
      opened.packets,
      [0, 2, 3, 5].map((i) => stream(6)[i]),
    );
    assert.deepEqual(fates(open(key, [peer.frame(packet())])), [1, 0, 0, 0, 0]);
  });

  test(`${implementation}: a forged frame, how far ahead it may be, does not move the key`, () => {
    const peer = new Peer();
    const key = create(implementation);
    const forged = (count: number, size = 60) => {
      const frame = Buffer.alloc(size, 0xa5);
      frame.set([0xff, 0x03, 0x00, 0xfd, 0x90 | (count >> 8), count & 0xff]);
      return frame;
    };
    assert.deepEqual(
      fates(open(key, [forged(0), peer.frame(packet()), forged(1), forged(2000), peer.frame(packet())])),
      [...[2, 0, 0, 3, 0]],
    );
    assert.deepEqual(fates(open(key, [peer.frame(packet())])), [1, 0, 0, 0, 0]);
  });

  test(`${implementation}: key changes that a call spends are bounded, and come back with the next call`, () => {
    const peer = new Peer();
    const key = create(implementation);
    const forged = Buffer.alloc(60);
    forged.set([0xff, 0x03, 0x00, 0xfd, 0x97, 0xff]); // count 2047: 2048 ahead
    const right = [1, 2, 3].map((n) => peer.frame(packet({ id: n })));
    const opened = open(key, [forged, forged, forged, ...right]);
    assert.deepEqual(fates(opened), [3, 0, 2, 1, 0]);
    assert.deepEqual(fates(open(key, [peer.skip(2000).frame(packet())])), [1, 0, 0, 0, 2000]);
  });

  test(`${implementation}: what is not MPPE's, stateful, cut short or of another protocol is dropped and told of`, () => {
    const one = packet();
    const odd = [
      Buffer.alloc(0),
      Buffer.of(0xff),
      Buffer.of(0xff, 0x03),
      Buffer.of(0x00),
      Buffer.of(0xfd),
      Buffer.of(0xff, 0x03, 0x00, 0xfd, 0x90),
      Buffer.of(0xff, 0x03, 0x00, 0xfd, 0x90, 0x00),
      Buffer.concat([Buffer.from('ff030021', 'hex'), one]), // in the clear
      Buffer.concat([Buffer.from('21', 'hex'), one]),
      new Peer().frame(one, { bits: 0x1000 }), // not flushed: stateful
      new Peer().frame(one, { bits: 0x8000 }), // not encrypted
      new Peer().frame(one, { head: 'ff0380fd' }),
    ];
    const key = create(implementation);
    assert.deepEqual(fates(open(key, odd)), [0, odd.length, 0, 0, 0]);
    const garbled = [
      new Peer().frame(one, { protocol: '002d' }),
      new Peer().frame(one, { protocol: '8021' }),
      new Peer().frame(one, { protocol: '0121' }),
      new Peer().frame(one, { protocol: '0057' }),
      new Peer().frame(one, { protocol: '57' }),
      new Peer().frame(packet({ version: 6 })),
      new Peer().frame(new Uint8Array(0), { protocol: '21' }),
      new Peer().frame(new Uint8Array(0), { protocol: '0021' }),
      new Peer().frame(new Uint8Array(0), { protocol: '00' }),
      new Peer().frame(one.subarray(0, 19)),
      new Peer().frame(one.subarray(0, one.length - 1)),
      new Peer().frame(packet({ version: 6 }).subarray(0, 59), { protocol: '0057' }),
      new Peer().frame(packet({ version: 6 }).subarray(0, 39), { protocol: '0057' }),
    ];
    assert.deepEqual(fates(open(key, garbled)), [0, 0, 0, garbled.length, 0]);
    assert.deepEqual(fates(open(key, [new Peer().frame(one)])), [1, 0, 0, 0, 0], 'and the key is where it was');
  });

  test(`${implementation}: packets longer than any link's are sealed and opened too`, () => {
    const sizes = [3000, 1, 2040, 2047, 9000, 60_000, 10, 2100];
    const packets = sizes.map((size, i) => packet({ id: i, sourcePort: i, payload: Buffer.alloc(size, i) }));
    const dst = createPacketBatch(8, 100_000);
    create(implementation).seal(batchOf(packets), 0, dst);
    assert.deepEqual(open(create(implementation), packetsOf(dst)).packets, packets);
  });

  test(`${implementation}: a full batch stops the work where it can go on, and the key with it`, () => {
    const packets = stream(9);
    const src = batchOf(packets);
    const sealing = create(implementation);
    const fewSlots = createPacketBatch(2, 10_000);
    assert.equal(sealing.seal(src, 0, fewSlots), 2);
    const fewBytes = createPacketBatch(10, 3 * 148 + 147);
    assert.equal(sealing.seal(src, 2, fewBytes), 5);
    const rest = createPacketBatch(10, 10_000);
    assert.equal(sealing.seal(src, 5, rest), 9);

    const frames = [fewSlots, fewBytes, rest].flatMap(packetsOf);
    const opening = create(implementation);
    const all = batchOf(frames);
    const opened: Buffer[] = [];
    for (let at = 0; at < 9; ) {
      const dst = createPacketBatch(2, 400);
      const next = opening.openTrain(all, at, 9 - at, dst, new Uint32Array(MppeReport.words));
      assert.equal(next, Math.min(9, at + 2));
      opened.push(...packetsOf(dst));
      at = next;
    }
    assert.deepEqual(opened, packets);
  });

  test(`${implementation}: what seal passes over is counted and takes no count`, () => {
    const good = { header: virtioHeader(), packet: packet() };
    const malformed = { header: virtioHeader({ gsoType: 9 }), packet: packet() };
    const noIp = { header: virtioHeader(), packet: Buffer.of(0x20, 1, 2) };
    const oversized = {
      header: virtioHeader({ gsoType: 1, gsoSize: 1 }),
      packet: packet({ payload: new Uint8Array(10) }),
    };
    const key = create(implementation);
    const dst = createPacketBatch(9, 10_000);
    assert.equal(key.seal(virtioBatchOf([malformed, noIp, oversized, good]), 0, dst), 4);
    assert.equal(key.seal(batchOf([Buffer.of(0x20), Buffer.alloc(0), packet()]), 0, dst), 3);
    assert.deepEqual({ ...key.skipped }, { malformed: 3, oversized: 1 });
    assert.deepEqual(fates(open(create(implementation), packetsOf(dst))), [2, 0, 0, 0, 0]);
  });

  test(`${implementation}: mistakes of the caller throw and change nothing; a closed key works no more`, () => {
    const key = create(implementation);
    const [plain, virtio] = [createPacketBatch(2, 200), createPacketBatch(2, 200, { virtio: true })];
    const words = new Uint32Array(MppeReport.words);
    assert.throws(() => key.seal(plain, 0, virtio), TypeError);
    assert.throws(() => key.seal(plain, 1, createPacketBatch(1, 100)), RangeError);
    assert.throws(() => key.seal(plain, 0, plain), TypeError);
    assert.throws(() => key.openTrain(virtio, 0, 0, plain, words), TypeError);
    assert.throws(() => key.openTrain(plain, 0, 0, virtio, words.subarray(1)), TypeError);
    assert.throws(() => key.openTrain(plain, 0, 0, virtio, words, 16), TypeError);
    assert.throws(() => key.openTrain(plain, 0, 1, virtio, words), RangeError);
    const outside = batchOf([packet(), packet()]);
    outside.offsets[1] = outside.arena.length - 39;
    const dst = createPacketBatch(4, 1000);
    assert.throws(() => key.seal(outside, 0, dst), RangeError);
    assert.throws(() => key.openTrain(outside, 0, 2, dst, words), RangeError);
    assert.deepEqual([dst.count, dst.used], [0, 0]);
    key.seal(batchOf([packet()]), 0, dst);
    assert.deepEqual(packetsOf(dst), [new Peer().frame(packet())], 'the key did not move');
    key.close();
    key.close();
    const closed = { name: 'CipherError', code: 'CULVERT_CIPHER_CLOSED' };
    assert.throws(() => key.seal(plain, 0, dst), closed);
    assert.throws(() => key.openTrain(plain, 0, 0, virtio, words), closed);
  });
}

test('a key that cannot be is refused', () => {
  const good = { strength: 128, startKey: new Uint8Array(16), framing: full } as const;
  assert.throws(() => createMppeKey({ ...good, strength: 64 as 128 }), TypeError);
  assert.throws(() => createMppeKey({ ...good, strength: 40 }), TypeError);
  assert.throws(() => createMppeKey({ ...good, startKey: new Uint8Array(8) }), TypeError);
  assert.throws(() => createMppeKey({ ...good, framing: { ...full, headroom: 65 } }), TypeError);
  assert.throws(() => createMppeKey({ ...good, framing: { ...full, headroom: 1.5 } }), TypeError);
  assert.equal(createMppeKey(good).implementation, 'native');
});

test('both implementations seal the same, byte for byte and slot for slot', () => {
  const arbitraryCall = fc.record({
    strength: fc.constantFrom(...strengths),
    framing: fc.record({ acfc: fc.boolean(), pfc: fc.boolean(), headroom: fc.constantFrom(0, 12, 16, 64) }),
    packets: fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        fc.nat({ max: 1500 }).map((size) => packet({ payload: new Uint8Array(size).fill(size) })),
      ),
      { maxLength: 12 },
    ),
    slots: fc.nat({ max: 14 }),
    bytes: fc.integer({ min: 0, max: 9000 }),
  });
  fc.assert(
    fc.property(arbitraryCall, ({ strength, framing, packets, slots, bytes }) => {
      const src = batchOf(packets);
      const results = implementations.map((implementation) => {
        const key = create(implementation, strength, framing);
        const [dst, rest] = [createPacketBatch(slots, bytes), createPacketBatch(20, 50_000)];
        const next = key.seal(src, 0, dst);
        key.seal(src, next, rest);
        return { next, dst: contentsOf(dst), rest: contentsOf(rest), skipped: { ...key.skipped } };
      });
      assert.deepEqual(results[0], results[1]);
    }),
    { numRuns: 200 },
  );
});

/** What happens to a frame on its way. */
const arbitraryWire = fc.array(
  fc.record({
    fate: fc.oneof(
      { weight: 12, arbitrary: fc.constant('arrives') },
      { weight: 4, arbitrary: fc.constantFrom('lost', 'twice', 'late', 'forged', 'cut', 'far') },
    ),
    at: fc.nat(),
  }),
  { minLength: 1, maxLength: 30 },
);

test('over a bad wire both implementations take the same frames, and each flow its packets in order, byte for byte', () => {
  const arbitraryCall = fc.record({
    traffic: arbitraryTraffic,
    wire: arbitraryWire,
    strength: fc.constantFrom(...strengths),
    join: fc.constantFrom(Join.none, Join.tcp, Join.all),
    virtio: fc.constantFrom(true, true, false),
    slots: fc.constantFrom(3, 100, 100),
    bytes: fc.constantFrom(2000, 40_000, 400_000),
  });
  fc.assert(
    fc.property(arbitraryCall, ({ traffic, wire, strength, join, virtio, slots, bytes }) => {
      const trains = createPacketBatch(traffic.packets.length, 1_000_000, { virtio: true });
      createTrains().join(batchOf(traffic.packets), 0, traffic.packets.length, trains, Join.all);
      const sealed = implementations.map((implementation) => {
        const dst = createPacketBatch(traffic.packets.length, 200_000);
        assert.equal(create(implementation, strength).seal(trains, 0, dst), trains.count);
        return dst;
      });
      assert.deepEqual(...(sealed.map(contentsOf) as [unknown, unknown]));
      const arriving = batchOf(travel(packetsOf(sealed[0] as PacketBatch), wire));

      const results = implementations.map((implementation) => {
        const key = create(implementation, strength);
        const dst = createPacketBatch(slots, bytes, { virtio });
        const report = new Uint32Array(MppeReport.words);
        const next = key.openTrain(arriving, 0, arriving.count, dst, report, join);
        const rest = createPacketBatch(200, 400_000);
        key.openTrain(arriving, next, arriving.count - next, rest, report.slice());
        return { next, dst, seen: [next, contentsOf(dst), [...report], contentsOf(rest)], rest };
      });
      assert.deepEqual(results[0]?.seen, results[1]?.seen);

      const { dst, rest } = results[0] as { dst: PacketBatch; rest: PacketBatch };
      const back = virtio ? createPacketBatch(100, 200_000) : dst;
      if (virtio) createTrains().segment(dst, 0, back);
      const got = byFlow([...packetsOf(back), ...packetsOf(rest)], traffic.renumbered);
      const sent = byFlow(packetsOf(trains).length === 0 ? [] : segmentsOf(trains), traffic.renumbered);
      for (const [flow, packets] of got) assertSubsequence(packets, sent.get(flow) ?? [], wire);
    }),
    { numRuns: 200 },
  );
});

function segmentsOf(trains: PacketBatch): Buffer[] {
  const dst = createPacketBatch(200, 400_000);
  createTrains().segment(trains, 0, dst);
  return packetsOf(dst);
}

/** Without changed frames nothing may come out that did not go in; RC4 lets changes of payloads pass. */
function assertSubsequence(got: readonly string[], sent: readonly string[], wire: readonly { fate: string }[]): void {
  if (wire.some(({ fate }) => fate === 'forged' || fate === 'cut' || fate === 'far')) return;
  let at = 0;
  for (const one of got) {
    at = sent.indexOf(one, at) + 1;
    assert.ok(at > 0, 'a packet came out that was not sent, or out of order');
  }
}

function travel(frames: readonly Buffer[], wire: readonly { fate: string; at: number }[]): Buffer[] {
  const arriving: Buffer[] = [];
  const late: Buffer[] = [];
  frames.forEach((frame, i) => {
    const { fate, at } = wire[i % wire.length] as { fate: string; at: number };
    const changed = Buffer.from(frame);
    const byte = at % frame.length;
    if (fate === 'forged') changed[byte] = (changed[byte] ?? 0) ^ (1 << (at & 7));
    if (fate === 'far') changed.writeUInt16BE(0x9000 | (at & 0xfff), 4);
    if (fate === 'late') late.push(frame);
    else if (fate !== 'lost') arriving.push(fate === 'cut' ? changed.subarray(0, byte) : changed);
    if (fate === 'twice') arriving.push(frame);
    if (at % 3 === 0) arriving.push(...late.splice(0));
  });
  return [...arriving, ...late];
}

for (const implementation of implementations) {
  test(`${implementation}: a key that is told of packets which were lost goes on after any number of them`, () => {
    for (const lost of [1, 2_047, 2_048, 4_095, 4_096, 70_000]) {
      const peer = new Peer();
      const key = create(implementation);
      const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = stream(2);
      assert.equal(open(key, [peer.frame(first)]).report[MppeReport.accepted], 1);
      peer.skip(lost);
      for (let left = lost; left > 0; left -= mostSkipped) key.skip(Math.min(left, mostSkipped));
      const { packets, report } = open(key, [peer.frame(second)]);
      assert.deepEqual([packets.map((one) => one.length), report[MppeReport.missing]], [[second.length], 0]);
    }
  });

  test(`${implementation}: a key skips no more than it can in a moment, and nothing once it is closed`, () => {
    const key = create(implementation);
    for (const count of [-1, 1.5, mostSkipped + 1, Number.NaN]) assert.throws(() => key.skip(count), RangeError);
    key.close();
    assert.throws(() => key.skip(1), { code: 'CULVERT_CIPHER_CLOSED' });
  });
}
