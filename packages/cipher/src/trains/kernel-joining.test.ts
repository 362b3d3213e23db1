/**
 * Joining compared with the kernel itself: what our joiner makes one train the kernel's GRO does too, and what the kernel keeps apart we do.
 *
 * The kernel's boundaries depend on the time a little: what it holds it gives on when a tick of its clock comes in between. So it is
 * asked again where it joined less than it may.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createPacketBatch } from '@culvert/base';
import { enterFreshNamespace, missingForLab, onCi } from '@culvert/testkit';
import fc from 'fast-check';
import { KernelPath, type Train } from '../../test/kernel-path.ts';
import { batchOf, type PacketOptions, packet, packetsOf, virtioBatchOf } from '../../test/packets.ts';
import { agreedTraffic, arbitraryTraffic, byFlow } from '../../test/traffic.ts';
import { createTrains, Join } from '../index.ts';

const tries = 25;
const namespace = enterFreshNamespace();
const missing = missingForLab(['unshare', 'nft', 'ethtool', 'sysctl']).join('; ');
assert.ok(missing === '' || !onCi(), missing);
const skip = namespace || missing || false;

const ours = createTrains('native');
const scratch = createPacketBatch(200, 400_000);
const joined = createPacketBatch(200, 4_000_000, { virtio: true });

/** What our joiner makes of them. */
function join(packets: readonly Uint8Array[]): Train[] {
  joined.count = joined.used = 0;
  assert.equal(ours.join(batchOf(packets), 0, packets.length, joined, Join.all), packets.length);
  return packetsOf(joined).map((one, i) => {
    const at = joined.offsets[i] ?? 0;
    return { header: Buffer.from(joined.arena.subarray(at - 10, at)), packet: one };
  });
}

/** The packets of a train, as our segmenter cuts it. */
function cut(train: Train): Buffer[] {
  scratch.count = scratch.used = 0;
  ours.segment(virtioBatchOf([train]), 0, scratch);
  return packetsOf(scratch);
}

const partsOf = (train: Train): number => cut(train).length;

/** For each train the places that its packets had in the burst, in the order of the burst. Of those that are alike the first counts. */
function places(trains: readonly Train[], burst: readonly Uint8Array[]): number[][] {
  const place = new Map<string, number>();
  for (const [i, one] of burst.entries()) if (!place.has(recognised(one))) place.set(recognised(one), i);
  const all = trains.map((train) =>
    cut(train).map((one) => {
      const at = place.get(recognised(one));
      assert.ok(at !== undefined, `no such packet came in: ${hex(one)}`);
      return at;
    }),
  );
  return all.sort(([a = 0], [b = 0]) => a - b);
}

/** What is left of a packet wherever it was joined: not its identification, and in the kernel not an urgent pointer that means nothing. */
function recognised(packet: Uint8Array): string {
  const one = Buffer.from(packet);
  const isIpv4 = (one[0] ?? 0) >> 4 === 4;
  const upper = isIpv4 ? ((one[0] ?? 0) & 15) * 4 : 40;
  if (one.length < 20) return hex(one);
  if (isIpv4) one.fill(0, 4, 6).fill(0, 10, 12);
  if (one[isIpv4 ? 9 : 6] === 6 && one.length >= upper + 20) one.fill(0, upper + 16, upper + 20);
  return hex(one);
}

const hex = (one: Uint8Array): string => Buffer.from(one).toString('hex');
const sorted = (packets: readonly Uint8Array[]): string[] => packets.map(hex).sort();
const bytes = (size: number, seed: number): Uint8Array => new Uint8Array(size).map((_, i) => seed + i * 13);
const timestamps = (value: number): Uint8Array => Uint8Array.of(1, 1, 8, 10, 0, 0, 0, value, 0, 0, 0, 1);

/** Five packets of a stream, of which the third is special. */
function burst(third: PacketOptions, all: PacketOptions): Buffer[] {
  let seq = 0xffff_ff00;
  return Array.from({ length: 5 }, (_, i) => {
    const common = { id: 0xfffe + i, payload: bytes(100, i), tcpOptions: timestamps(1), tos: 2, ...all };
    const one = packet({ ...common, seq, ...(i === 2 ? third : {}) });
    seq += i === 2 ? (third.payload?.length ?? 100) : 100;
    return one;
  });
}

/** `01|2|34`: the first two are joined, the third goes alone, the last two are joined. */
const written = (groups: readonly number[][]): string => groups.map((group) => group.join('')).join('|');

const one = (third: PacketOptions) => ({ third, all: {} });
const each = (all: PacketOptions) => ({ third: {}, all });

