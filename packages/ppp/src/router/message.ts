/**
 * Router Solicitation and Advertisement (RFC 4861, section 4; RDNSS: RFC 8106, section 5.1), with their IPv6 header. Over a link of two
 * ends they have no link-layer options. They are data: under MPPE they go encrypted.
 *
 *   IPv6 40          hop limit 255; source link-local
 *   solicitation     | 133 | 0 | checksum 2 | 0 4 | options ...
 *   advertisement    | 134 | 0 | checksum 2 | hop limit 1 | flags 1 | lifetime 2 | reachable 4 | retransmit 4 | options ...
 *   prefix           | 3 | 4 | bits 1 | L A flags 1 | valid 4 | preferred 4 | 0 4 | prefix 16 |
 *   MTU              | 5 | 1 | 0 2 | MTU 4 |
 *   name servers     | 25 | 1 + 2n | 0 2 | lifetime 4 | n x address 16 |
 *
 * A peer chooses how often these are decoded, so nothing here throws: what is not valid is undefined.
 */
import { checksum, pseudoHeaderSum } from '@culvert/wire';

const IPV6_BYTES = 40;
const ADDRESS_BYTES = 16;
const ICMPV6 = 58;
const HOP_LIMIT = 255;
const SOLICITATION = 133;
const ADVERTISEMENT = 134;
const SOLICITATION_BYTES = 8;
const ADVERTISEMENT_BYTES = 16;
const PREFIX_OPTION = 3;
const MTU_OPTION = 5;
const RDNSS_OPTION = 25;
const PREFIX_OPTION_BYTES = 32;
const ON_LINK = 0x80;
const AUTONOMOUS = 0x40;

const ALL_NODES = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);

// Chosen by us.
/** Prefixes and name servers that we look at in one advertisement. */
const MOST_ENTRIES = 8;

export interface Prefix {
  /** 16 bytes, host bits zero. */
  readonly prefix: Uint8Array;
  readonly bits: number;
  /** In seconds. */
  readonly valid: number;
  readonly preferred: number;
  /** Hosts make addresses in it (SLAAC, RFC 4862). */
  readonly autonomous: boolean;
}

export interface Advertisement {
  /** In seconds; 0: not a default router. */
  readonly lifetime: number;
  readonly prefixes: readonly Prefix[];
  readonly mtu: number | undefined;
  readonly nameServers: readonly Uint8Array[];
}

/** Whether the IP packet at `at` is for `router/`: an IPv6 packet whose header is followed by one of the two messages. */
export function isRouterMessage(arena: Uint8Array, at: number, length: number): boolean {
  if (length < IPV6_BYTES + SOLICITATION_BYTES || (arena[at] ?? 0) >>> 4 !== 6 || arena[at + 6] !== ICMPV6)
    return false;
  const type = arena[at + IPV6_BYTES];
  return type === SOLICITATION || type === ADVERTISEMENT;
}

export function encodeSolicitation(from: Uint8Array): Uint8Array {
  return seal(from, ALL_ROUTERS, Uint8Array.of(SOLICITATION, 0, 0, 0, 0, 0, 0, 0));
}

/** Who asks; undefined where the packet is no valid solicitation (RFC 4861, section 6.1.1). Borrows from the input. */
export function decodeSolicitation(packet: Uint8Array): Uint8Array | undefined {
  const message = open(packet, SOLICITATION, SOLICITATION_BYTES);
  if (message === undefined || optionsOf(message.subarray(SOLICITATION_BYTES)) === undefined) return undefined;
  return sourceOf(packet);
}

/** @param to @default every node of the link */
export function encodeAdvertisement(
  from: Uint8Array,
  advertisement: Advertisement,
  to: Uint8Array = ALL_NODES,
): Uint8Array {
  const { lifetime, prefixes, mtu, nameServers } = advertisement;
  const serverBytes = nameServers.length === 0 ? 0 : 8 + nameServers.length * ADDRESS_BYTES;
  const mtuBytes = mtu === undefined ? 0 : 8;
  const message = new Uint8Array(ADVERTISEMENT_BYTES + prefixes.length * PREFIX_OPTION_BYTES + mtuBytes + serverBytes);
  const view = new DataView(message.buffer);
  message[0] = ADVERTISEMENT;
  message[4] = 64;
  view.setUint16(6, lifetime);
  let at = ADVERTISEMENT_BYTES;
  for (const { prefix, bits, valid, preferred, autonomous } of prefixes) {
    message.set([PREFIX_OPTION, PREFIX_OPTION_BYTES / 8, bits, autonomous ? AUTONOMOUS | ON_LINK : ON_LINK], at);
    view.setUint32(at + 4, valid);
    view.setUint32(at + 8, preferred);
    message.set(prefix, at + 16);
    at += PREFIX_OPTION_BYTES;
  }
  if (mtu !== undefined) {
    message.set([MTU_OPTION, 1], at);
    view.setUint32(at + 4, mtu);
    at += mtuBytes;
  }
  if (serverBytes > 0) {
    message.set([RDNSS_OPTION, serverBytes / 8], at);
    view.setUint32(at + 4, lifetime);
    for (const [n, server] of nameServers.entries()) message.set(server, at + 8 + n * ADDRESS_BYTES);
  }
  return seal(from, to, message);
}

