/** Inner packets by an encoder of their own, so that they do not agree with the mistakes of the reader under test. */
import { parseAddress } from '@culvert/wire';

export interface Forged {
  readonly from: string;
  readonly to: string;
  /** @default 'udp' */
  readonly protocol?: 'tcp' | 'udp' | 'icmp' | number;
  /** Source and destination. @default [40000, 443] */
  readonly ports?: readonly [number, number];
  /** "S", "SA", "A", "FA", "R" … @default 'A' */
  readonly flags?: string;
  /** The maximum segment size option of TCP. */
  readonly mss?: number;
  /** Type, code, and the second word. @default an echo request, identifier 7 */
  readonly icmp?: readonly [number, number, number];
  /** Bytes of payload, or the payload. @default 8 */
  readonly payload?: number | Uint8Array;
  /** @default 64 */
  readonly hopLimit?: number;
  /** IPv4's don't fragment. @default true */
  readonly dontFragment?: boolean;
  /** Offset in bytes, whether more follow, identification. A later fragment has no upper-layer header. */
  readonly fragment?: readonly [number, boolean, number];
  /** IPv6: puts a header of this number, 8 bytes of it, in front of the upper layer. */
  readonly extension?: number;
}

export function forge(spec: Forged): Uint8Array {
  const [from, to] = [parseAddress(spec.from).bytes, parseAddress(spec.to).bytes];
  return from.length === 4 ? forgeIpv4(spec, from, to) : forgeIpv6(spec, from, to);
}

/** The ICMP error that `at` sends about a packet, back to its source. */
export function complain(at: string, about: Uint8Array, icmp?: readonly [number, number, number]): Uint8Array {
  const ipv4 = about[0] === 0x45;
  const source = ipv4 ? about.slice(12, 16).join('.') : ipv6Text(about.slice(8, 24));
  return forge({
    from: at,
    to: source,
    protocol: 'icmp',
    icmp: icmp ?? (ipv4 ? [3, 3, 0] : [1, 4, 0]),
    payload: about,
  });
}

/** Checks every checksum of a whole packet. */
export function checksumsHold(packet: Uint8Array): boolean {
  const ipv4 = packet[0] === 0x45;
  const header = ipv4 ? 20 : 40;
  if (ipv4 && inverseSum(packet.subarray(0, 20)) !== 0) return false;
  const protocol = packet[ipv4 ? 9 : 6] ?? 0;
  const upper = packet.subarray(header);
  if (protocol === 1) return inverseSum(upper) === 0;
  const addresses = ipv4 ? packet.subarray(12, 20) : packet.subarray(8, 40);
  return inverseSum(pseudo(addresses, protocol, upper.length), upper) === 0;
}

function forgeIpv4(spec: Forged, from: Uint8Array, to: Uint8Array): Uint8Array {
  const number = protocolNumber(spec, 1);
  const [offset, more, id] = spec.fragment ?? [0, false, 0];
  const upper = offset > 0 ? payloadOf(spec) : upperLayer(spec, number, Uint8Array.of(...from, ...to));
  const packet = Uint8Array.of(0x45, 0, 0, 0, 0, 0, 0, 0, spec.hopLimit ?? 64, number, 0, 0, ...from, ...to, ...upper);
  const view = new DataView(packet.buffer);
  const whole = spec.fragment === undefined && (spec.dontFragment ?? true);
  view.setUint16(2, packet.length);
  view.setUint16(4, id);
  view.setUint16(6, (whole ? 0x4000 : 0) | (more ? 0x2000 : 0) | (offset >> 3));
  view.setUint16(10, inverseSum(packet.subarray(0, 20)));
  return packet;
}

function forgeIpv6(spec: Forged, from: Uint8Array, to: Uint8Array): Uint8Array {
  const number = protocolNumber(spec, 58);
  const [offset, more, id] = spec.fragment ?? [0, false, 0];
  let next = number;
  let rest = offset > 0 ? payloadOf(spec) : upperLayer(spec, number, Uint8Array.of(...from, ...to));
  if (spec.extension !== undefined) {
    rest = Uint8Array.of(next, 0, 0, 0, 0, 0, 0, 0, ...rest);
    next = spec.extension;
  }
  if (spec.fragment !== undefined) {
    const head = new Uint8Array(8);
    const view = new DataView(head.buffer);
    view.setUint8(0, next);
    view.setUint16(2, offset | (more ? 1 : 0));
    view.setUint32(4, id);
    rest = Uint8Array.of(...head, ...rest);
    next = 44;
  }
  return Uint8Array.of(
    0x60,
    0,
    0,
    0,
    rest.length >> 8,
    rest.length,
    next,
    spec.hopLimit ?? 64,
    ...from,
    ...to,
    ...rest,
  );
}

function protocolNumber({ protocol = 'udp' }: Forged, icmp: number): number {
  if (typeof protocol === 'number') return protocol;
  return { tcp: 6, udp: 17, icmp }[protocol];
}

function upperLayer(spec: Forged, number: number, addresses: Uint8Array): Uint8Array {
  const payload = payloadOf(spec);
  const [source, destination] = spec.ports ?? [40_000, 443];
  const ports = [source >> 8, source, destination >> 8, destination];
  if (number === 6) {
    const options = spec.mss === undefined ? [] : [2, 4, spec.mss >> 8, spec.mss];
    const offset = (20 + options.length) << 2;
    const segment = Uint8Array.of(
      ...ports,
      0,
      0,
      0,
      1,
      0,
      0,
      0,
      1,
      offset,
      flagBits(spec.flags ?? 'A'),
      255,
      255,
      0,
      0,
      0,
      0,
      ...options,
      ...payload,
    );
    return withChecksum(segment, 16, pseudo(addresses, number, segment.length));
  }
  if (number === 17) {
    const length = 8 + payload.length;
    return withChecksum(
      Uint8Array.of(...ports, length >> 8, length, 0, 0, ...payload),
      6,
      pseudo(addresses, number, length),
    );
  }
  if (number === 1 || number === 58) {
    const [type, code, word] = spec.icmp ?? [number === 1 ? 8 : 128, 0, 7 << 16];
    const message = Uint8Array.of(type, code, 0, 0, word >>> 24, word >>> 16, word >>> 8, word, ...payload);
    return withChecksum(message, 2, number === 58 ? pseudo(addresses, number, message.length) : new Uint8Array(0));
  }
  return payload;
}

function payloadOf({ payload = 8 }: Forged): Uint8Array {
  return typeof payload === 'number' ? new Uint8Array(payload).map((_, i) => i) : payload;
}

function flagBits(letters: string): number {
  return [...letters].reduce((bits, letter) => bits | (1 << 'FSRPA'.indexOf(letter)), 0);
}

function pseudo(addresses: Uint8Array, protocol: number, length: number): Uint8Array {
  return Uint8Array.of(...addresses, 0, protocol, length >> 8, length);
}

function withChecksum(bytes: Uint8Array, at: number, before: Uint8Array): Uint8Array {
  new DataView(bytes.buffer).setUint16(at, inverseSum(before, bytes));
  return bytes;
}

/** `before` has an even length. */
function inverseSum(before: Uint8Array, bytes: Uint8Array = new Uint8Array(0)): number {
  const all = [...before, ...bytes];
  let sum = 0;
  for (let i = 0; i < all.length; i += 2) sum += ((all[i] ?? 0) << 8) | (all[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function ipv6Text(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('hex')
    .replaceAll(/(....)(?=.)/g, '$1:');
}
