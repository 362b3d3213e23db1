import type { PacketHeaders } from '@culvert/wire';

/**
 * Whether no router forwards to this destination: multicast, broadcast, loopback, link-local, unspecified and reserved addresses,
 * and IPv4 addresses dressed as IPv6 (RFC 1122 section 3.2.1.3, RFC 3927 section 7, RFC 4291 section 2.5).
 */
export function isMartianDestination(h: PacketHeaders): boolean {
  if (h.version === 4) return isMartianIpv4(h.destination0);
  return isMartianIpv6(h.destination0, h.destination1, h.destination2, h.destination3);
}

/** Whether nobody can be told anything at this source. */
export function isMartianSource(h: PacketHeaders): boolean {
  if (h.version === 4) return isMartianIpv4(h.source0);
  return isMartianIpv6(h.source0, h.source1, h.source2, h.source3);
}

function isMartianIpv4(address: number): boolean {
  const top = address >>> 24;
  return top === 0 || top === 127 || top >= 224 || address >>> 16 === 0xa9fe;
}

function isMartianIpv6(a: number, b: number, c: number, d: number): boolean {
  const top = a >>> 24;
  if (top === 0xff || a >>> 22 === 0x3fa) return true;
  if (a !== 0 || b !== 0) return false;
  return (c === 0 && d >>> 1 === 0) || c === 0xffff;
}
