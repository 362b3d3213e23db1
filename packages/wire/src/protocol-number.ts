/** IP protocol numbers and IPv6 extension headers (IANA). */
export const Protocol = {
  hopByHop: 0,
  icmp: 1,
  tcp: 6,
  udp: 17,
  routing: 43,
  fragment: 44,
  esp: 50,
  authentication: 51,
  icmpv6: 58,
  noNextHeader: 59,
  destinationOptions: 60,
  mobility: 135,
  hip: 139,
  shim6: 140,
  experiment1: 253,
  experiment2: 254,
} as const;

/** Whether a header may stand between IPv6 and the upper layer although `PacketHeaders` does not walk past it. */
export function isOpaqueExtension(protocol: number): boolean {
  switch (protocol) {
    case Protocol.authentication:
    case Protocol.mobility:
    case Protocol.hip:
    case Protocol.shim6:
    case Protocol.experiment1:
    case Protocol.experiment2:
      return true;
    default:
      return false;
  }
}

/** Whether `PacketHeaders` walks past this IPv6 extension header (RFC 8200, section 4). */
export function isWalkedExtension(protocol: number): boolean {
  return (
    protocol === Protocol.hopByHop ||
    protocol === Protocol.routing ||
    protocol === Protocol.destinationOptions ||
    protocol === Protocol.fragment
  );
}
