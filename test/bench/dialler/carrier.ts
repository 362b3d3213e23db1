/** A TUN device for each link, as each client program has its own: its packets leave by that link, and the link's come out of it. */
import { execFileSync } from 'node:child_process';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import type { Link } from '@culvert/core';
import { DEVICE_QUEUE_LENGTH, joinFor } from '@culvert/transport';
import { openTun, type TunDevice } from '@culvert/tun-tap';

const SLOTS = 128;
const BYTES = 16 * 65_536 + 66_000;

export class Carrier {
  readonly #devices: TunDevice[] = [];
  readonly #free: TunDevice[];
  /** Commands of ip(8) that give the devices their links' addresses. */
  readonly #lines: string[] = [];
  /** What one of the devices gave; in use for the length of a call. */
  readonly #batch = createPacketBatch(SLOTS, BYTES, { virtio: true });

  /** Opens `count` devices, whose names begin with `name`. */
  constructor(name: string, count: number, mtu: number) {
    for (let i = 0; i < count; i++) {
      const device = openTun({ name: `${name}${i}`, vnetHeader: true, offloads: 'best' });
      device.setMtu(mtu);
      device.setUp();
      this.#devices.push(device);
    }
    this.#free = [...this.#devices];
  }

  /** What the devices take joined. */
  get join(): number {
    const [device] = this.#devices;
    return device === undefined ? 0 : joinFor(device);
  }

  /** Call it in the turn in which the link came up. */
  attach(link: Link): void {
    const address = link.config.ipv4?.address;
    const device = this.#free.shift();
    if (address === undefined || device === undefined)
      throw new Error('a link without an IPv4 address, or one too many');
    this.#lines.push(`address add ${address}/32 dev ${device.name}`);
    this.#lines.push(`link set ${device.name} txqueuelen ${DEVICE_QUEUE_LENGTH}`);
    link.onPackets((batch) => void device.writeBatch(batch));
    const batch: PacketBatch = this.#batch;
    device.onReadable(() => {
      batch.count = batch.used = 0;
      if (device.readBatch(batch) > 0) link.send(batch);
    });
  }

  /** Gives the devices their links' addresses, and queues as long as the client program's. */
  configure(): void {
    execFileSync('ip', ['-batch', '-'], { input: `${this.#lines.join('\n')}\n` });
  }
}
