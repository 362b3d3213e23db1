/**
 * Packets of a batch with virtio headers: super-packets that stand for many segments, and checksums that are not finished.
 *
 *   -10     -9         -8        -6         -4           -2             0
 *   | flags | gso type | hdr len | gso size | csum start | csum offset | IP packet ...      linux/virtio_net.h, this machine's byte order
 *
 * The core looks at a train once: it decides, counts and forwards all of its segments alike.
 */
import type { PacketBatch } from '@culvert/base';
import { foldChecksum, type PacketHeaders, Protocol, sumWords, tcpHeaderLength } from '@culvert/wire';

const FLAGS = -10;
const GSO_TYPE = -9;
const GSO_SIZE = -6;
const CSUM_START = -4;
const CSUM_OFFSET = -2;
const NEEDS_CSUM = 1;
const GSO_NONE = 0;
const UDP_HEADER = 8;

/** Whether this machine writes the low byte first, as the kernel does in these headers. */
const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Reads one packet after another, like `PacketHeaders`: numbers alone, no allocation. */
export class Train {
  /** Packets on the wire: 1 for a single. */
  segments = 1;
  /** Bytes of the largest of them, IP header included. */
  segmentLength = 0;
  /** Bytes of all of them. */
  bytes = 0;
  /** The upper checksum covers the pseudo-header alone; whoever cuts or delivers the packet finishes it. */
  partialChecksum = false;

  /** Reads the packet of `h`, at `at` in the batch. */
  read(batch: PacketBatch, at: number, h: PacketHeaders): void {
    this.segments = 1;
    this.segmentLength = h.length;
    this.bytes = h.length;
    this.partialChecksum = false;
    if (batch.virtio !== true) return;
    const { view } = batch;
    this.partialChecksum = (view.getUint8(at + FLAGS) & NEEDS_CSUM) !== 0;
    if (view.getUint8(at + GSO_TYPE) === GSO_NONE) return;
    const upper = h.protocol === Protocol.tcp ? tcpHeaderLength(view, h.upperAt, h.upperLength) : UDP_HEADER;
    const headers = h.upperAt - at + upper;
    const size = view.getUint16(at + GSO_SIZE, littleEndian);
    if (size === 0 || h.length <= headers + size) return;
    this.segments = Math.ceil((h.length - headers) / size);
    this.segmentLength = headers + size;
    this.bytes = h.length + (this.segments - 1) * headers;
  }
}

/** Finishes the checksum of a single packet of `length` bytes at `at`, for whoever reads or cuts it here. */
export function finishChecksum(view: DataView, at: number, length: number): void {
  const start = view.getUint16(at + CSUM_START, littleEndian);
  const field = start + view.getUint16(at + CSUM_OFFSET, littleEndian);
  view.setUint8(at + FLAGS, 0);
  if (field + 2 > length) return;
  // The field holds the pseudo-header's sum, so it is summed along. A UDP checksum of 0 would mean "none" (RFC 768).
  const sum = foldChecksum(sumWords(view, at + start, length - start));
  view.setUint16(at + field, sum === 0 ? 0xffff : sum);
}
