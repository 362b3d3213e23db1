/**
 * The headers of an IP packet, read where they lie.
 *
 * One object is made once and reads packet after packet: it holds numbers alone, so a packet costs no allocation. Addresses are
 * signed 32-bit words (a signed word is a small integer to the engine, an unsigned one may be a boxed double); an IPv4 address is
 * the first word, the other three are 0.
 *
 * IPv4 (RFC 791):                                        IPv6 (RFC 8200):
 *   0  version/IHL   2  total length                       0  version, class, flow   4  payload length
 *   4  identification   6  flags/fragment offset           6  next header   7  hop limit
 *   8  TTL   9  protocol   10  checksum                    8  source   24  destination
 *   12 source   16 destination   20 options                40 extension headers, upper layer
 */
import { ICMP_HEADER } from './icmp.ts';
import { isOpaqueExtension, isWalkedExtension, Protocol } from './protocol-number.ts';
import { TCP_HEADER, tcpHeaderLength } from './tcp.ts';

export const IPV4_HEADER = 20;
export const IPV6_HEADER = 40;
const UDP_HEADER = 8;
const FRAGMENT_HEADER = 8;
/** A quoted packet ends 8 bytes into its upper layer at the earliest (RFC 792). */
const QUOTED_UPPER = 8;

/** Chosen: no honest packet has more than one of each kind (RFC 8200, section 4.1: destination options twice). */
const MAX_EXTENSION_HEADERS = 8;

/** `PacketHeaders.fragment`: a whole packet, the first fragment, one that follows it. */
export const Fragment = { none: 0, first: 1, later: 2 } as const;

export class PacketHeaders {
  version = 0;
  /** Bytes of the packet, by its own header; what the buffer holds beyond is padding. */
  length = 0;
  hopLimit = 0;
  /** IPv4: don't fragment. Routers never fragment IPv6: always true. */
  dontFragment = false;
  /** One of `Fragment`. */
  fragment: number = Fragment.none;
  /** The identification that a packet's fragments share. */
  fragmentId = 0;

  source0 = 0;
  source1 = 0;
  source2 = 0;
  source3 = 0;
  destination0 = 0;
  destination1 = 0;
  destination2 = 0;
  destination3 = 0;

  /** The upper layer's number; in a later IPv6 fragment what its fragment header says. */
  protocol = 0;
  /** The chain of headers could not be walked to the upper layer: `protocol` is where it stopped, anything may follow. */
  opaque = false;
  /** The upper-layer header is there as far as this object reads it. */
  legible = false;
  /** Where the upper layer lies in the arena, and how many bytes of it there are. */
  upperAt = 0;
  upperLength = 0;

  /** TCP and UDP. An ICMP echo has its identifier as `sourcePort`. Else 0. */
  sourcePort = 0;
  destinationPort = 0;
  tcpFlags = 0;
  icmpType = 0;
  icmpCode = 0;

  /** Reads the packet in `length` bytes at `at`. False: not a whole IPv4 or IPv6 packet, and the fields mean nothing. */
  read(view: DataView, at: number, length: number): boolean {
    return readIp(this, view, at, length, false);
  }

  /** Reads a packet that an ICMP error quotes: it may be cut off anywhere behind 8 bytes of upper layer. */
  readQuoted(view: DataView, at: number, length: number): boolean {
    return readIp(this, view, at, length, true);
  }
}

function readIp(h: PacketHeaders, view: DataView, at: number, length: number, quoted: boolean): boolean {
  if (length < IPV4_HEADER) return false;
  h.fragment = Fragment.none;
  h.fragmentId = 0;
  h.opaque = false;
  h.legible = false;
  h.sourcePort = 0;
  h.destinationPort = 0;
  h.tcpFlags = 0;
  h.icmpType = 0;
  h.icmpCode = 0;
  const version = view.getUint8(at) >>> 4;
  h.version = version;
  if (version === 4) return readIpv4(h, view, at, length, quoted);
  return version === 6 && readIpv6(h, view, at, length, quoted);
}

function readIpv4(h: PacketHeaders, view: DataView, at: number, length: number, quoted: boolean): boolean {
  const header = (view.getUint8(at) & 0x0f) * 4;
  const total = view.getUint16(at + 2);
  if (header < IPV4_HEADER || header > length || total < header || (total > length && !quoted)) return false;
  const flags = view.getUint16(at + 6);
  h.length = total;
  h.dontFragment = (flags & 0x4000) !== 0;
  h.hopLimit = view.getUint8(at + 8);
  h.protocol = view.getUint8(at + 9);
  h.source0 = view.getInt32(at + 12);
  h.source1 = h.source2 = h.source3 = 0;
  h.destination0 = view.getInt32(at + 16);
  h.destination1 = h.destination2 = h.destination3 = 0;
  if ((flags & 0x3fff) !== 0) {
    h.fragment = (flags & 0x1fff) === 0 ? Fragment.first : Fragment.later;
    h.fragmentId = view.getUint16(at + 4);
  }
  h.upperAt = at + header;
  h.upperLength = Math.min(total, length) - header;
  if (h.protocol === Protocol.authentication) h.opaque = true;
  else if (h.fragment !== Fragment.later) readUpper(h, view, quoted);
  return true;
}