/** What becomes of five packets of TCP in the kernel and here. */
const alike: readonly [string, { third: PacketOptions; all: PacketOptions }, string][] = [
  ['nothing special', one({}), '01234'],
  ['IPv6', each({ version: 6, flowLabel: 0x12345 }), '01234'],
  ['IPv6 with an extension header', each({ version: 6, extension: 2 }), '01234'],
  ['push', one({ flags: 0x18 }), '012|34'],
  ['the end', one({ flags: 0x11 }), '012|34'],
  ['each is pushed', each({ flags: 0x18 }), '0|1|2|3|4'],
  ['ECE', one({ flags: 0x50 }), '01|2|34'],
  ['each has ECE', each({ flags: 0x50 }), '01234'],
  ['a synchronisation', one({ flags: 0x12 }), '01|2|34'],
  ['a reset', one({ flags: 0x14 }), '01|2|34'],
  ['urgent data', each({ flags: 0x30, urgent: 5 }), '0|1|2|3|4'],
  ['congested', one({ tos: 3 }), '01|2|34'],
  ['all congested', each({ tos: 3 }), '01234'],
  ['congested, IPv6', { third: { tos: 3 }, all: { version: 6 } }, '01|2|34'],
  ['another class', one({ tos: 0x2a }), '01|2|34'],
  ['another hop count', one({ ttl: 63 }), '01|2|34'],
  ['another hop limit', { third: { ttl: 63 }, all: { version: 6 } }, '01|2|34'],
  ['another acknowledgement', one({ ack: 99 }), '01|2|34'],
  ['another window', one({ window: 501 }), '01|2|34'],
  ['another timestamp', one({ tcpOptions: timestamps(2) }), '01|2|34'],
  ['no timestamp', one({ tcpOptions: new Uint8Array(0) }), '01|2|34'],
  ['a SACK', one({ tcpOptions: Uint8Array.of(1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 1, 9) }), '01|2|34'],
  ['may be fragmented', one({ fragment: 0 }), '01|2|34'],
  ['all may be fragmented', each({ fragment: 0 }), '01234'],
  ['a bit that nobody may set', each({ fragment: 0xc000 }), '0|1|2|3|4'],
  ['another identification', one({ id: 44 }), '01|2|34'],
  ['IP options', each({ ipOptions: Uint8Array.of(1, 1, 1, 0) }), '0|1|2|3|4'],
  ['a hole before it', one({ seq: 0xffff_ff00 + 201 }), '01|2|34'],
  ['a hole behind it', one({ seq: 0xffff_ff00 + 199 }), '01|2|34'],
  ['an overlap', one({ seq: 0xffff_ff00 + 100 }), '01|2|34'],
  ['smaller', one({ payload: bytes(99, 2) }), '012|34'],
  ['larger', one({ payload: bytes(101, 2) }), '01|23|4'],
  ['no payload', one({ payload: new Uint8Array(0) }), '01|2|34'],
  ["AccECN's count", one({ flags: 0x110 }), '01|2|34'],
  ["all with AccECN's bit", each({ flags: 0x110 }), '01234'],
  ['a wrong checksum', one({ checksum: 'wrong' }), '01|2|34'],
  ['another flow label', { third: { flowLabel: 7 }, all: { version: 6 } }, '01|2|34'],
  ['another extension header', { third: { extension: 2 }, all: { version: 6, extension: 1 } }, '01|2|34'],
  ['UDP', each({ protocol: 'udp' }), '01234'],
  ['UDP over IPv6', each({ protocol: 'udp', version: 6 }), '01234'],
  ['a smaller datagram', { third: { payload: bytes(99, 2) }, all: { protocol: 'udp' } }, '012|34'],
  ['a larger datagram', { third: { payload: bytes(101, 2) }, all: { protocol: 'udp' } }, '01|23|4'],
  ['a congested datagram', { third: { tos: 3 }, all: { protocol: 'udp' } }, '01|2|34'],
  ['no checksums', each({ protocol: 'udp', checksum: 'none' }), '0|1|2|3|4'],
];

/** Kernels differ here, or join what a virtio header cannot tell, or lose a byte: this is what we do. */
const stricter: typeof alike = [
  ['CWR', one({ flags: 0x90 }), '01|2|34'],
  ['each has CWR', each({ flags: 0x90 }), '0|1|2|3|4'],
  ['an urgent pointer without urgent data', one({ urgent: 9 }), '01|2|34'],
];

/** Asks again as long as the answer is not as it should be, a few times. `exact`: nothing is in the burst that the kernel loses. */
function ask(burst: readonly Uint8Array[], exact: boolean, isRight: (groups: number[][]) => boolean): number[][] {
  let groups: number[][] = [];
  for (let n = 0; n < tries; n++) {
    const trains = kernelPath().join(burst, partsOf);
    if (exact)
      assert.deepEqual(sorted(trains.flatMap(cut)), sorted(burst), 'our segmenter cuts what the kernel joined');
    groups = places(trains, burst);
    if (isRight(groups)) break;
  }
  return groups;
}

/** The packets of a train of ours, when they come alone, are one train to the kernel. */
function assertOneTrain(burst: readonly Buffer[]): void {
  const found = ask(burst, false, (groups) => groups.length === 1);
  assert.equal(found.length, 1, `${written(found)}: ${burst.map(hex).join(' ')}`);
}

