/** Batches of super-packets, in and out of links. */
import assert from 'node:assert/strict';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import { createTrains, Join } from '@culvert/cipher';
import type { Link } from '@culvert/core';
import { batchOf, packetsOf } from '@culvert/testkit';

/** The packets as a device with offloads gives them. */
export function joined(packets: readonly Uint8Array[]): PacketBatch {
  const bytes = packets.reduce((sum, packet) => sum + packet.length + 10, 0);
  const batch = createPacketBatch(packets.length, bytes + 8 * 65_536, { virtio: true });
  assert.equal(createTrains().join(batchOf(packets), 0, packets.length, batch, Join.all), packets.length);
  return batch;
}

/** Takes a link's packets apart again, as the kernel does. */
export class Received {
  readonly packets = new Map<string, number>();
  count = 0;
  largest = 0;
  readonly #cut = createPacketBatch(4_096, 4 * 1_024 * 1_024);
  readonly #trains = createTrains();

  constructor(link: Link) {
    link.onPackets((batch) => {
      for (let i = 0; i < batch.count; i++) this.largest = Math.max(this.largest, batch.lengths[i] ?? 0);
      this.#cut.count = 0;
      this.#cut.used = 0;
      assert.equal(this.#trains.segment(batch, 0, this.#cut), batch.count);
      for (const packet of packetsOf(this.#cut)) {
        this.count++;
        const text = Buffer.from(packet).toString('base64');
        this.packets.set(text, (this.packets.get(text) ?? 0) + 1);
      }
    });
  }

  /** Whether all of these came, each once. */
  has(packets: readonly Uint8Array[]): boolean {
    return packets.every((packet) => this.packets.get(Buffer.from(packet).toString('base64')) === 1);
  }
}
