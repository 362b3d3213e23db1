import { type PacketBatch, virtioBytes } from '@culvert/base';
import { Join } from './trains/face.ts';

/** The range of a call, checked once for both implementations. Throws RangeError or TypeError: the caller's mistake. */
export function checkRange(src: PacketBatch, first: number, count: number, dst: PacketBatch): void {
  if (!isCount(first) || !isCount(count) || first + count > src.count) {
    throw new RangeError(`packets ${first} to ${first + count} of a batch of ${src.count}`);
  }
  if (src.count > slotsOf(src) || dst.count > slotsOf(dst) || dst.used > dst.arena.length) {
    throw new RangeError('a batch counts more than its arrays hold');
  }
  if (src.arena.buffer === dst.arena.buffer) throw new TypeError('the two batches share one arena');
}

/** Which of two batches are to have virtio headers. Undefined: either. */
export function checkKinds(src: PacketBatch, dst: PacketBatch, kinds: { src?: boolean; dst?: boolean }): void {
  if (kinds.src !== undefined && (src.virtio ?? false) !== kinds.src)
    throw new TypeError(`the source must be a batch ${kinds.src ? 'with' : 'without'} virtio headers`);
  if (kinds.dst !== undefined && (dst.virtio ?? false) !== kinds.dst)
    throw new TypeError(`the destination must be a batch ${kinds.dst ? 'with' : 'without'} virtio headers`);
}

/** `packetId` and the `count - 1` numbers after it must all fit in 32 bits: no nonce is ever used twice. */
export function checkPacketIds(packetId: number, count: number): void {
  if (!isCount(packetId) || packetId + count > 0x1_0000_0000) {
    throw new RangeError(`packet ids from ${packetId} on do not last for ${count} packets`);
  }
}

/** Packet ids that sealing `src` may take at most. */
export function mostPackets(src: PacketBatch, first: number, dst: PacketBatch): number {
  return src.virtio === true ? slotsOf(dst) - dst.count : src.count - first;
}

export function checkHeader(header: number, bytes: number): void {
  // Without `**`: this is asked for every batch.
  if (!isCount(header) || header > (bytes === 4 ? 0xffff_ffff : 0xff))
    throw new RangeError(`header ${header} is not of ${bytes} bytes`);
}

export function checkReport(report: Uint32Array, words: number): void {
  if (report.length < words) throw new TypeError(`a report has ${words} words`);
}

export function checkJoin(join: number): void {
  if (!isCount(join) || join > Join.all) throw new TypeError(`${join} is no sum of bits of Join`);
}

/** Throws RangeError unless packet `at` lies in its arena, behind its virtio header where it has one. */
export function checkPlace(batch: PacketBatch, at: number): void {
  const offset = batch.offsets[at] ?? 0;
  const headroom = batch.virtio === true ? virtioBytes : 0;
  if (offset < headroom || offset + (batch.lengths[at] ?? 0) > batch.arena.length)
    throw new RangeError('a packet lies outside of its arena');
}

/** Slots that every array of the batch has. */
export function slotsOf(batch: PacketBatch): number {
  return Math.min(batch.offsets.length, batch.lengths.length, batch.tags.length);
}

function isCount(n: number): boolean {
  return Number.isInteger(n) && n >= 0;
}
