/** IP packets behind headers in ESP: trains are cut on the way out and joined on the way in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import fc from 'fast-check';
import { batchOf, contentsOf, packet, packetsOf, virtioBatchOf, virtioHeader } from '../../test/packets.ts';
import { arbitraryTraffic } from '../../test/traffic.ts';
import {
  createEspFraming,
  createEspKey,
  createTrains,
  type EspAlgorithms,
  type EspKey,
  EspReplayWindow,
  EspReport,
  espKeyLengths,
  Join,
} from '../index.ts';

const implementations = ['native', 'portable'] as const;
const UDP = 17;
const suites: readonly EspAlgorithms[] = [
  { encryption: 'aes-gcm-16', keyBytes: 32 },
  { encryption: 'aes-cbc', keyBytes: 32, integrity: 'hmac-sha2-256-128' },
  { encryption: '3des-cbc', keyBytes: 24, integrity: 'hmac-sha1-96' },
];
const gcm = suites[0] as EspAlgorithms;

/** UDP 1701 to 1702, L2TP with a length to tunnel 7, session 9, PPP with address, control and a whole protocol field. */
const header = Buffer.from('06a506a6ffffffff4002ffff00070009ff0300ff', 'hex');
const framing = createEspFraming({
  header,
  protocolAt: 19,
  lengths: [
    { at: 4, from: 0 },
    { at: 10, from: 8 },
  ],
  ignored: [{ at: 6, bytes: 2 }],
});

/** What has to come out of ESP for a packet, written out. */
function framed(ip: Uint8Array, protocol = (ip[0] ?? 0) >> 4 === 4 ? 0x21 : 0x57): Buffer {
  const whole = Buffer.concat([header, ip]);
  whole.writeUInt16BE(whole.length, 4);
  whole.writeUInt16BE(whole.length - 8, 10);
  whole[19] = protocol;
  return whole;
}

function create(implementation: 'native' | 'portable', algorithms = gcm): EspKey {
  const lengths = espKeyLengths(algorithms);
  const keys = {
    spi: 0x1234_5678,
    encryptionKey: Uint8Array.from({ length: lengths.encryption }, (_, i) => 3 * i + 1),
    integrityKey: new Uint8Array(lengths.integrity).fill(7),
  };
  return createEspKey({ algorithms, keys, implementation });
}

const stream = (count: number, size = 100): Buffer[] =>
  Array.from({ length: count }, (_, i) => packet({ id: i, seq: i * size, payload: new Uint8Array(size).fill(i) }));

/** A TSO packet of the kernel that stands for `stream(count, size)`. */
function superPacket(count: number, size = 100): PacketBatch {
  const payload = Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.alloc(size, i)));
  const whole = packet({ id: 0, seq: 0, payload, checksum: 'pseudo' });
  const gso = { flags: 1, gsoType: 1, gsoSize: size, csumStart: 20, csumOffset: 16, headerLength: 40 };
  return virtioBatchOf([{ header: virtioHeader(gso), packet: whole }]);
}

/** ESP packets whose payloads are these. */
function sealed(payloads: readonly Uint8Array[], algorithms = gcm): PacketBatch {
  const dst = createPacketBatch(Math.max(1, payloads.length), 400_000);
  create('portable', algorithms).seal(batchOf(payloads), 0, dst, 1, UDP);
  return dst;
}

function open(
  key: EspKey,
  src: PacketBatch,
  {
    dst = createPacketBatch(100, 400_000, { virtio: true }),
    others = createPacketBatch(100, 100_000),
    replay = new EspReplayWindow(),
    join = Join.tcp as number,
    first = 0,
  } = {},
) {
  const report = new Uint32Array(EspReport.words).fill(99);
  const next = key.openFramed(src, first, src.count - first, dst, others, replay, UDP, report, framing, join);
  return { next, dst, others: packetsOf(others), report: [...report] };
}

