import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import fc from 'fast-check';
import {
  batchOf,
  contentsOf,
  type PacketOptions,
  packet,
  packetsOf,
  sum16,
  virtioBatchOf,
  virtioHeader,
} from '../../test/packets.ts';
import { arbitraryTraffic, byFlow } from '../../test/traffic.ts';
import { createTrains, Join, type Trains } from '../index.ts';

const implementations = ['native', 'portable'] as const;
const bytes = (size: number, seed = 0): Uint8Array => new Uint8Array(size).map((_, i) => seed + i * 13);
const timestamps = Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1);

interface Joined {
  readonly header: string;
  readonly packet: Buffer;
}

function join(trains: Trains, packets: readonly Uint8Array[], how: number = Join.all): Joined[] {
  const dst = createPacketBatch(100, 1_000_000, { virtio: true });
  const src = batchOf(packets);
  assert.equal(trains.join(src, 0, src.count, dst, how), src.count);
  return packetsOf(dst).map((one, i) => ({
    header: Buffer.from(dst.arena.subarray((dst.offsets[i] ?? 0) - 10, dst.offsets[i])).toString('hex'),
    packet: one,
  }));
}

function segment(trains: Trains, header: Uint8Array, one: Uint8Array): Buffer[] {
  const dst = createPacketBatch(100, 100_000);
  assert.equal(trains.segment(virtioBatchOf([{ header, packet: one }]), 0, dst), 1);
  return packetsOf(dst);
}

/** Segments of a stream: `sizes` one after the other. */
function stream(
  sizes: readonly number[],
  each: (i: number) => PacketOptions = () => ({}),
  common: PacketOptions = {},
): Buffer[] {
  let seq = 0xffff_fc00;
  return sizes.map((size, i) => {
    const one = packet({ id: 40 + i, tcpOptions: timestamps, payload: bytes(size, i), ...common, seq, ...each(i) });
    seq += size;
    return one;
  });
}

