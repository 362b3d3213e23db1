/**
 * The identification payload (RFC 2407, section 4.6.2), in phase 1 who somebody is, in phase 2 which packets are meant.
 *
 *   | type | protocol | port (2) | data ...
 */
import { formatAddress, networkOf, prefixOfNetmask, Reader, WireError, Writer } from '@culvert/wire';
import type { TrafficSelector } from '../../child-sa.ts';
import { addressBytes } from './nat-detection.ts';

/** RFC 2407, section 4.6.2.1. */
export const IdentityType = {
  ipv4Address: 1,
  fqdn: 2,
  userFqdn: 3,
  ipv4Subnet: 4,
  ipv6Address: 5,
  ipv6Subnet: 6,
  derDistinguishedName: 9,
} as const;

export interface Identification {
  readonly type: number;
  readonly protocol: number;
  readonly port: number;
  readonly data: Uint8Array;
}

export function decodeIdentification(body: Uint8Array): Identification {
  const r = new Reader(body);
  return { type: r.u8('id type'), protocol: r.u8('protocol'), port: r.u16('port'), data: r.rest() };
}

export function encodeIdentification({ type, protocol, port, data }: Identification): Uint8Array {
  return new Writer(4 + data.length).u8(type).u8(protocol).u16(port).bytes(data).finish();
}

export function addressIdentification(address: string): Identification {
  const data = addressBytes(address);
  return { type: data.length === 4 ? IdentityType.ipv4Address : IdentityType.ipv6Address, protocol: 0, port: 0, data };
}

/** The network that a phase 2 identification names; undefined for a name, which old Windows sends. Throws WireError. */
export function networkOfIdentification({ type, data }: Identification): string | undefined {
  const half = data.length / 2;
  if (type === IdentityType.ipv4Address || type === IdentityType.ipv6Address) {
    if (data.length !== (type === IdentityType.ipv4Address ? 4 : 16))
      throw new WireError('CULVERT_WIRE_LENGTH', 'address of an identification');
    return `${formatAddress(data)}/${data.length * 8}`;
  }
  if (type !== IdentityType.ipv4Subnet && type !== IdentityType.ipv6Subnet) return undefined;
  if (half !== (type === IdentityType.ipv4Subnet ? 4 : 16))
    throw new WireError('CULVERT_WIRE_LENGTH', 'subnet of an identification');
  const prefix = maskBits(data.subarray(half));
  const network = networkOf({ version: half === 4 ? 4 : 6, bytes: data.subarray(0, half) }, prefix);
  return `${formatAddress(network.address)}/${prefix}`;
}

export function identificationOfSelector({ network, protocol, port }: TrafficSelector): Identification {
  const [address = '', prefixText] = network.split('/');
  const bytes = addressBytes(address);
  const bits = bytes.length * 8;
  const prefix = Number(prefixText ?? bits);
  const isV4 = bits === 32;
  if (prefix === bits)
    return { type: isV4 ? IdentityType.ipv4Address : IdentityType.ipv6Address, protocol, port, data: bytes };
  const mask = networkOf({ version: isV4 ? 4 : 6, bytes: new Uint8Array(bits / 8).fill(0xff) }, prefix).address.bytes;
  return {
    type: isV4 ? IdentityType.ipv4Subnet : IdentityType.ipv6Subnet,
    protocol,
    port,
    data: Buffer.concat([bytes, mask]),
  };
}

function maskBits(mask: Uint8Array): number {
  if (mask.length === 4) {
    const prefix = prefixOfNetmask(formatAddress(mask));
    if (prefix !== undefined) return prefix;
    throw new WireError('CULVERT_WIRE_VALUE', 'mask of an identification');
  }
  const ones = mask.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
  const whole = networkOf({ version: 6, bytes: new Uint8Array(16).fill(0xff) }, ones).address.bytes;
  if (Buffer.compare(whole, mask) !== 0) throw new WireError('CULVERT_WIRE_VALUE', 'mask of an identification');
  return ones;
}
