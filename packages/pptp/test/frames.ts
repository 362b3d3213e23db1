/** Frames that tell their number, in batches with room for GRE headers, and what came out of a tunnel. */
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import { GRE_HEADER_BYTES } from '../src/gre-header.ts';
import { GreTunnel, type GreTunnelOptions } from '../src/gre-tunnel.ts';

/** Frame `n`: ff 03 00 21, its number, and some bytes so that lengths differ. */
export function frame(n: number): Uint8Array {
  const bytes = new Uint8Array(8 + (n % 50));
  bytes.set([0xff, 3, 0, 0x21]);
  new DataView(bytes.buffer).setUint32(4, n);
  return bytes;
}

export function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(4);
}

/** The batch of `packets`, each behind `room` bytes of its slot. */
export function batchOf(packets: readonly Uint8Array[], room = GRE_HEADER_BYTES): PacketBatch {
  const batch = createPacketBatch(
    Math.max(1, packets.length),
    packets.reduce((sum, packet) => sum + room + packet.length, 1),
  );
  for (const packet of packets) {
    batch.offsets[batch.count] = batch.used;
    batch.lengths[batch.count++] = room + packet.length;
    batch.arena.set(packet, batch.used + room);
    batch.used += room + packet.length;
  }
  return batch;
}

export function packetsOf(batch: PacketBatch, first = 0, count = batch.count): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let i = first; i < first + count; i++) {
    const [at = 0, length = 0] = [batch.offsets[i], batch.lengths[i]];
    if (length > 0) packets.push(batch.arena.slice(at, at + length));
  }
  return packets;
}

/** A tunnel, and the frames that it gave. */
export function tunnel(options: Partial<GreTunnelOptions> = {}) {
  const given: Uint8Array[] = [];
  const machine = new GreTunnel({
    peerCallId: 9,
    peerWindow: 64,
    onFrames: (batch, first, count) => void given.push(...packetsOf(batch, first, count)),
    ...options,
  });
  return { machine, given, numbers: () => given.map(numberOf) };
}

/** The packets that a tunnel makes of frames `numbers`. */
export function wrapped(
  machine: GreTunnel,
  numbers: readonly number[],
  now: Parameters<GreTunnel['wrap']>[2],
): Uint8Array[] {
  const batch = batchOf(numbers.map(frame));
  machine.wrap(batch, 0, now);
  return packetsOf(batch);
}
