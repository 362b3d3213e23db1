/** A core with an office in front of it and clients behind it: stub links and a device that keep what they are given. */
import {
  type CloseReason,
  createPacketBatch,
  type Instant,
  type Logger,
  type PacketBatch,
  type Path,
} from '@culvert/base';
import {
  type Link,
  type LinkConfig,
  type LinkStats,
  type Principal,
  TunnelCore,
  type TunnelCoreOptions,
} from '../src/index.ts';

const log: Logger = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, child: () => log };

export class Office {
  readonly core: TunnelCore;
  now = 5_000_000 as Instant;
  /** Packets the device takes in one write; the rest finds no room. */
  deviceRoom = Number.POSITIVE_INFINITY;
  #delivered: Uint8Array[] = [];
  #links = 0;

  constructor(options: Partial<TunnelCoreOptions> = {}) {
    const device = { writeBatch: (batch: PacketBatch) => this.#write(batch) };
    this.core = new TunnelCore({ role: 'gateway', device, now: () => this.now, log, mtu: 1500, ...options });
  }

  /** Attaches client number n: 10.8.0.(n+1) and fd00::(n+1). */
  connect(changes: Partial<LinkConfig> = {}, groups: readonly string[] = []): StubLink {
    const link = new StubLink(++this.#links, changes, groups, this.now);
    this.core.attach(link);
    return link;
  }

  /** The office, or the kernel, sends packets into the device. */
  send(...packets: readonly Uint8Array[]): void {
    this.core.handleDevicePackets(batchOf(packets), this.now);
  }

  /** What reached the office since the last look. */
  delivered(): Uint8Array[] {
    const packets = this.#delivered;
    this.#delivered = [];
    return packets;
  }

  pass(millis: number): void {
    this.now = (this.now + millis) as Instant;
  }

  #write(batch: PacketBatch): number {
    const packets = packetsOf(batch).slice(0, this.deviceRoom);
    this.#delivered.push(...packets);
    return packets.length;
  }
}

export class StubLink implements Link {
  readonly id: number;
  readonly transport = 'stub';
  readonly principal: Principal;
  readonly path: Path = {
    socket: 0,
    local: { address: '192.0.2.1', port: 1194 },
    remote: { address: '192.0.2.2', port: 1194 },
  };
  readonly since: Instant;
  readonly stats: LinkStats = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, droppedIn: 0, droppedOut: 0 };
  readonly facts = {};
  readonly closed: Promise<CloseReason>;
  config: LinkConfig;
  unfragmented: number | undefined;
  closedWhy: CloseReason | undefined;
  /** Batches in which packets came. */
  sends = 0;
  onSend: ((batch: PacketBatch) => void) | undefined;
  #received: Uint8Array[] = [];
  #sink: ((batch: PacketBatch) => void) | undefined;
  #onReconfigured: (() => void) | undefined;
  #end: (why: CloseReason) => void;

  constructor(id: number, changes: Partial<LinkConfig>, groups: readonly string[], since: Instant) {
    this.id = id;
    this.since = since;
    this.principal = { user: `user${id}`, groups, certificate: undefined, proofs: ['certificate'] };
    this.config = { ...configOf(id), ...changes };
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    this.#end = resolve;
  }

  /** The peer sends packets through the link. */
  bring(...packets: readonly Uint8Array[]): void {
    this.#sink?.(batchOf(packets));
  }

  /** What the peer got since the last look. */
  received(): Uint8Array[] {
    const packets = this.#received;
    this.#received = [];
    return packets;
  }

  send(batch: PacketBatch): void {
    this.sends++;
    this.#received.push(...packetsOf(batch));
    this.onSend?.(batch);
  }

  onPackets(sink: (batch: PacketBatch) => void): void {
    this.#sink = sink;
  }

  update(config: LinkConfig): void {
    this.config = config;
  }

  onReconfigured(tell: () => void): void {
    this.#onReconfigured = tell;
  }

  /** The peer changes its configuration. */
  reconfigure(changes: Partial<LinkConfig>): void {
    this.config = { ...this.config, ...changes };
    this.#onReconfigured?.();
  }

  async close(why: CloseReason): Promise<void> {
    this.closedWhy = why;
    this.#end(why);
  }
}

export function batchOf(packets: readonly Uint8Array[]): PacketBatch {
  const batch = createPacketBatch(
    Math.max(1, packets.length),
    packets.reduce((sum, { length }) => sum + length, 64),
  );
  for (const packet of packets) {
    batch.arena.set(packet, batch.used);
    batch.offsets[batch.count] = batch.used;
    batch.lengths[batch.count++] = packet.length;
    batch.used += packet.length;
  }
  return batch;
}

function packetsOf(batch: PacketBatch): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let i = 0; i < batch.count; i++) {
    const [at, length] = [batch.offsets[i] ?? 0, batch.lengths[i] ?? 0];
    if (length > 0) packets.push(batch.arena.slice(at, at + length));
  }
  return packets;
}

function configOf(n: number): LinkConfig {
  return {
    ipv4: { address: `10.8.${(n + 1) >> 8}.${(n + 1) & 0xff}`, prefix: 16, gateway: '10.8.0.1' },
    ipv6: { address: `fd00::${(n + 1).toString(16)}`, prefix: 64, gateway: 'fd00::1' },
    mtu: 1500,
    routes: ['192.168.10.0/24', 'fd10::/64'],
    redirect: { ipv4: false, ipv6: false },
    dns: { servers: [], search: [] },
    networksBehind: [],
    keepalive: { interval: 10_000, timeout: 60_000 },
    idleTimeout: undefined,
    sessionTimeout: undefined,
  };
}
