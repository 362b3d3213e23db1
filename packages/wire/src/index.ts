/** Bytes and values: no state, no clock. */
export {
  addressAt,
  contains,
  formatAddress,
  formatNetwork,
  type IpAddress,
  type IpNetwork,
  type IpVersion,
  netmask,
  networkOf,
  parseAddress,
  parseNetwork,
  prefixOfNetmask,
} from './address.ts';
export { adjustChecksum, checksum, foldChecksum, pseudoHeaderSum, sumWords } from './checksum.ts';
export { WireError } from './errors.ts';
export { ICMP_HEADER, IcmpType, Icmpv6Type, isEchoReply, isEchoRequest, isIcmpError } from './icmp.ts';
export { Fragment, IPV4_HEADER, IPV6_HEADER, PacketHeaders } from './packet-headers.ts';
export { Protocol } from './protocol-number.ts';
export { Reader } from './reader.ts';
export { sourceOf } from './source.ts';
export { clampMaximumSegmentSize, TCP_HEADER, TcpFlag, tcpHeaderLength } from './tcp.ts';
export { Writer } from './writer.ts';