/** What a router says, and who it is; undefined where the packet is no valid advertisement (RFC 4861, section 6.1.2). */
export function decodeAdvertisement(
  packet: Uint8Array,
): { readonly router: Uint8Array; readonly advertisement: Advertisement } | undefined {
  const message = open(packet, ADVERTISEMENT, ADVERTISEMENT_BYTES);
  const options = message && optionsOf(message.subarray(ADVERTISEMENT_BYTES));
  const router = sourceOf(packet);
  if (message === undefined || options === undefined || !isLinkLocal(router)) return undefined;
  const prefixes: Prefix[] = [];
  const nameServers: Uint8Array[] = [];
  let mtu: number | undefined;
  for (const option of options) {
    const view = new DataView(option.buffer, option.byteOffset, option.length);
    if (option[0] === PREFIX_OPTION && option.length === PREFIX_OPTION_BYTES && prefixes.length < MOST_ENTRIES) {
      const [, , bits = 0, flags = 0] = option;
      const times = { valid: view.getUint32(4), preferred: view.getUint32(8) };
      if (bits > 128) continue;
      prefixes.push({ prefix: option.slice(16, 32), bits, ...times, autonomous: (flags & AUTONOMOUS) !== 0 });
    } else if (option[0] === MTU_OPTION && option.length === 8) {
      mtu = view.getUint32(4);
    } else if (option[0] === RDNSS_OPTION) {
      for (let at = 8; at + ADDRESS_BYTES <= option.length && nameServers.length < MOST_ENTRIES; at += ADDRESS_BYTES)
        nameServers.push(option.slice(at, at + ADDRESS_BYTES));
    }
  }
  const lifetime = ((message[6] ?? 0) << 8) | (message[7] ?? 0);
  return { router: router.slice(), advertisement: { lifetime, prefixes, mtu, nameServers } };
}

/** fe80:: with the interface identifier (RFC 5072, section 5). */
export function linkLocal(interfaceId: Uint8Array): Uint8Array {
  const address = new Uint8Array(ADDRESS_BYTES);
  address[0] = 0xfe;
  address[1] = 0x80;
  address.set(interfaceId, 8);
  return address;
}

export function isLinkLocal(address: Uint8Array): boolean {
  return address[0] === 0xfe && ((address[1] ?? 0) & 0xc0) === 0x80;
}

function seal(from: Uint8Array, to: Uint8Array, message: Uint8Array): Uint8Array {
  const packet = new Uint8Array(IPV6_BYTES + message.length);
  const view = new DataView(packet.buffer);
  packet[0] = 0x60;
  view.setUint16(4, message.length);
  packet[6] = ICMPV6;
  packet[7] = HOP_LIMIT;
  packet.set(from, 8);
  packet.set(to, 24);
  packet.set(message, IPV6_BYTES);
  const sum = pseudoHeaderSum(view, 6, 8, ICMPV6, message.length);
  view.setUint16(IPV6_BYTES + 2, checksum(view, IPV6_BYTES, message.length, sum));
  return packet;
}

/** The message of `type` in the packet. Borrows from it. */
function open(packet: Uint8Array, type: number, shortest: number): Uint8Array | undefined {
  if (!isRouterMessage(packet, 0, packet.length) || packet[IPV6_BYTES] !== type) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const length = view.getUint16(4);
  if (length < shortest || IPV6_BYTES + length > packet.length || packet[7] !== HOP_LIMIT) return undefined;
  if (packet[IPV6_BYTES + 1] !== 0) return undefined;
  const sum = pseudoHeaderSum(view, 6, 8, ICMPV6, length);
  return checksum(view, IPV6_BYTES, length, sum) === 0 ? packet.subarray(IPV6_BYTES, IPV6_BYTES + length) : undefined;
}

/** Each option whole; undefined where one has no length or is longer than what is left. */
function optionsOf(bytes: Uint8Array): Uint8Array[] | undefined {
  const options: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = (bytes[at + 1] ?? 0) * 8;
    if (length === 0 || at + length > bytes.length) return undefined;
    options.push(bytes.subarray(at, at + length));
    at += length;
  }
  return options;
}

function sourceOf(packet: Uint8Array): Uint8Array {
  return packet.subarray(8, 24);
}
