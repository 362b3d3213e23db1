import { WireError } from './errors.ts';

export type IpVersion = 4 | 6;

/** An IP address as its bytes: 4 or 16 of them. */
export interface IpAddress {
  readonly version: IpVersion;
  readonly bytes: Uint8Array;
}

/** A network: an address whose host bits are zero, and how many bits are the network's. */
export interface IpNetwork {
  readonly address: IpAddress;
  readonly prefix: number;
}

/** Parses dotted IPv4 or RFC 4291 IPv6 text (no zone, no leading zeros in IPv4). Throws WireError. */
export function parseAddress(text: string): IpAddress {
  const bytes = text.includes(':') ? parseIpv6(text) : parseIpv4(text);
  if (bytes === undefined) throw new WireError('CULVERT_WIRE_ADDRESS', JSON.stringify(text));
  return { version: bytes.length === 4 ? 4 : 6, bytes };
}

/** Dotted IPv4, or IPv6 as RFC 5952 spells it. */
export function formatAddress(address: IpAddress | Uint8Array): string {
  const bytes = address instanceof Uint8Array ? address : address.bytes;
  return bytes.length === 4 ? bytes.join('.') : formatIpv6(bytes);
}

/** Parses `10.8.0.0/24` or `fd00::/64`; without a prefix it is one host. Set host bits are an error, with the network named. */
export function parseNetwork(text: string): IpNetwork {
  const [addressText = '', prefixText, ...more] = text.split('/');
  const address = parseAddress(addressText);
  const bits = address.bytes.length * 8;
  const prefix = prefixText === undefined ? bits : Number(prefixText);
  if (more.length > 0 || (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText)) || prefix > bits) {
    throw new WireError('CULVERT_WIRE_ADDRESS', `${JSON.stringify(text)}: the prefix is a number from 0 to ${bits}`);
  }
  const network = networkOf(address, prefix);
  if (!sameBytes(network.address.bytes, address.bytes)) {
    throw new WireError(
      'CULVERT_WIRE_ADDRESS',
      `${JSON.stringify(text)} has host bits set; the network is ${formatNetwork(network)}`,
    );
  }
  return network;
}

export function formatNetwork(network: IpNetwork): string {
  return `${formatAddress(network.address)}/${network.prefix}`;
}

/** The network of `prefix` bits that holds `address`. */
export function networkOf(address: IpAddress, prefix: number): IpNetwork {
  const bytes = address.bytes.slice();
  for (let i = 0; i < bytes.length; i++) {
    const kept = Math.min(8, Math.max(0, prefix - i * 8));
    bytes[i] = (bytes[i] ?? 0) & (0xff << (8 - kept));
  }
  return { address: { version: address.version, bytes }, prefix };
}

export function contains(network: IpNetwork, address: IpAddress): boolean {
  return (
    network.address.version === address.version &&
    sameBytes(networkOf(address, network.prefix).address.bytes, network.address.bytes)
  );
}

/** The address `offset` after the network's first. Throws RangeError outside of it. */
export function addressAt(network: IpNetwork, offset: bigint): IpAddress {
  const hostBits = BigInt(network.address.bytes.length * 8 - network.prefix);
  if (offset < 0n || offset >= 1n << hostBits)
    throw new RangeError(`offset ${offset} lies outside ${formatNetwork(network)}`);
  const bytes = network.address.bytes.slice();
  for (let i = bytes.length - 1, rest = offset; rest > 0n; i--, rest >>= 8n) {
    bytes[i] = (bytes[i] ?? 0) | Number(rest & 0xffn);
  }
  return { version: network.address.version, bytes };
}

/** `24` as `255.255.255.0`. */
export function netmask(prefix: number): string {
  return formatAddress(networkOf({ version: 4, bytes: new Uint8Array(4).fill(255) }, prefix).address);
}

/** `255.255.255.0` as 24; undefined when the ones are not together. */
export function prefixOfNetmask(mask: string): number | undefined {
  for (let prefix = 0; prefix <= 32; prefix++) if (netmask(prefix) === mask) return prefix;
  return undefined;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function parseIpv4(text: string): Uint8Array | undefined {
  if (!/^(?:(?:0|[1-9]\d{0,2})(?:\.|$)){4}$/.test(text) || text.endsWith('.')) return undefined;
  const parts = text.split('.').map(Number);
  return parts.every((part) => part <= 255) ? Uint8Array.from(parts) : undefined;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const bytes = new Uint8Array(16);
  const all = [...head, ...new Array<number>(missing).fill(0), ...tail];
  all.forEach((group, i) => {
    bytes[i * 2] = group >>> 8;
    bytes[i * 2 + 1] = group & 0xff;
  });
  return bytes;
}

/** The 16-bit groups of a part without `::`; the last may be dotted IPv4 where `dotted` allows it. */
function groups(text: string, dotted: boolean): number[] | undefined {
  if (text === '') return [];
  const found: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      found.push(Number.parseInt(part, 16));
      continue;
    }
    const v4 = dotted && i === parts.length - 1 ? parseIpv4(part) : undefined;
    if (v4 === undefined) return undefined;
    const [a = 0, b = 0, c = 0, d = 0] = v4;
    found.push((a << 8) | b, (c << 8) | d);
  }
  return found;
}

function formatIpv6(bytes: Uint8Array): string {
  const all = Array.from({ length: 8 }, (_, i) => ((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0));
  let bestAt = -1;
  let bestLength = 1;
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && all[at + length] === 0) length++;
    if (length > bestLength) [bestAt, bestLength] = [at, length];
  }
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  return bestAt < 0 ? text(all) : `${text(all.slice(0, bestAt))}::${text(all.slice(bestAt + bestLength))}`;
}
