/** Where the headers of an IP packet lie, as far as trains mind. */
import {
  IPV4_HEADER,
  IPV6_HEADER,
  Protocol,
  pseudoHeaderSum,
  sumWords,
  TCP_HEADER,
  tcpHeaderLength,
} from '@culvert/wire';

export const UDP_HEADER = 8;
/** Chosen: no train has longer headers, no honest packet more extension headers (as in native/layout.h). */
export const MAX_HEADERS = 512;
const MAX_EXTENSION_HEADERS = 8;

/** Offsets in the TCP header. */
export const Tcp = { seq: 4, ack: 8, dataOffset: 12, flags: 13, window: 14, checksum: 16, urgent: 18 } as const;
/** Offsets in the UDP header. */
export const Udp = { length: 4, checksum: 6 } as const;
export const Flag = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, urg: 0x20, cwr: 0x80 } as const;

export interface Layout {
  readonly version: 4 | 6;
  readonly udp: boolean;
  /** Where the TCP or UDP header begins, from the packet's start; where its checksum lies; where the payload begins. */
  readonly transport: number;
  readonly checksum: number;
  readonly header: number;
}

/**
 * The layout of a whole TCP or UDP packet; `foreign` is no IP packet; `opaque` is an IP packet of which nothing else is known: a
 * fragment, another protocol, lengths that contradict each other.
 * @param exact the lengths in the headers have to be `size`; without it they are ignored
 */
export function readLayout(view: DataView, at: number, size: number, exact: boolean): Layout | 'foreign' | 'opaque' {
  const version = size === 0 ? 0 : view.getUint8(at) >>> 4;
  if (version === 4) return readIpv4(view, at, size, exact);
  return version === 6 ? readIpv6(view, at, size, exact) : 'foreign';
}

/** The sum over the upper layer, pseudo-header and checksum field included: 0xffff, folded, when the checksum is right. */
export function upperSum(view: DataView, at: number, size: number, layout: Layout): number {
  const length = size - layout.transport;
  return sumWords(view, at + layout.transport, length, pseudoSum(view, at, layout, length));
}

/** The sum of the pseudo-header for `length` bytes of upper layer. */
export function pseudoSum(view: DataView, at: number, layout: Layout, length: number): number {
  const protocol = layout.udp ? Protocol.udp : Protocol.tcp;
  return pseudoHeaderSum(view, layout.version, at + (layout.version === 4 ? 12 : 8), protocol, length);
}

function readIpv4(view: DataView, at: number, size: number, exact: boolean): Layout | 'opaque' {
  if (size < IPV4_HEADER) return 'opaque';
  const header = (view.getUint8(at) & 15) * 4;
  if (header < IPV4_HEADER || header > size || (exact && view.getUint16(at + 2) !== size)) return 'opaque';
  const isFragment = (view.getUint16(at + 6) & 0x3fff) !== 0;
  return isFragment ? 'opaque' : readUpper(view, at, size, exact, 4, view.getUint8(at + 9), header);
}

function readIpv6(view: DataView, at: number, size: number, exact: boolean): Layout | 'opaque' {
  if (size < IPV6_HEADER || (exact && IPV6_HEADER + view.getUint16(at + 4) !== size)) return 'opaque';
  let protocol = view.getUint8(at + 6);
  let transport = IPV6_HEADER;
  for (let n = 0; isWholeExtension(protocol); n++) {
    if (n === MAX_EXTENSION_HEADERS || size - transport < 8) return 'opaque';
    const length = (view.getUint8(at + transport + 1) + 1) * 8;
    if (length > size - transport) return 'opaque';
    protocol = view.getUint8(at + transport);
    transport += length;
  }
  return readUpper(view, at, size, exact, 6, protocol, transport);
}

/** Extension headers that each segment of a train may carry. */
function isWholeExtension(protocol: number): boolean {
  return protocol === Protocol.hopByHop || protocol === Protocol.routing || protocol === Protocol.destinationOptions;
}

function readUpper(
  view: DataView,
  at: number,
  size: number,
  exact: boolean,
  version: 4 | 6,
  protocol: number,
  transport: number,
): Layout | 'opaque' {
  const left = size - transport;
  if (protocol === Protocol.tcp) {
    const header = left < TCP_HEADER ? 0 : tcpHeaderLength(view, at + transport, left);
    if (header === 0) return 'opaque';
    return { version, udp: false, transport, checksum: transport + Tcp.checksum, header: transport + header };
  }
  if (protocol !== Protocol.udp || left < UDP_HEADER) return 'opaque';
  if (exact && view.getUint16(at + transport + Udp.length) !== left) return 'opaque';
  return { version, udp: true, transport, checksum: transport + Udp.checksum, header: transport + UDP_HEADER };
}