/** Not with one identification for all (below). */
function countsUp([first, second]: readonly Buffer[]): boolean {
  if (first === undefined || second === undefined || (first[0] ?? 0) >> 4 === 6) return true;
  return first.readUInt16BE(4) !== second.readUInt16BE(4);
}

let kernel: KernelPath | undefined;
const kernelPath = (): KernelPath => {
  assert.ok(kernel);
  return kernel;
};
const use = (does: 'join' | 'cut'): void => {
  kernel?.[Symbol.dispose]();
  kernel = new KernelPath(does);
};
before(() => {
  if (skip === false) use('join');
});
after(() => kernel?.[Symbol.dispose]());

for (const [what, { third, all }, expected] of alike) {
  test(`${what}: the kernel makes ${expected} of five packets, and so do we`, { skip }, () => {
    const five = burst(third, all);
    const found = ask(five, true, (groups) => written(groups) === expected);
    assert.deepEqual([written(places(join(five), five)), written(found)], [expected, expected]);
  });
}

for (const [what, { third, all }, expected] of stricter) {
  test(`${what}: we make ${expected} of five packets`, { skip }, () => {
    const five = burst(third, all);
    const groups = places(join(five), five);
    assert.equal(written(groups), expected);
    for (const group of groups) assertOneTrain(five.filter((_, i) => group.includes(i)));
  });
}

test('one identification for all, not to be fragmented: the kernel joins them, and so do we', { skip }, () => {
  assertCount(burst({}, { id: 7 }), 1);
  assert.equal(join(burst({}, { id: 7, fragment: 0 })).length, 5, 'a meaning is kept');
});

test('a train is as long as the kernel lets it become', { skip }, () => {
  for (const version of [4, 6] as const) {
    const header = (version === 4 ? 20 : 40) + 32;
    const sizes = (last: number) => [...Array<number>(46).fill(1_400), last];
    const most = 65_535 - header - 46 * 1_400;
    for (const [last, expected] of [
      [most, 1],
      [most + 1, 2],
    ] as const) {
      let seq = 0;
      const stream = sizes(last).map((size, id) => {
        const one = packet({ version, id, seq, payload: bytes(size, id), tcpOptions: timestamps(1) });
        seq += size;
        return one;
      });
      assertCount(stream, expected);
    }
    const datagrams = Array.from({ length: 70 }, (_, id) =>
      packet({ version, protocol: 'udp', id, payload: bytes(9, id) }),
    );
    assertCount(datagrams, 2);
  }
});

/** How many trains both make of it, where the kernel takes them apart again before they come to anybody. */
function assertCount(burst: readonly Buffer[], expected: number): void {
  assert.equal(join(burst).length, expected);
  let count = 0;
  for (let n = 0; n < tries && count !== expected; n++) {
    kernelPath().joined();
    kernelPath().join(burst, partsOf);
    count = kernelPath().joined();
  }
  assert.equal(count, expected);
}

test('random traffic: each train of ours is one to the kernel', { skip }, () => {
  let [runs, trains] = [0, 0];
  const property = fc.property(arbitraryTraffic, ({ packets }) => {
    runs++;
    for (const group of places(join(packets), packets)) {
      const parts = group.flatMap((at) => packets[at] ?? []);
      if (parts.length < 2 || !countsUp(parts)) continue;
      trains++;
      assertOneTrain(parts);
    }
  });
  fc.assert(property, { numRuns: 300, endOnFailure: true, interruptAfterTimeLimit: 20_000 });
  assert.ok(trains > runs, `${trains} trains in ${runs} runs`);
});

test("random TCP without what kernels differ in: our trains are the kernel's", { skip }, () => {
  const property = fc.property(agreedTraffic, ({ packets }) => {
    if (packets.length === 0) return;
    const expected = written(places(join(packets), packets));
    assert.equal(written(ask(packets, true, (groups) => written(groups) === expected)), expected);
  });
  fc.assert(property, { numRuns: 400 });
});

test('the kernel cuts our trains into the packets that came', { skip }, (t) => {
  use('cut');
  const { hasUso } = kernelPath();
  if (!hasUso) t.diagnostic('this kernel has no USO: of TCP alone');
  const property = fc.property(arbitraryTraffic, ({ packets, renumbered }) => {
    const trains = join(packets).filter(({ header }) => (header[1] ?? 0) !== 0 && (hasUso || header[1] !== 5));
    const expected = trains.flatMap(cut);
    assert.deepEqual(kernelPath().cut(trains, expected.length), expected);
    const came = byFlow(packets, renumbered);
    for (const [flow, some] of byFlow(expected, renumbered))
      for (const bytes of some) assert.ok(came.get(flow)?.includes(bytes), bytes);
  });
  fc.assert(property, { numRuns: 400 });
});
