/** A device that keeps nothing, and holds what reaches it to the leases that live: no client speaks with another's address. */
import type { PacketBatch } from '@culvert/base';
import type { LinkConfig } from '@culvert/core';
import { parseAddress } from '@culvert/wire';

export class InnerCheck {
  packets = 0;
  /** Packets whose source no live link has. */
  spoofed = 0;
  readonly #sources = new Set<string>();

  allow(config: LinkConfig): void {
    for (const address of addressesOf(config)) this.#sources.add(address);
  }

  forbid(config: LinkConfig): void {
    for (const address of addressesOf(config)) this.#sources.delete(address);
  }

  writeBatch(batch: PacketBatch): number {
    let written = 0;
    for (let i = 0; i < batch.count; i++) {
      const length = batch.lengths[i] ?? 0;
      if (length === 0) continue;
      const at = batch.offsets[i] ?? 0;
      const [from, size] = (batch.arena[at] ?? 0) >> 4 === 4 ? [12, 4] : [8, 16];
      const source = Buffer.from(batch.arena.subarray(at + from, at + from + size)).toString('hex');
      if (!this.#sources.has(source)) this.spoofed++;
      written++;
    }
    this.packets += written;
    return written;
  }
}

function addressesOf({ ipv4, ipv6 }: LinkConfig): string[] {
  return [ipv4, ipv6].flatMap((inner) =>
    inner === undefined ? [] : [Buffer.from(parseAddress(inner.address).bytes).toString('hex')],
  );
}
