/** Packets built by hand, so that the tests share no encoder with what they test. */
import { type TunBatch, type TunDevice, virtioBytes } from '../src/index.ts';

/** An IPv4 packet with an ICMP echo request (RFC 792). Addresses are four numbers. */
export function echoRequest(from: readonly number[], to: readonly number[], sequence: number, payload = 56): Buffer {
  const packet = Buffer.alloc(28 + payload, 0x61);
  packet.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, ...from, ...to, 8, 0, 0, 0, 0x12, 0x34, 0, 0]);
  packet.writeUInt16BE(packet.length, 2);
  packet.writeUInt16BE(sequence, 26);
  packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10);
  packet.writeUInt16BE(checksum(packet.subarray(20)), 22);
  return packet;
}

/** Whether the packet is the kernel's answer to an echo request. */
export function isEchoReply(packet: Buffer): boolean {
  return packet.length >= 28 && packet[0] === 0x45 && packet[9] === 1 && packet[20] === 0;
}

/** RFC 1071 over an even number of bytes. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Appends `packet` to the batch, in a batch of virtio headers behind `header`. */
export function append(batch: TunBatch, packet: Uint8Array, header: Uint8Array = new Uint8Array(virtioBytes)): void {
  if (batch.virtio) {
    batch.arena.set(header, batch.used);
    batch.used += virtioBytes;
  }
  batch.arena.set(packet, batch.used);
  batch.offsets[batch.count] = batch.used;
  batch.lengths[batch.count] = packet.length;
  batch.count++;
  batch.used += packet.length;
}

export interface VirtioHeader {
  readonly flags: number;
  readonly gsoType: number;
  readonly hdrLen: number;
  readonly gsoSize: number;
  readonly csumStart: number;
  readonly csumOffset: number;
}

export function virtioHeader(header: Partial<VirtioHeader>): Buffer {
  const bytes = Buffer.alloc(virtioBytes);
  const { flags = 0, gsoType = 0, hdrLen = 0, gsoSize = 0, csumStart = 0, csumOffset = 0 } = header;
  bytes.set([flags, gsoType]);
  // This machine's byte order, as all that Node runs on and the project supports.
  bytes.set(new Uint8Array(Uint16Array.of(hdrLen, gsoSize, csumStart, csumOffset).buffer), 2);
  return bytes;
}

/** The headers of the batch's packets. */
export function headersOf(batch: TunBatch): VirtioHeader[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const at = (batch.offsets[i] ?? 0) - virtioBytes;
    const [flags = 0, gsoType = 0] = batch.arena.subarray(at, at + 2);
    const words = new Uint16Array(batch.arena.slice(at + 2, at + virtioBytes).buffer);
    const [hdrLen = 0, gsoSize = 0, csumStart = 0, csumOffset = 0] = words;
    return { flags, gsoType, hdrLen, gsoSize, csumStart, csumOffset };
  });
}

/** A UDP packet, as long as may be, whose checksum holds the pseudo-header alone: the rest is for who cuts it. */
export function udpSuperPacket(from: string, to: string, port: number, payload: Uint8Array): Buffer {
  const bytesOf = (address: string) =>
    address.includes(':')
      ? Buffer.from(
          address.replace(/^(\w+)::(\w+)$/, (_, a, b) => a.padStart(4, '0') + '0'.repeat(24) + b.padStart(4, '0')),
          'hex',
        )
      : Buffer.from(address.split('.').map(Number));
  const [source, destination] = [bytesOf(from), bytesOf(to)];
  const length = 8 + payload.length;
  const ip =
    source.length === 4
      ? Buffer.from([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0])
      : Buffer.from([0x60, 0, 0, 0, 0, 0, 17, 64]);
  ip.writeUInt16BE(source.length === 4 ? 20 + length : length, source.length === 4 ? 2 : 4);
  const header = Buffer.concat([ip, source, destination]);
  if (source.length === 4) header.writeUInt16BE(checksum(header), 10);
  const udp = Buffer.from([0x12, 0x34, 0, 0, 0, 0, 0, 0]);
  udp.writeUInt16BE(port, 2);
  udp.writeUInt16BE(length, 4);
  const pseudo = Buffer.concat([source, destination, Buffer.from([0, 17]), udp.subarray(4, 6)]);
  udp.writeUInt16BE(~checksum(pseudo) & 0xffff, 6);
  return Buffer.concat([header, udp, payload]);
}

/** Copies of the batch's packets. */
export function packetsOf(batch: TunBatch): Buffer[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const at = batch.offsets[i] ?? 0;
    return Buffer.from(batch.arena.subarray(at, at + (batch.lengths[i] ?? 0)));
  });
}

/** Reads until `count` packets satisfy `wanted`, and returns those. Rejects after `deadline` milliseconds. */
export function collect(
  device: TunDevice,
  batch: TunBatch,
  wanted: (packet: Buffer) => boolean,
  count = 1,
  deadline = 30_000,
): Promise<Buffer[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer[]>();
  const found: Buffer[] = [];
  const timer = setTimeout(() => reject(new Error(`${found.length} of ${count} packets came`)), deadline).unref();
  device.onReadable(() => {
    batch.count = batch.used = 0;
    device.readBatch(batch);
    found.push(...packetsOf(batch).filter(wanted));
    if (found.length < count) return;
    device.onReadable(undefined);
    resolve(found);
  });
  return promise.finally(() => clearTimeout(timer));
}
