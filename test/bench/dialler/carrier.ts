/** One TUN device for many links: a packet leaves by the link whose address is its source. IPv4 alone. */
import { execFileSync } from 'node:child_process';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import type { Link } from '@culvert/core';
import { joinFor } from '@culvert/transport';
import { openTun, type TunDevice } from '@culvert/tun-tap';

const SLOTS = 128;
const BYTES = 16 * 65_536 + 66_000;
/** Packets that wait in the kernel: the links share one queue, where client programs have one each. */
const QUEUE = 20_000;
/** Where an IPv4 header has the source. */
const SOURCE = 12;

export class Carrier {
  readonly addresses: string[] = [];
  readonly #device: TunDevice;
  readonly #links = new Map<number, Link>();
  readonly #batch: PacketBatch;
  /** Of `#batch`, the packets of one link: they lie where they lie. */
  readonly #part: PacketBatch;

  constructor(name: string, mtu: number) {
    this.#device = openTun({ name, vnetHeader: true, offloads: 'best' });
    this.#device.setMtu(mtu);
    this.#device.setUp();
    this.#batch = createPacketBatch(SLOTS, BYTES, { virtio: true });
    const { arena, view } = this.#batch;
    const words = () => new Uint32Array(SLOTS);
    this.#part = { arena, view, virtio: true, offsets: words(), lengths: words(), tags: words(), count: 0, used: 0 };
    this.#device.onReadable(() => this.#read());
  }

  /** What the device takes joined. */
  get join(): number {
    return joinFor(this.#device);
  }

  /** Call it in the turn in which the link came up. */
  attach(link: Link): void {
    const address = link.config.ipv4?.address;
    if (address === undefined) throw new Error('a link without an IPv4 address');
    this.addresses.push(address);
    this.#links.set(Buffer.from(address.split('.').map(Number)).readUInt32BE(), link);
    link.onPackets((batch) => void this.#device.writeBatch(batch));
  }

  /** Gives the device the links' addresses, and the route. */
  configure(route: string): void {
    const { name } = this.#device;
    const lines = this.addresses.map((address) => `address add ${address}/32 dev ${name}`);
    lines.push(`link set ${name} txqueuelen ${QUEUE}`, `route add ${route} dev ${name}`);
    execFileSync('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  #read(): void {
    const batch = this.#batch;
    batch.count = batch.used = 0;
    if (this.#device.readBatch(batch) === 0) return;
    for (let i = 0; i < batch.count; i++) if ((batch.lengths[i] ?? 0) > 0) this.#sendAllFrom(this.#sourceOf(i), i);
  }

  /** Sends the packets of one source, of which `first` is the first, and takes them out of the batch. */
  #sendAllFrom(source: number, first: number): void {
    const { offsets, lengths, count } = this.#batch;
    const part = this.#part;
    part.count = 0;
    for (let i = first; i < count; i++) {
      const length = lengths[i] ?? 0;
      if (length === 0 || this.#sourceOf(i) !== source) continue;
      part.offsets[part.count] = offsets[i] ?? 0;
      part.lengths[part.count++] = length;
      lengths[i] = 0;
    }
    this.#links.get(source)?.send(part);
  }

  #sourceOf(i: number): number {
    return this.#batch.view.getUint32((this.#batch.offsets[i] ?? 0) + SOURCE);
  }
}
