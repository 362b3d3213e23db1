/**
 * Cuts a super-packet behind a virtio header into single, complete packets, as the kernel's GSO does: the portable twin of
 * native/segmenter.cc.
 */
import type { PacketBatch } from '@culvert/base';
import { checksum, foldChecksum, IPV6_HEADER, sumWords } from '@culvert/wire';
import { checkPlace, slotsOf } from '../check.ts';
import type { SkippedPackets } from './face.ts';
import { Flag, type Layout, MAX_HEADERS, pseudoSum, readLayout, Tcp, Udp } from './layout.ts';
import { Gso, readVirtioHeader, VirtioFlag, type VirtioHeader } from './virtio-header.ts';

/**
 * Gives each packet of the virtio batch `src` from index `first` on to `sink`, cut, each whole or not at all: whether all
 * of its parts, each with `overhead` bytes more, find room in `dst`. Returns the index of the first that was not consumed.
 */
export function cutAll(
  src: PacketBatch,
  first: number,
  dst: PacketBatch,
  overhead: number,
  skipped: SkippedPackets,
  sink: (packet: Uint8Array, tag: number) => void,
): number {
  const slots = slotsOf(dst);
  const counts = { malformed: 0, oversized: 0 };
  let at = first;
  for (; at < src.count; at++) {
    if (src.lengths[at] === 0) continue;
    checkPlace(src, at);
    const packets = segmentsOf(src, at);
    const size = packets?.reduce((sum, packet) => sum + packet.length + overhead, 0) ?? 0;
    if (packets === undefined) counts.malformed++;
    else if (packets.length > slots || size > dst.arena.length) counts.oversized++;
    else if (packets.length > slots - dst.count || size > dst.arena.length - dst.used) break;
    else for (const packet of packets) sink(packet, src.tags[at] ?? 0);
  }
  skipped.malformed += counts.malformed;
  skipped.oversized += counts.oversized;
  return at;
}

/** The packets that packet `slot` of a virtio batch stands for, in memory of their own; undefined when it is malformed. */
export function segmentsOf(src: PacketBatch, slot: number): Uint8Array[] | undefined {
  const at = src.offsets[slot] ?? 0;
  const packet = src.arena.slice(at, at + (src.lengths[slot] ?? 0));
  const virtio = readVirtioHeader(src.view, at);
  if (virtio.gsoType !== Gso.none) return cut(packet, virtio);
  if ((virtio.flags & VirtioFlag.needsCsum) === 0) return [packet];
  return completeChecksum(packet, virtio.csumStart, virtio.csumOffset) ? [packet] : undefined;
}

/** The kernel's skb_checksum_help: the field holds the pseudo-header's sum. Zero is written as 0xffff. */
function completeChecksum(packet: Uint8Array, start: number, offset: number): boolean {
  if (start + offset + 2 > packet.length) return false;
  const view = viewOf(packet);
  view.setUint16(start + offset, checksum(view, start, packet.length - start) || 0xffff);
  return true;
}

function cut(packet: Uint8Array, virtio: VirtioHeader): Uint8Array[] | undefined {
  const layout = readLayout(viewOf(packet), 0, packet.length, false);
  if (typeof layout === 'string' || !isOfType(layout, virtio.gsoType)) return undefined;
  const { gsoSize } = virtio;
  const says = (virtio.flags & VirtioFlag.needsCsum) !== 0;
  if (says && (virtio.csumStart !== layout.transport || virtio.csumStart + virtio.csumOffset !== layout.checksum))
    return undefined;
  const payload = packet.length - layout.header;
  const largest = layout.header + Math.min(payload, gsoSize);
  if (gsoSize === 0 || layout.header > MAX_HEADERS) return undefined;
  if (largest > 0xffff + (layout.version === 4 ? 0 : IPV6_HEADER)) return undefined;
  const count = Math.max(1, Math.ceil(payload / gsoSize));
  const pseudo = says ? partialSum(packet, layout) : pseudoSum(viewOf(packet), 0, layout, 0);
  return Array.from({ length: count }, (_, i) => segment(packet, layout, pseudo, gsoSize, i, i === count - 1));
}

/**
 * The pseudo-header's sum without a length. The kernel left it in the checksum field, with the length of the whole: on a source
 * route it counts another destination than the IP header has.
 */
function partialSum(packet: Uint8Array, layout: Layout): number {
  const view = viewOf(packet);
  const whole = layout.udp ? view.getUint16(layout.transport + Udp.length) : packet.length - layout.transport;
  return view.getUint16(layout.checksum) + (~whole & 0xffff);
}

function isOfType(layout: Layout, gsoType: number): boolean {
  if (gsoType === Gso.udp) return layout.udp;
  return !layout.udp && (gsoType & ~Gso.ecn) === (layout.version === 4 ? Gso.tcp4 : Gso.tcp6);
}

function segment(
  packet: Uint8Array,
  layout: Layout,
  pseudo: number,
  gsoSize: number,
  index: number,
  last: boolean,
): Uint8Array {
  const start = layout.header + index * gsoSize;
  const payload = packet.subarray(start, last ? packet.length : start + gsoSize);
  const bytes = new Uint8Array(layout.header + payload.length);
  bytes.set(packet.subarray(0, layout.header));
  bytes.set(payload, layout.header);
  const view = viewOf(bytes);
  if (layout.version === 4) {
    view.setUint16(2, bytes.length);
    view.setUint16(4, view.getUint16(4) + index);
    view.setUint16(10, 0);
    view.setUint16(10, checksum(view, 0, layout.transport));
  } else view.setUint16(4, bytes.length - IPV6_HEADER);
  if (!layout.udp) writeTcp(view, layout.transport, index, gsoSize, last);
  else view.setUint16(layout.transport + Udp.length, bytes.length - layout.transport);
  view.setUint16(layout.checksum, 0);
  const length = bytes.length - layout.transport;
  const sum = foldChecksum(sumWords(view, layout.transport, length, pseudo + length));
  view.setUint16(layout.checksum, layout.udp ? sum || 0xffff : sum);
  return bytes;
}

/** FIN and PSH belong to the last segment, CWR to the first. */
function writeTcp(view: DataView, at: number, index: number, gsoSize: number, last: boolean): void {
  view.setUint32(at + Tcp.seq, view.getUint32(at + Tcp.seq) + index * gsoSize);
  let flags = view.getUint8(at + Tcp.flags);
  if (!last) flags &= ~(Flag.fin | Flag.psh);
  if (index > 0) flags &= ~Flag.cwr;
  view.setUint8(at + Tcp.flags, flags);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
