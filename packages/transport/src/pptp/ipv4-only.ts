import { isIPv4 } from 'node:net';
import { TransportError } from '../errors.ts';

/** RFC 2637 has no other. Throws TransportError CULVERT_TRANSPORT_ADDRESS; undefined is the kernel's choice. */
export function checkIpv4(address: string | undefined): void {
  if (address === undefined || isIPv4(address)) return;
  throw new TransportError('CULVERT_TRANSPORT_ADDRESS', `PPTP wants an IPv4 address, not ${JSON.stringify(address)}`);
}