for (const implementation of implementations) {
  test(`${implementation}: a super-packet leaves as one ESP packet a segment, each behind its headers`, () => {
    for (const algorithms of suites) {
      const dst = createPacketBatch(9, 10_000);
      assert.equal(create(implementation, algorithms).sealFramed(superPacket(3), 0, dst, 7, UDP, framing), 1);
      assert.deepEqual([...dst.tags.subarray(0, 3)], [140, 140, 140]);
      assert.equal(dst.offsets[1], dst.lengths[0]);
      const sequences = packetsOf(dst).map((one) => one.readUInt32BE(4));
      assert.deepEqual(sequences, [7, 8, 9]);
      const [plain, report] = [createPacketBatch(9, 10_000), new Uint32Array(EspReport.words)];
      create('portable', algorithms).open(dst, 0, 3, plain, new EspReplayWindow(), UDP, report);
      assert.deepEqual(
        packetsOf(plain),
        stream(3).map((one) => framed(one)),
      );
    }
  });

  test(`${implementation}: ESP packets open as the super-packet that was sealed; IPv6 too, and single ones`, () => {
    for (const algorithms of suites) {
      const key = create(implementation, algorithms);
      const esp = createPacketBatch(64, 200_000);
      key.sealFramed(superPacket(45, 1400), 0, esp, 1, UDP, framing);
      const train = open(key, esp);
      assert.equal(train.next, 45);
      assert.deepEqual(packetsOf(train.dst), packetsOf(superPacket(45, 1400)));
      const payloadBytes = 45 * (1440 + header.length);
      assert.deepEqual(train.report, [45, 0, 0, 0, 0, 0, 0, payloadBytes, 45, 45 * 1440, 44, 0]);

      const singles = [
        packet({ version: 6, protocol: 'udp', payload: Buffer.alloc(9) }),
        packet({ payload: Buffer.alloc(3_000) }),
      ];
      const again = createPacketBatch(9, 10_000);
      assert.equal(key.sealFramed(batchOf(singles), 0, again, 1, UDP, framing), 2);
      const plain = open(key, again, { dst: createPacketBatch(9, 10_000) });
      assert.deepEqual(packetsOf(plain.dst), singles);
    }
  });

  test(`${implementation}: what has other headers, or no whole packet behind them, comes out beside, as it is`, () => {
    const ip = packet({ payload: Buffer.alloc(40) });
    const changed = (at: number, to: number, of = framed(ip)) => {
      of[at] = to;
      return of;
    };
    const beside = [
      Buffer.from('06a506a600140000c802000c0007000000000000', 'hex'), // a control message
      ...[1, 3, 8, 13, 15, 16].map((at) => changed(at, 0x55)),
      changed(5, 0xff), // UDP's length
      changed(11, 0xff), // L2TP's
      framed(ip, 0x57),
      framed(ip, 0xc0),
      changed(header.length, 0x44),
      changed(header.length, 0x4f, framed(packet({}))),
      changed(header.length + 3, 0xff),
      framed(ip.subarray(0, 20)),
      header,
    ];
    for (const algorithms of suites) {
      const mixed = [framed(ip), ...beside, changed(7, 0x12)];
      const opened = open(create(implementation, algorithms), sealed(mixed, algorithms));
      assert.equal(opened.next, mixed.length);
      assert.deepEqual(packetsOf(opened.dst), [ip, ip], 'a checksum may be what it likes');
      assert.deepEqual(opened.others, beside);
      assert.deepEqual(
        [opened.report[EspReport.accepted], opened.report[EspReport.packets], opened.report[EspReport.others]],
        [mixed.length, 2, beside.length],
      );
    }
  });

  test(`${implementation}: forged, replayed and short packets leave no trace but in the report`, () => {
    for (const algorithms of suites) {
      const all = packetsOf(
        sealed(
          stream(4).map((one) => framed(one)),
          algorithms,
        ),
      ) as [Buffer, Buffer, Buffer, Buffer];
      const forged = Buffer.from(all[2]);
      forged[60] = (forged[60] ?? 0) ^ 1;
      const src = batchOf([all[0], all[1], forged, all[1], Buffer.alloc(23), Buffer.alloc(0), all[2], all[3]]);
      const replay = new EspReplayWindow();
      const { dst, report } = open(create(implementation, algorithms), src, { replay });
      assert.deepEqual(report.slice(0, 7), [4, 1, 1, 2, 0, 0, 0]);
      assert.deepEqual([report[EspReport.packets], report[EspReport.joined], dst.count], [4, 3, 1]);
      assert.equal(replay.highest, 4);
    }
  });

  test(`${implementation}: where there is no room nothing is lost: the call goes on where it stopped`, () => {
    const key = create(implementation);
    const control = Buffer.from('06a506a600140000c802000c0007000000000000', 'hex');
    const src = sealed([
      ...stream(3).map((one) => framed(one)),
      control,
      control,
      ...stream(2).map((one) => framed(one)),
    ]);
    const replay = new EspReplayWindow();
    const tight = () => ({ dst: createPacketBatch(2, 100_000), others: createPacketBatch(1, 1_000), replay });
    const stops = [];
    const packets = [];
    for (let first = 0; first < src.count; ) {
      const { next, dst, others } = open(key, src, { ...tight(), first });
      packets.push(...packetsOf(dst), ...others);
      stops.push(next);
      first = next;
    }
    assert.deepEqual(stops, [2, 4, 7]);
    assert.equal(packets.length, 7);
  });

  test(`${implementation}: what is no IP packet, or contradicts its virtio header, is skipped and takes no number`, () => {
    const key = create(implementation);
    const good = { header: virtioHeader(), packet: packet() };
    const src = virtioBatchOf([
      { header: virtioHeader({ gsoType: 9 }), packet: packet() },
      { header: virtioHeader(), packet: Buffer.alloc(40, 0x51) },
      { header: virtioHeader(), packet: Buffer.from('45', 'hex') },
      good,
    ]);
    const dst = createPacketBatch(9, 10_000);
    assert.equal(key.sealFramed(src, 0, dst, 5, UDP, framing), 4);
    assert.deepEqual(
      packetsOf(dst).map((one) => one.readUInt32BE(4)),
      [5],
    );
    assert.deepEqual({ ...key.skipped }, { malformed: 3, oversized: 0 });
    assert.throws(
      () => key.sealFramed(src, 3, dst, 0xffff_fff9, UDP, framing),
      RangeError,
      'eight slots, seven numbers',
    );
  });

  test(`${implementation}: mistakes of the caller throw`, () => {
    const key = create(implementation);
    const [plain, beside, virtio] = [
      createPacketBatch(2, 100),
      createPacketBatch(2, 100),
      createPacketBatch(2, 100, { virtio: true }),
    ];
    const replay = new EspReplayWindow();
    const report = new Uint32Array(EspReport.words);
    const call = (dst: PacketBatch, others: PacketBatch, words = report, join = 0) =>
      key.openFramed(plain, 0, 0, dst, others, replay, UDP, words, framing, join);
    assert.throws(() => call(virtio, virtio), TypeError);
    assert.throws(() => call(beside, beside), TypeError);
    assert.throws(() => call(virtio, beside, new Uint32Array(8)), TypeError);
    assert.throws(() => call(virtio, beside, report, 16), TypeError);
    assert.throws(() => key.sealFramed(plain, 0, virtio, 1, UDP, framing), TypeError);
    key.close();
    const closed = { code: 'CULVERT_CIPHER_CLOSED' };
    assert.throws(() => call(virtio, beside), closed);
    assert.throws(() => key.sealFramed(plain, 0, beside, 1, UDP, framing), closed);
  });
}

