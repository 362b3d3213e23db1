/**
 * The ICMP errors that the core sends: packet too big (RFC 1191, RFC 8201) and time exceeded.
 *
 * Written into a batch that the caller hands on. Never about an ICMP error, a later fragment, or to a source that is no single
 * host (RFC 1122 section 3.2.2, RFC 4443 section 2.4); how often is the caller's to limit.
 */
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import {
  checksum,
  Fragment,
  foldChecksum,
  ICMP_HEADER,
  IcmpType,
  Icmpv6Type,
  IPV4_HEADER,
  IPV6_HEADER,
  isIcmpError,
  type PacketHeaders,
  Protocol,
  pseudoHeaderSum,
  sumWords,
} from '@culvert/wire';
import { isIcmp } from './flow-key.ts';
import { isMartianSource } from './inner-address-checks.ts';
import type { AddressWords } from './network-words.ts';

/** No IPv6 host takes a smaller one for its path's (RFC 8200, section 5). */
export const IPV6_LEAST_MTU = 1280;

/** The largest error: it fits through every path (RFC 1812 section 4.3.2.3, RFC 4443 section 3.1). */
const LARGEST_IPV4 = 576;
const LARGEST_IPV6 = IPV6_LEAST_MTU;
const FRAGMENTATION_NEEDED = 4;
const HOP_LIMIT = 64;

/** Chosen: one batch's worth; what does not fit is not complained about. */
const SLOTS = 64;

export class IcmpErrors {
  readonly batch: PacketBatch = createPacketBatch(SLOTS, SLOTS * LARGEST_IPV6);

  /** The packet of `h`, at `at` in `view`, is larger than `mtu`. Returns whether an error was written, from `source`. */
  tooBig(view: DataView, h: PacketHeaders, at: number, mtu: number, source: AddressWords): boolean {
    if (h.version === 6) return this.#write(view, h, at, source, Icmpv6Type.packetTooBig, 0, mtu);
    return this.#write(view, h, at, source, IcmpType.destinationUnreachable, FRAGMENTATION_NEEDED, mtu);
  }

  /** The packet's hop limit ran out here. */
  timeExceeded(view: DataView, h: PacketHeaders, at: number, source: AddressWords): boolean {
    const type = h.version === 6 ? Icmpv6Type.timeExceeded : IcmpType.timeExceeded;
    return this.#write(view, h, at, source, type, 0, 0);
  }

  clear(): void {
    this.batch.count = 0;
    this.batch.used = 0;
  }

  #write(view: DataView, h: PacketHeaders, at: number, from: AddressWords, type: number, code: number, word: number) {
    const { batch } = this;
    if (batch.count === SLOTS || from.version !== h.version || !mayBeAbout(h)) return false;
    const header = h.version === 4 ? IPV4_HEADER : IPV6_HEADER;
    const largest = h.version === 4 ? LARGEST_IPV4 : LARGEST_IPV6;
    const quoted = Math.min(h.length, largest - header - ICMP_HEADER);
    const to = batch.used;
    const icmp = to + header;
    const icmpLength = ICMP_HEADER + quoted;
    copyBytes(view, at, batch.view, icmp + ICMP_HEADER, quoted);
    batch.view.setUint8(icmp, type);
    batch.view.setUint8(icmp + 1, code);
    batch.view.setUint16(icmp + 2, 0);
    batch.view.setUint32(icmp + 4, word);
    if (h.version === 4) writeIpv4(batch.view, to, icmpLength, from, h);
    else writeIpv6(batch.view, to, icmpLength, from, h);
    batch.offsets[batch.count] = to;
    batch.lengths[batch.count++] = header + icmpLength;
    batch.used = to + LARGEST_IPV6;
    return true;
  }
}

function mayBeAbout(h: PacketHeaders): boolean {
  if (h.fragment === Fragment.later || isMartianSource(h)) return false;
  return !isIcmp(h) || (h.legible && !isIcmpError(h.version, h.icmpType));
}

function writeIpv4(view: DataView, at: number, icmpLength: number, from: AddressWords, h: PacketHeaders): void {
  view.setUint16(at, 0x4500);
  view.setUint16(at + 2, IPV4_HEADER + icmpLength);
  view.setUint32(at + 4, 0x4000);
  view.setUint8(at + 8, HOP_LIMIT);
  view.setUint8(at + 9, Protocol.icmp);
  view.setUint16(at + 10, 0);
  view.setInt32(at + 12, from.a);
  view.setInt32(at + 16, h.source0);
  view.setUint16(at + 10, checksum(view, at, IPV4_HEADER));
  view.setUint16(at + IPV4_HEADER + 2, checksum(view, at + IPV4_HEADER, icmpLength));
}

function writeIpv6(view: DataView, at: number, icmpLength: number, from: AddressWords, h: PacketHeaders): void {
  view.setUint32(at, 0x6000_0000);
  view.setUint16(at + 4, icmpLength);
  view.setUint8(at + 6, Protocol.icmpv6);
  view.setUint8(at + 7, HOP_LIMIT);
  view.setInt32(at + 8, from.a);
  view.setInt32(at + 12, from.b);
  view.setInt32(at + 16, from.c);
  view.setInt32(at + 20, from.d);
  view.setInt32(at + 24, h.source0);
  view.setInt32(at + 28, h.source1);
  view.setInt32(at + 32, h.source2);
  view.setInt32(at + 36, h.source3);
  const sum = pseudoHeaderSum(view, 6, at + 8, Protocol.icmpv6, icmpLength);
  view.setUint16(at + IPV6_HEADER + 2, foldChecksum(sumWords(view, at + IPV6_HEADER, icmpLength, sum)));
}

function copyBytes(from: DataView, at: number, to: DataView, toAt: number, length: number): void {
  for (let i = 0; i < length; i++) to.setUint8(toAt + i, from.getUint8(at + i));
}
