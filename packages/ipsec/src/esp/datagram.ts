/** What comes to UDP port 4500 (RFC 3948), and what may come out of a security association in transport mode. */
import type { ChildSa } from '../child-sa.ts';

export type Arrived =
  /** The message begins behind the marker, at byte 4. */
  | { readonly kind: 'ike' }
  | { readonly kind: 'esp'; readonly spi: number }
  | { readonly kind: 'keepalive' }
  /** Too short, or of an SPI that no association has (RFC 4303, section 2.1: 1 to 255 are reserved). */
  | { readonly kind: 'malformed' };

const LEAST_SPI = 256;

/** Sorts a datagram from port 4500: | 00 00 00 00 | IKE, | FF | keepalive, all else ESP (RFC 3948, section 2). */
export function sortDatagram(datagram: Uint8Array): Arrived {
  if (datagram.length === 1 && datagram[0] === 0xff) return { kind: 'keepalive' };
  if (datagram.length <= 8) return { kind: 'malformed' };
  const spi = new DataView(datagram.buffer, datagram.byteOffset).getUint32(0);
  if (spi === 0) return { kind: 'ike' };
  return spi < LEAST_SPI ? { kind: 'malformed' } : { kind: 'esp', spi };
}

/**
 * Whether UDP that came out of an association in transport mode is what it was agreed for (RFC 4301, section 5.2, step 4). Addresses
 * are not compared: behind NAT they are those of the peer's own network.
 *
 * @param payload UDP header and what follows; the next header is checked when the packet is opened
 */
export function matchesSelectors({ local, remote }: Pick<ChildSa, 'local' | 'remote'>, payload: Uint8Array): boolean {
  if (payload.length < 8) return false;
  const view = new DataView(payload.buffer, payload.byteOffset);
  const fits = (selector: ChildSa['local'], port: number) => selector.port === 0 || selector.port === port;
  return fits(remote, view.getUint16(0)) && fits(local, view.getUint16(2)) && view.getUint16(4) === payload.length;
}