function readIpv6(h: PacketHeaders, view: DataView, at: number, length: number, quoted: boolean): boolean {
  const total = IPV6_HEADER + view.getUint16(at + 4);
  if (length < IPV6_HEADER || (total > length && !quoted)) return false;
  h.length = total;
  h.dontFragment = true;
  h.protocol = view.getUint8(at + 6);
  h.hopLimit = view.getUint8(at + 7);
  h.source0 = view.getInt32(at + 8);
  h.source1 = view.getInt32(at + 12);
  h.source2 = view.getInt32(at + 16);
  h.source3 = view.getInt32(at + 20);
  h.destination0 = view.getInt32(at + 24);
  h.destination1 = view.getInt32(at + 28);
  h.destination2 = view.getInt32(at + 32);
  h.destination3 = view.getInt32(at + 36);
  h.upperAt = at + IPV6_HEADER;
  h.upperLength = Math.min(total, length) - IPV6_HEADER;
  walkExtensions(h, view);
  if (h.fragment !== Fragment.later && !h.opaque) readUpper(h, view, quoted);
  return true;
}

/** Moves `protocol`, `upperAt` and `upperLength` past the extension headers, or sets `opaque` where that cannot be done. */
function walkExtensions(h: PacketHeaders, view: DataView): void {
  for (let n = 0; isWalkedExtension(h.protocol); n++) {
    const isFragment = h.protocol === Protocol.fragment;
    const twice = isFragment && h.fragment !== Fragment.none;
    const size = isFragment || h.upperLength < 2 ? FRAGMENT_HEADER : (view.getUint8(h.upperAt + 1) + 1) * 8;
    if (n === MAX_EXTENSION_HEADERS || twice || size > h.upperLength) {
      h.opaque = true;
      return;
    }
    if (isFragment) readFragmentHeader(h, view);
    h.protocol = view.getUint8(h.upperAt);
    h.upperAt += size;
    h.upperLength -= size;
    if (h.fragment === Fragment.later) break;
  }
  if (isOpaqueExtension(h.protocol) || isWalkedExtension(h.protocol)) h.opaque = true;
}

/** An atomic fragment, offset 0 and nothing more to come, is a whole packet (RFC 6946). */
function readFragmentHeader(h: PacketHeaders, view: DataView): void {
  const field = view.getUint16(h.upperAt + 2);
  if ((field & 0xfff9) === 0) return;
  h.fragment = (field & 0xfff8) === 0 ? Fragment.first : Fragment.later;
  h.fragmentId = view.getInt32(h.upperAt + 4);
}

function readUpper(h: PacketHeaders, view: DataView, quoted: boolean): void {
  if (h.protocol === Protocol.tcp) readTcp(h, view, quoted);
  else if (h.protocol === Protocol.udp) readUdp(h, view);
  else if (h.protocol === (h.version === 4 ? Protocol.icmp : Protocol.icmpv6)) readIcmp(h, view);
  else h.legible = true;
}

function readTcp(h: PacketHeaders, view: DataView, quoted: boolean): void {
  if (h.upperLength < (quoted ? QUOTED_UPPER : TCP_HEADER)) return;
  if (!quoted) {
    if (tcpHeaderLength(view, h.upperAt, h.upperLength) === 0) return;
    h.tcpFlags = view.getUint8(h.upperAt + 13);
  }
  readPorts(h, view);
}

function readUdp(h: PacketHeaders, view: DataView): void {
  if (h.upperLength >= UDP_HEADER) readPorts(h, view);
}

function readPorts(h: PacketHeaders, view: DataView): void {
  h.sourcePort = view.getUint16(h.upperAt);
  h.destinationPort = view.getUint16(h.upperAt + 2);
  h.legible = true;
}

function readIcmp(h: PacketHeaders, view: DataView): void {
  if (h.upperLength < ICMP_HEADER) return;
  h.icmpType = view.getUint8(h.upperAt);
  h.icmpCode = view.getUint8(h.upperAt + 1);
  const echo = h.version === 4 ? (h.icmpType & ~8) === 0 : (h.icmpType & ~1) === 128;
  if (echo) h.sourcePort = view.getUint16(h.upperAt + 4);
  h.legible = true;
}
