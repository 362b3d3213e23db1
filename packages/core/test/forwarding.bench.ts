/**
 * Packets a second through the core, filter on, 1,000 links, batches of 64 packets of 1,400 bytes:
 *
 *   scripts/node packages/core/test/forwarding.bench.ts
 */
import type { CloseReason, Instant, Logger, PacketBatch } from '@culvert/base';
import { type Link, TunnelCore } from '../src/index.ts';
import { forge } from './forged-packets.ts';
import { batchOf, StubLink } from './office.ts';

const LINKS = 1000;
const BATCH = 64;
const SECONDS = 2;
const log: Logger = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, child: () => log };

/** Takes packets and forgets them. */
class QuietLink extends StubLink implements Link {
  taken = 0;
  sink: (batch: PacketBatch) => void = () => {};
  override send(batch: PacketBatch): void {
    this.taken += batch.count;
  }
  override onPackets(sink: (batch: PacketBatch) => void): void {
    this.sink = sink;
  }
  override async close(_why: CloseReason): Promise<void> {}
}

const now = performance.now() as Instant;
const device = { writeBatch: (batch: PacketBatch) => batch.count };
const filter = {
  rules: [
    {
      action: 'allow',
      groups: ['staff'],
      networks: ['192.168.10.0/24', 'fd10::/64'],
      protocol: 'tcp',
      ports: [{ from: 443, to: 443 }],
    },
    { action: 'deny', networks: ['192.168.0.0/16'] },
  ],
} as const;
const core = new TunnelCore({ role: 'gateway', device, now: () => now, log, mtu: 1500, filter });
const links = Array.from({ length: LINKS }, (_, i) => new QuietLink(i + 1, {}, ['staff'], now));
for (const link of links) core.attach(link);

for (const version of [4, 6] as const) {
  for (const linksABatch of [1, 8, 64]) {
    const up = links.map((link) => batchOf(Array.from({ length: BATCH }, () => forge(flow(link, version)))));
    const down = Array.from({ length: LINKS }, (_, n) => {
      const packets = Array.from({ length: BATCH }, (_, i) => {
        const link = links[(n + (i % linksABatch) * 37) % LINKS] as QuietLink;
        const { from, to, ports } = flow(link, version);
        return forge({ from: to, to: from, protocol: 'tcp', ports: [ports[1], ports[0]], payload: 1360 });
      });
      return batchOf(packets);
    });
    const rates = [run((n) => links[n]?.sink(refill(up[n] as PacketBatch)))];
    const before = links.reduce((sum, { taken }) => sum + taken, 0);
    rates.push(run((n) => core.handleDevicePackets(refill(down[n] as PacketBatch), now)));
    const after = links.reduce((sum, { taken }) => sum + taken, 0);
    const filtered = links.some((link) => core.view(link)?.counters.dropped.filtered);
    if (after === before || filtered || core.dropped.noRoute > 0) throw new Error('packets did not arrive');
    const [inn, out] = rates.map(
      ({ rate, bytes }) => `${(rate / 1e6).toFixed(1)} M/s (${bytes.toFixed(1)} bytes allocated a packet)`,
    );
    console.log(`IPv${version}, ${linksABatch} links a batch: link → device ${inn}, device → links ${out}`);
  }
}

function flow(link: Link, version: 4 | 6) {
  const ports: readonly [number, number] = [40_000, 443];
  const [from, to] =
    version === 4 ? [link.config.ipv4?.address, '192.168.10.5'] : [link.config.ipv6?.address, 'fd10::5'];
  return { from: from ?? '', to: to ?? '', protocol: 'tcp', ports, payload: 1360 } as const;
}

/** Lengths are 0 after a batch was dealt with: all packets here are equally long. */
function refill(batch: PacketBatch): PacketBatch {
  const length = batch.used / batch.count;
  batch.lengths.fill(length);
  return batch;
}

function run(step: (n: number) => void): { readonly rate: number; readonly bytes: number } {
  for (let n = 0; n < 5 * LINKS; n++) step(n % LINKS);
  const start = performance.now();
  let packets = 0;
  while (performance.now() - start < SECONDS * 1000) {
    for (let n = 0; n < LINKS; n++) step(n);
    packets += LINKS * BATCH;
  }
  const rate = (packets * 1000) / (performance.now() - start);
  // Short enough that no garbage collection hides what was allocated.
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < LINKS; n++) step(n);
  return { rate, bytes: (process.memoryUsage().heapUsed - before) / (LINKS * BATCH) };
}
