/**
 * Cutting compared with the kernel itself, byte for byte: super-packets are written to a TUN device, forwarded, and read from a device
 * that takes none, so that the kernel's GSO has to cut them.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import { enterFreshNamespace } from '@culvert/testkit';
import { openTun, type TunDevice } from '@culvert/tun-tap';
import fc from 'fast-check';
import { type PacketOptions, packet, packetsOf, virtioBatchOf, virtioHeader } from '../../test/packets.ts';
import { createTrains } from '../index.ts';

const skip = enterFreshNamespace();

const NEEDS_CSUM = 1;
const ECN = 0x80;
const UDP_L4 = 5;
/** `ttl` of what is written: forwarding takes one. */
const TTL = 65;

interface Super {
  readonly options: PacketOptions;
  readonly gsoSize: number;
  /** The extension header becomes one of hop-by-hop options. */
  readonly hopByHop: boolean;
  /** The four bits that are left beside the data offset; one of them is AccECN's. */
  readonly reserved: number;
  /** Whether the virtio header says that CWR is the first segment's alone: it is without that, and what it says without CWR is nothing. */
  readonly saysEcn: boolean;
}

function* flags(): Generator<number> {
  for (let all = 0; all <= 0xff; all++) yield all;
}

/** The super-packet as the kernel hands it over, with its virtio header. */
function superPacket({ options, gsoSize, hopByHop, reserved, saysEcn }: Super, ttl: number) {
  const { version, protocol } = options;
  const whole = packet({ ...options, ttl, checksum: 'pseudo' });
  const payload = options.payload?.length ?? 0;
  const headerLength = whole.length - payload;
  const transport = headerLength - (protocol === 'udp' ? 8 : 20 + (options.tcpOptions?.length ?? 0));
  if (hopByHop && version === 6 && whole[6] === 60) whole[6] = 0;
  if (protocol !== 'udp') whole[transport + 12] = (whole[transport + 12] ?? 0) | reserved;
  const header = virtioHeader({
    flags: NEEDS_CSUM,
    gsoType: protocol === 'udp' ? UDP_L4 : (version === 6 ? 4 : 1) | (saysEcn ? ECN : 0),
    gsoSize,
    headerLength,
    csumStart: transport,
    csumOffset: protocol === 'udp' ? 6 : 16,
  });
  return { header, packet: whole };
}

/** Not one of the kernel's own: it looks for routers and multicast. */
function isForwarded(one: Buffer): boolean {
  return (one[0] ?? 0) >> 4 === 4 || one.toString('hex', 8, 10) === 'fd00';
}

/** Cuts packets by the kernel. Its way needs no time: what was written has been forwarded when the call returns. */
class KernelCutter implements Disposable {
  readonly #into: TunDevice;
  readonly #from: TunDevice;
  readonly #read = createPacketBatch(100, 200_000);

  constructor() {
    this.#into = openTun({ name: 'into', vnetHeader: true, offloads: 'best' });
    this.#from = openTun({ name: 'from', offloads: [] });
    this.#into.setUp();
    this.#from.setUp();
    const setUp = `cd /proc/sys/net; echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding
      for at in all into; do echo 0 >ipv4/conf/$at/rp_filter; echo 1 >ipv4/conf/$at/accept_source_route; done
      ip address add 10.1.0.1/32 dev into; ip route add 10.0.0.1 dev into; ip route add 10.0.0.2 dev from
      ip address add fd01::1/128 dev into nodad; ip route add fd00::1 dev into; ip route add fd00::2 dev from`;
    execFileSync('sh', ['-ec', setUp]);
  }

  get hasUso(): boolean {
    return this.#into.offloads.includes('uso4') && this.#into.offloads.includes('uso6');
  }

  cut(one: Super): Buffer[] {
    const batch = this.#read;
    batch.count = batch.used = 0;
    this.#from.readBatch(batch);
    batch.count = batch.used = 0;
    const written = virtioBatchOf([superPacket(one, TTL)]);
    assert.equal(
      this.#into.writeBatch(written as PacketBatch & { virtio: boolean }),
      1,
      this.#into.stats.lastWriteError,
    );
    this.#from.readBatch(batch);
    return packetsOf(batch).filter(isForwarded);
  }

