/** Inner packets to send through links: well-formed headers, a payload that tells its number. */
import { createPacketBatch, type PacketBatch } from '@culvert/base';

const UDP = 17;

/** An IPv4 packet (RFC 791) of `length` bytes, 20 or more; the payload is drawn from `seed`. */
export function ipv4Packet(length: number, seed: number): Uint8Array {
  const packet = filled(length, seed);
  const view = new DataView(packet.buffer);
  packet.set([0x45, 0], 0);
  view.setUint16(2, length);
  view.setUint32(4, 0);
  packet.set([64, UDP, 0, 0], 8);
  packet.set([10, 99, 0, 2, 10, 99, 0, 1], 12);
  view.setUint16(10, headerChecksum(view));
  return packet;
}

/** An IPv6 packet (RFC 8200) of `length` bytes, 40 or more. */
export function ipv6Packet(length: number, seed: number): Uint8Array {
  const packet = filled(length, seed);
  const view = new DataView(packet.buffer);
  view.setUint32(0, 0x6000_0000);
  view.setUint16(4, length - 40);
  packet.set([UDP, 64], 6);
  for (const [at, host] of [
    [8, 2],
    [24, 1],
  ] as const) {
    packet.fill(0, at, at + 16);
    packet.set([0xfd, 0x99], at);
    packet[at + 15] = host;
  }
  return packet;
}

export function batchOf(packets: readonly Uint8Array[]): PacketBatch {
  const bytes = packets.reduce((sum, packet) => sum + packet.length, 0);
  const batch = createPacketBatch(Math.max(packets.length, 1), Math.max(bytes, 1));
  for (const packet of packets) {
    batch.offsets[batch.count] = batch.used;
    batch.lengths[batch.count++] = packet.length;
    batch.arena.set(packet, batch.used);
    batch.used += packet.length;
  }
  return batch;
}

/** Copies of the packets in a batch. */
export function packetsOf(batch: PacketBatch): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let i = 0; i < batch.count; i++) {
    const [at, length] = [batch.offsets[i] ?? 0, batch.lengths[i] ?? 0];
    if (length > 0) packets.push(batch.arena.slice(at, at + length));
  }
  return packets;
}

function filled(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(length);
  for (let i = 0; i < length; i++) packet[i] = seed * 31 + i * 7 + (i >> 8);
  if (length >= 28) new DataView(packet.buffer).setUint32(length - 4, seed);
  return packet;
}

function headerChecksum(view: DataView): number {
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += at === 10 ? 0 : view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
