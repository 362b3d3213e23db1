/**
 * Trains: TCP and UDP super-packets behind virtio headers (`PacketBatch.virtio`), cut into segments and joined from them as
 * the kernel's GSO and GRO do. Native with a portable twin, as all of this package.
 *
 * Cutting what was joined gives the same packets again, byte for byte, but for IPv4 identifications that carry no meaning:
 * those of trains whose packets are all marked "don't fragment" and share one identification (RFC 6864, section 4.1).
 */
import type { PacketBatch } from '@culvert/base';

/** What may be joined, as bits to be added up. Joining UDP needs a TUN device with USO (Linux 6.2). */
export const Join = { none: 0, tcp4: 1, tcp6: 2, udp4: 4, udp6: 8, tcp: 3, udp: 12, all: 15 } as const;

/** Packets of virtio batches that were passed over. Numbers only ever grow. */
export interface SkippedPackets {
  /** The virtio header contradicts the packet or itself. */
  malformed: number;
  /** Cut up, the packet is larger than a whole empty `dst`: too few slots or bytes. */
  oversized: number;
}

export interface Trains {
  readonly implementation: 'native' | 'portable';
  /** By `segment`. */
  readonly skipped: SkippedPackets;

  /**
   * Cuts the packets of the virtio batch `src` from index `first` on into single, complete packets and appends these to the
   * plain batch `dst`; lengths of 0 are skipped, tags copied. A packet goes whole or not at all.
   * Returns the index of the first packet not consumed: less than `src.count` when `dst` is out of slots or bytes.
   */
  segment(src: PacketBatch, first: number, dst: PacketBatch): number;

  /**
   * Joins `count` packets of the plain batch `src` from index `first` on and appends the trains and what stays single to
   * the virtio batch `dst`, each with the tag of its first packet. Packets of one flow stay in order. Trains do not grow
   * beyond the call. Several flows grow at once where the arena of `dst` has room to spare: up to 64 KiB for each is put to use.
   * Bytes for all packets and a virtio header for each are always enough.
   * Returns the index of the first packet not consumed: less than `first + count` when `dst` is out of slots or bytes.
   * @param join bits of `Join`
   */
  join(src: PacketBatch, first: number, count: number, dst: PacketBatch, join: number): number;
}
