/** What comes to UDP port 4500 (RFC 3948), and what may come out of a security association in transport mode. Read where it lies. */
import type { ChildSa } from '../child-sa.ts';

/** `malformed`: too short, or of an SPI that no association has (RFC 4303, section 2.1: 1 to 255 are reserved). */
export type Arrived = 'ike' | 'esp' | 'keepalive' | 'malformed';

export const LEAST_SPI = 256;
export const UDP_PROTOCOL = 17;
export const UDP_HEADER_BYTES = 8;

/**
 * Sorts a datagram from port 4500: | 00 00 00 00 | IKE, whose message begins behind this marker, | FF | keepalive, all else ESP
 * (RFC 3948, section 2).
 */
export function sortDatagram(view: DataView, at: number, length: number): Arrived {
  if (length === 1 && view.getUint8(at) === 0xff) return 'keepalive';
  if (length <= 8) return 'malformed';
  const spi = view.getUint32(at);
  if (spi === 0) return 'ike';
  return spi < LEAST_SPI ? 'malformed' : 'esp';
}

/** Of a datagram that is ESP. */
export function spiOf(view: DataView, at: number): number {
  return view.getUint32(at);
}

/**
 * Whether UDP that came out of an association in transport mode is what it was agreed for (RFC 4301, section 5.2, step 4). Addresses
 * are not compared: behind NAT they are those of the peer's own network. Its checksum was made over these, and the packet is authentic
 * without it (RFC 3948, section 3.1.2).
 *
 *   | source port 2 | destination port 2 | length 2 | checksum 2 | ...        the next header is checked when the packet is opened
 */
export function matchesSelectors(
  sa: Pick<ChildSa, 'local' | 'remote'>,
  view: DataView,
  at: number,
  length: number,
): boolean {
  if (length < UDP_HEADER_BYTES || view.getUint16(at + 4) !== length) return false;
  return selects(sa.remote, view.getUint16(at)) && selects(sa.local, view.getUint16(at + 2));
}

function selects({ protocol, port }: ChildSa['local'], found: number): boolean {
  return (protocol === 0 || protocol === UDP_PROTOCOL) && (port === 0 || port === found);
}

/** Writes the UDP header of the `length` bytes at `at`, header included. No checksum: IPv4 does without, and ESP is stronger. */
export function writeUdpHeader(
  view: DataView,
  at: number,
  length: number,
  ports: { readonly local: number; readonly remote: number },
): void {
  view.setUint16(at, ports.local);
  view.setUint16(at + 2, ports.remote);
  view.setUint16(at + 4, length);
  view.setUint16(at + 6, 0);
}