for (const implementation of implementations) {
  const trains = createTrains(implementation);

  test(`${implementation}: a TCP super-packet is cut with headers as the kernel writes them`, () => {
    for (const version of [4, 6] as const) {
      const common: PacketOptions = { version, tcpOptions: timestamps, tos: 2, extension: 2 };
      const all = bytes(2500);
      const whole = packet({ ...common, payload: all, seq: 0xffff_ffff, id: 0xffff, flags: 0x99, checksum: 'pseudo' });
      const transport = version === 4 ? 20 : 56;
      const gso = {
        flags: 1,
        gsoType: (version === 4 ? 1 : 4) | 0x80,
        gsoSize: 1000,
        csumStart: transport,
        csumOffset: 16,
      };
      assert.deepEqual(segment(trains, virtioHeader(gso), whole), [
        packet({ ...common, payload: all.subarray(0, 1000), seq: 0xffff_ffff, id: 0xffff, flags: 0x90 }),
        packet({ ...common, payload: all.subarray(1000, 2000), seq: 999, id: 0, flags: 0x10 }),
        packet({ ...common, payload: all.subarray(2000), seq: 1999, id: 1, flags: 0x19 }),
      ]);
    }
  });

  test(`${implementation}: where the packet is on a source route checksums count the address at its end, as the kernel's do`, () => {
    for (const version of [4, 6] as const) {
      for (const protocol of ['tcp', 'udp'] as const) {
        const common: PacketOptions = { version, protocol, routed: true, extension: 1 };
        const all = bytes(250);
        const whole = packet({ ...common, payload: all, checksum: 'pseudo' });
        const virtio = {
          flags: 1,
          gsoType: protocol === 'udp' ? 5 : version === 4 ? 1 : 4,
          gsoSize: 100,
          csumStart: version === 4 ? 28 : 72,
          csumOffset: protocol === 'udp' ? 6 : 16,
        };
        assert.deepEqual(
          segment(trains, virtioHeader(virtio), whole),
          [0, 1, 2].map((i) =>
            packet({ ...common, payload: all.subarray(i * 100, i * 100 + 100), id: 1 + i, seq: i * 100 }),
          ),
          `IPv${version} ${protocol}`,
        );
      }
    }
  });

  test(`${implementation}: a UDP super-packet is cut into datagrams, and a checksum of zero is written as 0xffff`, () => {
    for (const version of [4, 6] as const) {
      const common: PacketOptions = { version, protocol: 'udp', ipOptions: Uint8Array.of(1, 1, 1, 0) };
      const [first, second] = [bytes(100), bytes(100, 50)];
      const left = sum16(packet({ ...common, payload: new Uint8Array(4), checksum: 'right' }).subarray(-6));
      const last = Uint8Array.of(left >> 8, left & 0xff, 0, 0);
      const whole = packet({ ...common, payload: Buffer.concat([first, second, last]), checksum: 'pseudo' });
      const cut = segment(trains, virtioHeader({ gsoType: 5, gsoSize: 100 }), whole);
      assert.deepEqual(cut, [
        packet({ ...common, payload: first, id: 1 }),
        packet({ ...common, payload: second, id: 2 }),
        packet({ ...common, payload: last, id: 3 }),
      ]);
      if (version === 6) assert.equal(cut[2]?.toString('hex', 46, 48), 'ffff');
    }
  });

  test(`${implementation}: a partial checksum is completed, and the source left as it was`, () => {
    for (const version of [4, 6] as const) {
      for (const protocol of ['tcp', 'udp'] as const) {
        const common: PacketOptions = { version, protocol, payload: bytes(33) };
        const csumStart = version === 4 ? 20 : 40;
        const header = virtioHeader({ flags: 1, csumStart, csumOffset: protocol === 'udp' ? 6 : 16 });
        const src = virtioBatchOf([{ header, packet: packet({ ...common, checksum: 'pseudo' }) }]);
        const before = Buffer.from(src.arena);
        for (let time = 0; time < 2; time++) {
          const dst = createPacketBatch(1, 1000);
          trains.segment(src, 0, dst);
          assert.deepEqual(packetsOf(dst), [packet(common)]);
          assert.deepEqual(Buffer.from(src.arena), before);
        }
      }
    }
  });

  test(`${implementation}: a virtio header that contradicts its packet is skipped and counted`, () => {
    const tcp = packet({ payload: bytes(100) });
    const bad: [string, Parameters<typeof virtioHeader>[0], Uint8Array][] = [
      ['no gso size', { gsoType: 1 }, tcp],
      ['another version', { gsoType: 4, gsoSize: 10 }, tcp],
      ['another protocol', { gsoType: 5, gsoSize: 10 }, tcp],
      ['no such type', { gsoType: 3, gsoSize: 10 }, tcp],
      ['no ECN in UDP', { gsoType: 0x85, gsoSize: 10 }, packet({ protocol: 'udp', payload: bytes(100) })],
      ['a checksum elsewhere', { flags: 1, gsoType: 1, gsoSize: 10, csumStart: 24, csumOffset: 16 }, tcp],
      ['a checksum beyond', { flags: 1, csumStart: 130, csumOffset: 10 }, tcp],
      ['a packet that ends early', { gsoType: 1, gsoSize: 10 }, tcp.subarray(0, 30)],
      ['a fragment', { gsoType: 1, gsoSize: 10 }, packet({ fragment: 0x2000, payload: bytes(100) })],
    ];
    for (const [what, header, one] of bad) {
      const fresh = createTrains(implementation);
      const good = { header: virtioHeader(), packet: tcp };
      const dst = createPacketBatch(9, 10_000);
      assert.equal(
        fresh.segment(virtioBatchOf([good, { header: virtioHeader(header), packet: one }, good]), 0, dst),
        3,
      );
      assert.deepEqual([packetsOf(dst).length, fresh.skipped.malformed, fresh.skipped.oversized], [2, 1, 0], what);
    }
  });

  test(`${implementation}: a packet is cut whole or not at all, and one that never fits is skipped`, () => {
    const one = createTrains(implementation);
    const header = virtioHeader({ gsoType: 1, gsoSize: 10 });
    const src = virtioBatchOf([50, 400, 50].map((size) => ({ header, packet: packet({ payload: bytes(size) }) })));
    const dst = createPacketBatch(9, 10_000);
    assert.equal(one.segment(src, 0, dst), 2, 'five, skipped, and not five more');
    assert.equal(dst.count, 5);
    assert.deepEqual({ ...one.skipped }, { malformed: 0, oversized: 1 });
    dst.count = dst.used = 0;
    assert.equal(one.segment(src, 2, dst), 3);
    const few = createPacketBatch(99, 5 * 50 + 249);
    assert.equal(one.segment(src, 2, few), 3);
    assert.equal(one.segment(src, 2, few), 2);
    assert.equal(few.count, 5);
  });

  test(`${implementation}: segments that follow each other become one super-packet as the kernel takes it`, () => {
    for (const version of [4, 6] as const) {
      const segments = stream([1000, 1000, 600], (i) => ({ flags: i === 2 ? 0x18 : 0x10 }), {
        version,
        extension: 1,
      });
      const [train, ...more] = join(trains, segments);
      const payload = Buffer.concat([bytes(1000), bytes(1000, 1), bytes(600, 2)]);
      const common: PacketOptions = {
        version,
        extension: 1,
        tcpOptions: timestamps,
        payload,
        seq: 0xffff_fc00,
        id: 40,
      };
      assert.deepEqual(train?.packet, packet({ ...common, flags: 0x18, checksum: 'pseudo' }));
      const [transport, type] = version === 4 ? [20, 1] : [48, 4];
      const header = {
        flags: 1,
        gsoType: type,
        headerLength: transport + 32,
        gsoSize: 1000,
        csumStart: transport,
        csumOffset: 16,
      };
      assert.equal(train?.header, virtioHeader(header).toString('hex'));
      assert.deepEqual(more, []);
    }
  });

  test(`${implementation}: UDP datagrams of one size become a super-packet when that is asked for`, () => {
    for (const version of [4, 6] as const) {
      const common: PacketOptions = { version, protocol: 'udp' };
      const datagrams = [200, 200, 150, 200].map((size, i) =>
        packet({ ...common, id: 1 + i, payload: bytes(size, i) }),
      );
      assert.equal(join(trains, datagrams, Join.tcp).length, 4);
      const [train, single] = join(trains, datagrams);
      const payload = Buffer.concat([bytes(200), bytes(200, 1), bytes(150, 2)]);
      assert.deepEqual(train?.packet, packet({ ...common, payload, checksum: 'pseudo' }));
      const csumStart = version === 4 ? 20 : 40;
      const header = { flags: 1, gsoType: 5, headerLength: csumStart + 8, gsoSize: 200, csumStart, csumOffset: 6 };
      assert.equal(train?.header, virtioHeader(header).toString('hex'));
      assert.deepEqual([single?.packet, single?.header], [datagrams[3], virtioHeader({ flags: 2 }).toString('hex')]);
    }
  });

  test(`${implementation}: what the kernel's GRO keeps apart stays apart`, () => {
    const apart: [string, PacketOptions, PacketOptions?][] = [
      ['a push ends a train', {}, { flags: 0x18 }],
      ['so does the end of the stream', {}, { flags: 0x11 }],
      ['a reduced window is news', { flags: 0x90 }],
      ['and goes alone', { flags: 0x10 }, { flags: 0x90 }],
      ['also where each packet tells of one', { flags: 0x90 }, { flags: 0x90 }],
      ['an echo of congestion', { flags: 0x50 }],
      ['a synchronisation', { flags: 0x12 }],
      ['a reset', { flags: 0x14 }],
      ['urgent data', { flags: 0x30 }],
      ['another acknowledgement', { ack: 99 }],
      ['another window', { window: 99 }],
      ['another timestamp', { tcpOptions: Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 1) }],
      ['no timestamp', { tcpOptions: new Uint8Array(0) }],
      ['marked by a congested router', { tos: 3 }],
      ['another hop count', { ttl: 63 }],
      ['allowed to be fragmented', { fragment: 0 }],
      ['a fragment', { fragment: 0x2000 }],
      ['another identification', { id: 44 }],
      ['a bit that nobody may set', { fragment: 0xc000 }, { fragment: 0xc000 }],
      ['IP options', { ipOptions: Uint8Array.of(1, 1, 1, 0) }],
      ['a hole', { seq: 0xffff_fc00 + 201 }],
      ['a repetition', { seq: 0xffff_fc00 }],
      ['larger than the first', { payload: bytes(101) }],
      ['no payload', { payload: bytes(0) }],
      ['another flow', { sourcePort: 1 }],
      ['a wrong checksum', { checksum: 'wrong' }],
    ];
    for (const [what, second, first = {}] of apart) {
      const joined = join(
        trains,
        stream([100, 100], (i) => (i === 1 ? { tos: 0, ...second } : first)),
      );
      assert.equal(joined.length, 2, what);
    }
    for (const [what, second] of [
      ['another flow label', { flowLabel: 7 }],
      ['another extension header', { extension: 2 }],
    ] as const) {
      assert.equal(
        join(
          trains,
          stream([100, 100], (i) => (i === 1 ? second : { extension: 1 }), { version: 6 }),
        ).length,
        2,
        what,
      );
    }
    assert.equal(join(trains, stream([100, 100])).length, 1, 'while these are joined');
  });

  test(`${implementation}: a corrupt segment is not laundered: it comes out as it was, unverified`, () => {
    const segments = stream([100, 100, 100], (i) => (i === 1 ? { checksum: 'wrong' } : {}));
    const joined = join(trains, segments);
    assert.deepEqual(
      joined.map((one) => one.packet),
      segments,
    );
    assert.deepEqual(
      joined.map((one) => one.header.slice(0, 2)),
      ['02', '00', '02'],
    );
    const broken = segments[0] as Buffer;
    broken[10] = (broken[10] ?? 0) ^ 1; // the header's checksum
    assert.equal(
      join(
        trains,
        stream([100, 100]).map((one, i) => (i === 0 ? broken : one)),
      ).length,
      2,
    );
  });

  test(`${implementation}: packets with one identification and no fragments join, others only when it counts up`, () => {
    const fixed = (fragment: number) => stream([10, 10, 10], () => ({ id: 0, fragment }));
    assert.equal(join(trains, fixed(0x4000)).length, 1);
    assert.equal(join(trains, fixed(0)).length, 3);
    assert.equal(
      join(
        trains,
        stream([10, 10, 10], (i) => ({ id: 0xffff + i, fragment: 0 })),
      ).length,
      1,
    );
    assert.equal(
      join(
        trains,
        stream([10, 10, 10], (i) => ({ id: i === 2 ? 1 : 0 })),
      ).length,
      2,
      'one kind in a train',
    );
  });

  test(`${implementation}: flows that alternate grow side by side, and a flow's packets stay in order`, () => {
    const flows = [1, 2, 3].map((sourcePort) => stream([500, 500, 500, 500], () => ({}), { sourcePort }));
    const mixed = [0, 1, 2, 3].flatMap((i) => flows.map((flow) => flow[i] as Buffer));
    assert.equal(join(trains, mixed).length, 3);

    const small = createPacketBatch(100, mixed.length * 600, { virtio: true });
    assert.equal(trains.join(batchOf(mixed), 0, mixed.length, small, Join.all), mixed.length, 'with little room');
    const back = createPacketBatch(100, 100_000);
    trains.segment(small, 0, back);
    assert.deepEqual(byFlow(packetsOf(back), false), byFlow(mixed, false));
  });

  test(`${implementation}: a train ends at 65,535 bytes, and one of UDP after 64 datagrams`, () => {
    const many = join(trains, stream(Array(50).fill(1400)));
    assert.deepEqual(
      many.map((one) => one.packet.length),
      [46 * 1400 + 52, 4 * 1400 + 52],
    );
    const datagrams = Array.from({ length: 70 }, (_, id) => packet({ protocol: 'udp', id, payload: bytes(8) }));
    assert.deepEqual(
      join(trains, datagrams).map((one) => one.packet.length),
      [28 + 64 * 8, 28 + 6 * 8],
    );
  });

  test(`${implementation}: a packet of IPv6 as large as may be, above 65,535 bytes, is let alone by what follows`, () => {
    for (const protocol of ['tcp', 'udp'] as const) {
      const header = protocol === 'tcp' ? 20 : 8;
      for (const more of [-41, -40, -39, 0]) {
        const common: PacketOptions = { version: 6, protocol, tcpOptions: new Uint8Array(0) };
        const segments = stream([0xffff - header + more, 10, 10], () => ({}), common);
        const [first, ...rest] = join(trains, segments);
        assert.deepEqual(first?.packet, segments[0], `${protocol} ${more}`);
        assert.equal(rest.length, 1, `${protocol} ${more}`);
        const apart = [segments[0] as Buffer, packet({ ...common, sourcePort: 1, payload: bytes(10) })];
        assert.deepEqual(
          join(trains, apart).map((one) => one.packet),
          apart,
          `${protocol} ${more}, two flows`,
        );
      }
    }
  });

  test(`${implementation}: the ninth flow takes the place of the one that rested longest`, () => {
    const flow = (sourcePort: number) => stream([100, 100], () => ({}), { sourcePort });
    const flows = Array.from({ length: 9 }, (_, i) => flow(i + 1));
    const first = flows.map((one) => one[0] as Buffer);
    const order = [...first, flows[1]?.[1] as Buffer, flows[0]?.[1] as Buffer];
    const joined = join(trains, order);
    assert.equal(joined.length, 10, 'the first is closed, the second grows');
  });

  test(`${implementation}: what is not TCP or UDP goes as it came, and one that cannot be read ends the trains`, () => {
    const ping = Buffer.from('2a187bf3641eb4cb07ed2d0a981fc748', 'hex');
    const [a, b] = stream([100, 100]) as [Buffer, Buffer];
    assert.deepEqual(
      join(trains, [a, ping, b]).map((one) => one.packet.length),
      [252, 16],
    );
    const fragment = packet({ fragment: 0x2000, payload: bytes(8) });
    assert.equal(join(trains, [a, fragment, b]).length, 3);
  });

  test(`${implementation}: a full destination stops the joining where it can go on`, () => {
    const segments = stream(Array(10).fill(100), (i) => ({ ack: Math.floor(i / 2) }));
    const src = batchOf(segments);
    const slots = createPacketBatch(2, 10_000, { virtio: true });
    assert.equal(trains.join(src, 0, 10, slots, Join.all), 4 - 1, 'a full batch stops even what would be joined');
    const room = createPacketBatch(10, 2 * (10 + 252) + 100, { virtio: true });
    const next = trains.join(src, 0, 10, room, Join.all);
    assert.ok(next >= 3 && next <= 4, `${next}`);
    assert.ok(room.used <= room.arena.length);
  });

  test(`${implementation}: mistakes of the caller throw`, () => {
    const plain = createPacketBatch(2, 1000);
    const virtio = createPacketBatch(2, 1000, { virtio: true });
    assert.throws(() => trains.segment(plain, 0, createPacketBatch(2, 1000)), TypeError);
    assert.throws(() => trains.segment(virtio, 0, createPacketBatch(2, 1000, { virtio: true })), TypeError);
    assert.throws(() => trains.join(virtio, 0, 0, createPacketBatch(2, 1000, { virtio: true }), 3), TypeError);
    assert.throws(() => trains.join(plain, 0, 0, createPacketBatch(2, 1000), 3), TypeError);
    assert.throws(() => trains.join(plain, 0, 0, virtio, 16), TypeError);
    virtio.count = 1;
    virtio.lengths[0] = 20;
    virtio.offsets[0] = 9;
    assert.throws(() => trains.segment(virtio, 0, plain), RangeError, 'no room for its header');
  });
}

