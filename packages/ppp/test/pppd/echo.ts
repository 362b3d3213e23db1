/** Pings as bytes: ICMP and ICMPv6 echo packets with their IP header (RFC 792; RFC 4443, section 4). */
import assert from 'node:assert/strict';
import { checksum, formatAddress, parseAddress, pseudoHeaderSum } from '@culvert/wire';

const ICMP = 1;
const ICMPV6 = 58;
const ICMP_BYTES = 8;
const HOPS = 64;
const types = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;

export interface Echo {
  readonly kind: 'request' | 'reply';
  /** Canonical text. */
  readonly from: string;
  readonly to: string;
  /** Identifier and sequence number, four bytes, then the payload. */
  readonly body: Uint8Array;
}

export function encodeEcho({ kind, from, to, body }: Echo): Uint8Array {
  const [source, destination] = [parseAddress(from), parseAddress(to)];
  const { version } = source;
  const header = version === 4 ? 20 : 40;
  const length = ICMP_BYTES - 4 + body.length;
  const packet = new Uint8Array(header + length);
  const view = new DataView(packet.buffer);
  if (version === 4) {
    view.setUint16(0, 0x4500);
    view.setUint16(2, packet.length);
    packet.set([HOPS, ICMP], 8);
  } else {
    view.setUint16(0, 0x6000);
    view.setUint16(4, length);
    packet.set([ICMPV6, HOPS], 6);
  }
  const addressesAt = version === 4 ? 12 : 8;
  packet.set(source.bytes, addressesAt);
  packet.set(destination.bytes, addressesAt + source.bytes.length);
  if (version === 4) view.setUint16(10, checksum(view, 0, header));
  packet[header] = types[version][kind];
  packet.set(body, header + 4);
  view.setUint16(header + 2, checksum(view, header, length, pseudo(view, version, length)));
  return packet;
}

/** Undefined: another packet. Fails where a checksum is wrong. */
export function decodeEcho(packet: Uint8Array): Echo | undefined {
  const version = (packet[0] ?? 0) >>> 4;
  if (version !== 4 && version !== 6) return undefined;
  const header = version === 4 ? ((packet[0] ?? 0) & 15) * 4 : 40;
  const protocol = version === 4 ? packet[9] : packet[6];
  if (protocol !== (version === 4 ? ICMP : ICMPV6)) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const length = packet.length - header;
  const kind = (['request', 'reply'] as const).find((one) => types[version][one] === packet[header]);
  if (kind === undefined) return undefined;
  assert.equal(checksum(view, header, length, pseudo(view, version, length)), 0, 'the checksum of an echo packet');
  const [addressesAt, size] = version === 4 ? [12, 4] : [8, 16];
  const address = (at: number) => formatAddress(packet.subarray(at, at + size));
  return { kind, from: address(addressesAt), to: address(addressesAt + size), body: packet.slice(header + 4) };
}

function pseudo(view: DataView, version: 4 | 6, length: number): number {
  return version === 4 ? 0 : pseudoHeaderSum(view, version, 8, ICMPV6, length);
}
