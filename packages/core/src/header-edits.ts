/** What the core changes in the headers of packets that pass. */
import { adjustChecksum, clampMaximumSegmentSize, Fragment, type PacketHeaders, TcpFlag } from '@culvert/wire';
import type { AttachedLink } from './attached-link.ts';

/** Both ends of a TCP connection learn the link's segment size from each other's SYN. */
export function clamp(view: DataView, h: PacketHeaders, link: AttachedLink, partialChecksum: boolean): void {
  if ((h.tcpFlags & TcpFlag.syn) === 0 || h.fragment !== Fragment.none) return;
  link.measure();
  const limit = h.version === 4 ? link.maximumSegmentIpv4 : link.maximumSegmentIpv6;
  clampMaximumSegmentSize(view, h.upperAt, h.upperLength, limit, partialChecksum);
}

/** IPv4's checksum covers the TTL, which shares a word with the protocol. */
export function decrementHopLimit(view: DataView, at: number, version: number): void {
  if (version === 6) {
    view.setUint8(at + 7, view.getUint8(at + 7) - 1);
    return;
  }
  const word = view.getUint16(at + 8);
  view.setUint16(at + 8, word - 0x100);
  view.setUint16(at + 10, adjustChecksum(view.getUint16(at + 10), word, word - 0x100));
}