test('joining and cutting again gives each flow its packets, byte for byte and in order', () => {
  fc.assert(
    fc.property(
      arbitraryTraffic,
      fc.constantFrom(0, 3, 12, 15),
      fc.boolean(),
      ({ packets, renumbered }, how, roomy) => {
        const sum = packets.reduce((all, one) => all + one.length + 10, 0);
        const src = batchOf(packets);
        const results = implementations.map((implementation) => {
          const trains = createTrains(implementation);
          const dst = createPacketBatch(packets.length, roomy ? 10 * sum : sum, { virtio: true });
          assert.equal(trains.join(src, 0, src.count, dst, how), src.count);
          return { dst, trains };
        });
        assert.deepEqual(...(results.map(({ dst }) => contentsOf(dst)) as [unknown, unknown]));
        for (const { dst, trains } of results) {
          const back = createPacketBatch(packets.length, sum);
          assert.equal(trains.segment(dst, 0, back), dst.count);
          assert.deepEqual(byFlow(packetsOf(back), renumbered), byFlow(packets, renumbered));
          assert.deepEqual({ ...trains.skipped }, { malformed: 0, oversized: 0 });
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('both implementations join the same when slots and bytes run out', () => {
  fc.assert(
    fc.property(arbitraryTraffic, fc.nat({ max: 12 }), fc.nat({ max: 4000 }), ({ packets }, slots, size) => {
      const src = batchOf(packets);
      const results = implementations.map((implementation) => {
        const dst = createPacketBatch(slots, size, { virtio: true });
        const next = createTrains(implementation).join(src, 0, src.count, dst, Join.all);
        return { next, contents: contentsOf(dst) };
      });
      assert.deepEqual(results[0], results[1]);
    }),
    { numRuns: 500 },
  );
});

test('both implementations cut the same, also what is malformed, and leave the source alone', () => {
  const u16 = fc.oneof(fc.nat({ max: 150 }), fc.nat({ max: 0xffff }));
  const arbitraryHeader = fc.record({
    flags: fc.constantFrom(0, 1, 2, 3),
    gsoType: fc.oneof(fc.constantFrom(0, 1, 4, 5, 0x81, 0x84, 0x85), fc.nat({ max: 255 })),
    headerLength: u16,
    gsoSize: u16,
    csumStart: fc.oneof(fc.constantFrom(20, 40, 48, 64), u16),
    csumOffset: fc.oneof(fc.constantFrom(6, 16), u16),
  });
  fc.assert(
    fc.property(
      arbitraryTraffic,
      fc.array(arbitraryHeader, { minLength: 1, maxLength: 9 }),
      fc.nat({ max: 300 }),
      fc.nat({ max: 20_000 }),
      ({ packets }, headers, slots, size) => {
        const src: PacketBatch = virtioBatchOf(
          packets.map((one, i) => ({ header: virtioHeader(headers[i % headers.length]), packet: one })),
        );
        const before = Buffer.from(src.arena);
        const results = implementations.map((implementation) => {
          const trains = createTrains(implementation);
          const dst = createPacketBatch(slots, size);
          const next = trains.segment(src, 0, dst);
          assert.deepEqual(Buffer.from(src.arena), before);
          return { next, contents: contentsOf(dst), skipped: { ...trains.skipped } };
        });
        assert.deepEqual(results[0], results[1]);
      },
    ),
    { numRuns: 500 },
  );
});

test('the native implementation is the default', () => {
  assert.equal(createTrains().implementation, 'native');
});