  [Symbol.dispose](): void {
    this.#into.close();
    this.#from.close();
  }
}

const implementations = [createTrains('native'), createTrains('portable')];
const dst = createPacketBatch(100, 200_000);

function assertCutAlike(kernel: KernelCutter, one: Super): void {
  const expected = kernel.cut(one);
  assert.ok(expected.length > 1, 'the kernel cuts it');
  for (const trains of implementations) {
    dst.count = dst.used = 0;
    assert.equal(trains.segment(virtioBatchOf([superPacket(one, TTL - 1)]), 0, dst), 1);
    assert.deepEqual(packetsOf(dst), expected, trains.implementation);
  }
}

const bytes = (size: number, seed: number): Uint8Array => new Uint8Array(size).map((_, i) => seed + i * 13);

test('each of the 256 sets of TCP flags is given to the segments as the kernel gives it', { skip }, () => {
  using kernel = new KernelCutter();
  for (const version of [4, 6] as const) {
    for (const all of flags()) {
      const options = { version, flags: all, payload: bytes(250, all), seq: 0xffff_ffff, id: 0xffff, urgent: 120 };
      for (const saysEcn of [false, true])
        assertCutAlike(kernel, { options, gsoSize: 100, hopByHop: false, reserved: all & 15, saysEcn });
    }
  }
});

const arbitrarySuper: fc.Arbitrary<Super> = fc
  .record({
    options: fc.record({
      version: fc.constantFrom(4, 6),
      protocol: fc.constantFrom('tcp', 'tcp', 'udp'),
      routed: fc.constantFrom(false, false, true),
      extension: fc.constantFrom(0, 0, 1, 3),
      ipOptions: fc.constantFrom(new Uint8Array(0), new Uint8Array(0), Uint8Array.of(1, 1, 1, 0)),
      tos: fc.nat({ max: 255 }),
      flowLabel: fc.nat({ max: 0xf_ffff }),
      fragment: fc.constantFrom(0x4000, 0),
      id: fc.nat({ max: 0xffff }),
      seq: fc.oneof(fc.nat({ max: 0xffff_ffff }), fc.integer({ min: 0xffff_0000, max: 0xffff_ffff })),
      ack: fc.nat({ max: 0xffff_ffff }),
      flags: fc.nat({ max: 255 }),
      window: fc.nat({ max: 0xffff }),
      urgent: fc.nat({ max: 0xffff }),
      tcpOptions: fc
        .uint8Array({ minLength: 0, maxLength: 40 })
        .map((all) => all.subarray(0, all.length - (all.length % 4))),
    }) as fc.Arbitrary<PacketOptions>,
    gsoSize: fc.integer({ min: 1, max: 1_300 }),
    segments: fc.integer({ min: 2, max: 40 }),
    less: fc.nat({ max: 1_299 }),
    hopByHop: fc.boolean(),
    reserved: fc.nat({ max: 15 }),
    saysEcn: fc.boolean(),
    content: fc.nat({ max: 255 }),
  })
  .map(({ options, gsoSize, segments, less, content, hopByHop, reserved, saysEcn }) => ({
    options: { ...options, payload: bytes(segments * gsoSize - (less % gsoSize), content) },
    gsoSize,
    // A longer one of padding is dropped by the kernel on the way.
    hopByHop: hopByHop && options.extension === 1,
    reserved,
    saysEcn,
  }));

test('super-packets of any headers are cut into the bytes of the kernel', { skip }, (t) => {
  using kernel = new KernelCutter();
  const { hasUso } = kernel;
  if (!hasUso) t.diagnostic('this kernel has no USO: of TCP alone');
  const property = fc.property(arbitrarySuper, (one) => {
    fc.pre(hasUso || one.options.protocol !== 'udp');
    assertCutAlike(kernel, one);
  });
  fc.assert(property, { numRuns: 500 });
});
