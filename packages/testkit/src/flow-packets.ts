/** Packets of flows that can be joined to trains: valid headers and checksums, TCP in sequence, payloads that tell flow and place. */
import { checksum, foldChecksum, pseudoHeaderSum } from '@culvert/wire';

export interface FlowOptions {
  readonly version: 4 | 6;
  readonly protocol: 'tcp' | 'udp';
  /** The last byte of the addresses, which lie in 10.99.0.0/24 and fd99::/64. */
  readonly from: number;
  readonly to: number;
  /** Tells flows between the same two apart. */
  readonly sourcePort: number;
  readonly count: number;
  /** Bytes of payload in each packet. */
  readonly size: number;
  /** Of the whole flow: packets from here on. @default 0 */
  readonly first?: number;
}

const DESTINATION_PORT = 7;
const ACK = 0x10;

export function flowPackets(o: FlowOptions): Uint8Array[] {
  return Array.from({ length: o.count }, (_, i) => flowPacket(o, (o.first ?? 0) + i));
}

/** Packet `n` of the flow. */
function flowPacket(o: FlowOptions, n: number): Uint8Array {
  const ip = o.version === 4 ? 20 : 40;
  const upper = o.protocol === 'tcp' ? 20 : 8;
  const packet = new Uint8Array(ip + upper + o.size);
  const view = new DataView(packet.buffer);
  for (let i = ip + upper; i < packet.length; i++) packet[i] = n * 31 + o.sourcePort + i * 7;
  if (o.size >= 4) view.setUint32(packet.length - 4, n);
  view.setUint16(ip, o.sourcePort);
  view.setUint16(ip + 2, DESTINATION_PORT);
  if (o.protocol === 'udp') view.setUint16(ip + 4, upper + o.size);
  else {
    view.setUint32(ip + 4, (n * o.size) >>> 0);
    view.setUint16(ip + 12, ((upper / 4) << 12) | ACK);
    view.setUint16(ip + 14, 0xffff);
  }
  const addressesAt = writeIp(view, o, n, upper + o.size);
  const number = o.protocol === 'tcp' ? 6 : 17;
  const sum = pseudoHeaderSum(view, o.version, addressesAt, number, upper + o.size);
  const field = ip + (o.protocol === 'tcp' ? 16 : 6);
  view.setUint16(field, checksum(view, ip, upper + o.size, sum) || 0xffff);
  return packet;
}

/** Returns where the addresses lie. */
function writeIp(view: DataView, o: FlowOptions, n: number, upperLength: number): number {
  const protocol = o.protocol === 'tcp' ? 6 : 17;
  if (o.version === 6) {
    view.setUint32(0, 0x6000_0000);
    view.setUint16(4, upperLength);
    view.setUint16(6, (protocol << 8) | 64);
    for (const [at, host] of [
      [8, o.from],
      [24, o.to],
    ] as const) {
      view.setUint16(at, 0xfd99);
      view.setUint8(at + 15, host);
    }
    return 8;
  }
  view.setUint16(0, 0x4500);
  view.setUint16(2, 20 + upperLength);
  view.setUint16(4, n);
  view.setUint16(8, (64 << 8) | protocol);
  view.setUint32(12, 0x0a63_0000 | o.from);
  view.setUint32(16, 0x0a63_0000 | o.to);
  view.setUint16(10, foldChecksum(sumOfHeader(view)));
  return 12;
}

function sumOfHeader(view: DataView): number {
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += view.getUint16(at);
  return sum;
}
