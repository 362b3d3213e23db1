/** Packets built by hand, so that the tests share no encoder with what they test. */
import type { TunBatch, TunDevice } from '../src/index.ts';

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

/** Appends `packet` to the batch. */
export function append(batch: TunBatch, packet: Uint8Array): void {
  batch.arena.set(packet, batch.used);
  batch.offsets[batch.count] = batch.used;
  batch.lengths[batch.count] = packet.length;
  batch.count++;
  batch.used += packet.length;
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
  deadline = 5_000,
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
