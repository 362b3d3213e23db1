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
  return bytes.length === 4 ? `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}` : formatIpv6(bytes);
}

/** Parses `10.8.0.0/24` or `fd00::/64`; without a prefix it is one host. Set host bits are an error, with the network named. */
export function parseNetwork(text: string): IpNetwork {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  const bits = address.bytes.length * 8;
  if (slash < 0) return { address, prefix: bits };
  const prefixText = text.slice(slash + 1);
  const prefix = Number(prefixText);
  if (!/^\d{1,3}$/.test(prefixText) || prefix > bits) {
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
  const whole = prefix >>> 3;
  if (whole < bytes.length) {
    bytes[whole] = (bytes[whole] ?? 0) & (0xff00 >>> (prefix & 7));
    bytes.fill(0, whole + 1);
  }
  return { address: { version: address.version, bytes }, prefix };
}

export function contains({ address: { version, bytes }, prefix }: IpNetwork, address: IpAddress): boolean {
  if (version !== address.version) return false;
  const whole = prefix >>> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== address.bytes[i]) return false;
  if ((prefix & 7) === 0) return true;
  return (((bytes[whole] ?? 0) ^ (address.bytes[whole] ?? 0)) & (0xff00 >>> (prefix & 7)) & 0xff) === 0;
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

const netmasks = Array.from({ length: 33 }, (_, prefix) =>
  formatAddress(networkOf({ version: 4, bytes: new Uint8Array(4).fill(255) }, prefix).address),
);

/** `24` as `255.255.255.0`. Throws RangeError for what is no prefix of IPv4. */
export function netmask(prefix: number): string {
  const mask = netmasks[prefix];
  if (mask === undefined) throw new RangeError(`a prefix of IPv4 has 0 to 32 bits, not ${prefix}`);
  return mask;
}

/** `255.255.255.0` as 24; undefined when the ones are not together. */
export function prefixOfNetmask(mask: string): number | undefined {
  for (let prefix = 0; prefix <= 32; prefix++) if (netmask(prefix) === mask) return prefix;
  return undefined;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}

const ZERO = 0x30;
const DOT = 0x2e;
const COLON = 0x3a;

/** Characters are looked at one by one here and below: each link that comes and goes is a dozen addresses. */
function parseIpv4(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(4);
  return text.length <= '255.255.255.255'.length && readIpv4(text, 0, bytes, 0) ? bytes : undefined;
}

/** Dotted IPv4 from character `from` to the end, into `bytes` at `at`. False for what is none. */
function readIpv4(text: string, from: number, bytes: Uint8Array, at: number): boolean {
  let part = 0;
  let digits = 0;
  let value = 0;
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const digit = code - ZERO;
    if (code === DOT) {
      if (digits === 0 || part === 3) return false;
      bytes[at + part++] = value;
      digits = value = 0;
    } else {
      if (digit < 0 || digit > 9 || (digits > 0 && value === 0)) return false;
      value = value * 10 + digit;
      digits++;
      if (value > 255) return false;
    }
  }
  bytes[at + part] = value;
  return part === 3 && digits > 0;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(16);
  /** Bytes that are there, and how many of them were before `::`. */
  let filled = 0;
  let gap = -1;
  let i = 0;
  if (text.startsWith('::')) {
    gap = 0;
    i = 2;
  }
  while (i < text.length) {
    if (filled === 16) return undefined;
    const end = endOfGroup(text, i);
    if (text.charCodeAt(end) === DOT) {
      if (filled > 12 || !readIpv4(text, i, bytes, filled)) return undefined;
      filled += 4;
      break;
    }
    const group = end > i && end - i <= 4 ? Number.parseInt(text.slice(i, end), 16) : -1;
    if (group < 0) return undefined;
    bytes[filled++] = group >>> 8;
    bytes[filled++] = group & 0xff;
    i = end;
    if (i === text.length) break;
    if (text.charCodeAt(i++) !== COLON || i === text.length) return undefined;
    if (text.charCodeAt(i) === COLON) {
      if (gap >= 0) return undefined;
      gap = filled;
      i++;
    }
  }
  if (gap < 0) return filled === 16 ? bytes : undefined;
  if (filled > 14) return undefined;
  bytes.copyWithin(16 - (filled - gap), gap, filled);
  bytes.fill(0, gap, 16 - (filled - gap));
  return bytes;
}

/** Where the hexadecimal digits that begin at `at` end. */
function endOfGroup(text: string, at: number): number {
  let end = at;
  while (end < text.length && isHexadecimal(text.charCodeAt(end))) end++;
  return end;
}

function isHexadecimal(code: number): boolean {
  const letter = code | 0x20;
  return (code >= ZERO && code <= 0x39) || (letter >= 0x61 && letter <= 0x66);
}

function formatIpv6(bytes: Uint8Array): string {
  let bestAt = 8;
  let bestLength = 1;
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groupAt(bytes, at + length) === 0) length++;
    if (length > bestLength) [bestAt, bestLength] = [at, length];
  }
  let text = '';
  for (let at = 0; at < 8; at++) {
    if (at === bestAt) {
      text += '::';
      at += bestLength - 1;
    } else {
      text += `${text === '' || text.endsWith(':') ? '' : ':'}${groupAt(bytes, at).toString(16)}`;
    }
  }
  return text;
}

function groupAt(bytes: Uint8Array, group: number): number {
  return ((bytes[group * 2] ?? 0) << 8) | (bytes[group * 2 + 1] ?? 0);
}
