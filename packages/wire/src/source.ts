import { formatNetwork, networkOf, parseAddress } from './address.ts';

/** What one household or host has of IPv6 (RFC 6177): its addresses count as one source. */
const IPV6_SOURCE_PREFIX = 64;

/** Whom limits of one source count `address` for: an IPv4 address itself, the /64 of an IPv6 address. Throws WireError for neither. */
export function sourceOf(address: string): string {
  if (!address.includes(':')) return address;
  const [withoutZone = address] = address.split('%');
  return formatNetwork(networkOf(parseAddress(withoutZone), IPV6_SOURCE_PREFIX));
}