test('a framing that does not fit in its headers throws', () => {
  const right = { header, protocolAt: 19, lengths: [{ at: 4, from: 0 }] };
  for (const wrong of [
    { protocolAt: 20 },
    { protocolAt: -1 },
    { lengths: [{ at: 19, from: 0 }] },
    { header: new Uint8Array(65) },
  ])
    assert.throws(() => createEspFraming({ ...right, ...wrong }), RangeError);
  assert.throws(() => createEspFraming({ ...right, ignored: [{ at: 18, bytes: 3 }] }), RangeError);
});

test('both implementations seal and open the same, whatever the traffic and the room', () => {
  const control = Buffer.from('06a506a600140000c802000c0007000000000000', 'hex');
  const arbitraryCall = fc.record({
    traffic: arbitraryTraffic,
    algorithms: fc.constantFrom(...suites),
    join: fc.constantFrom(Join.none, Join.tcp, Join.all),
    slots: fc.constantFrom(3, 100, 100),
    bytes: fc.constantFrom(2_000, 40_000, 400_000),
    beside: fc.constantFrom(0, 1, 50),
    flips: fc.array(fc.nat(), { maxLength: 6 }),
  });
  fc.assert(
    fc.property(arbitraryCall, ({ traffic, algorithms, join, slots, bytes, beside, flips }) => {
      const { packets } = traffic;
      const trains = createPacketBatch(packets.length, 1_000_000, { virtio: true });
      createTrains().join(batchOf(packets), 0, packets.length, trains, Join.all);
      const [native, portable] = implementations.map((implementation) => {
        const key = create(implementation, algorithms);
        const dst = createPacketBatch(packets.length, 200_000);
        const next = key.sealFramed(trains, 0, dst, 1, UDP, framing);
        return { next, seen: contentsOf(dst), skipped: { ...key.skipped }, dst };
      });
      assert.ok(native !== undefined && portable !== undefined);
      assert.deepEqual({ ...native, dst: 0 }, { ...portable, dst: 0 });

      const arriving = packetsOf(native.dst);
      for (const at of flips) {
        const one = arriving[at % arriving.length];
        if (one !== undefined) one[at % one.length] = (one[at % one.length] ?? 0) ^ 0x10;
      }
      const src = batchOf([...arriving, ...arriving.slice(0, 2), ...packetsOf(sealed([control], algorithms))]);
      const results = implementations.map((implementation) => {
        const dst = createPacketBatch(slots, bytes, { virtio: true });
        const others = createPacketBatch(Math.max(1, beside), beside === 0 ? 10 : 10_000);
        const replay = new EspReplayWindow({ size: 32 });
        const { next, report } = open(create(implementation, algorithms), src, { dst, others, replay, join });
        return { next, report, dst: contentsOf(dst), others: contentsOf(others), state: [...replay.state] };
      });
      assert.deepEqual(results[0], results[1]);
    }),
    { numRuns: 200 },
  );
});
