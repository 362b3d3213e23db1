import type { PacketBatch } from '@culvert/base';

/** The range of a call, checked once for both implementations. Throws RangeError or TypeError: the caller's mistake. */
export function checkRange(src: PacketBatch, first: number, count: number, dst: PacketBatch): void {
  if (!isCount(first) || !isCount(count) || first + count > src.count) {
    throw new RangeError(`packets ${first} to ${first + count} of a batch of ${src.count}`);
  }
  if (src.count > slots(src) || dst.count > slots(dst) || dst.used > dst.arena.length) {
    throw new RangeError('a batch counts more than its arrays hold');
  }
  if (src.arena.buffer === dst.arena.buffer) throw new TypeError('the two batches share one arena');
}

/** `packetId` and the `count - 1` numbers after it must all fit in 32 bits: no nonce is ever used twice. */
export function checkPacketIds(packetId: number, count: number): void {
  if (!isCount(packetId) || packetId + count > 0x1_0000_0000) {
    throw new RangeError(`packet ids from ${packetId} on do not last for ${count} packets`);
  }
}

export function checkHeader(header: number, bytes: number): void {
  if (!isCount(header) || header >= 2 ** (8 * bytes)) throw new RangeError(`header ${header} is not of ${bytes} bytes`);
}

function isCount(n: number): boolean {
  return Number.isInteger(n) && n >= 0;
}

function slots(batch: PacketBatch): number {
  return Math.min(batch.offsets.length, batch.lengths.length, batch.tags.length);
}
