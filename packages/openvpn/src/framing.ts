/**
 * The byte that peers put around packets when they were told of compression (openvpn comp.h, compstub.c). Nothing is ever compressed:
 * what is marked so is refused.
 *
 *   lzo-framing   FA | packet                        `comp-lzo`
 *   stub          FB | packet without its first byte | first byte     `compress stub`
 *   stub-v2       packet; when it begins with 50:  50 00 | packet     `compress stub-v2`
 */
import type { PacketBatch } from '@culvert/base';

export type Framing = 'none' | 'lzo-framing' | 'stub' | 'stub-v2';

const UNCOMPRESSED = 0xfa;
const UNCOMPRESSED_SWAP = 0xfb;
const V2_MARK = 0x50;
const V2_UNCOMPRESSED = 0x00;

/** Takes the framing off slot `slot` of `batch`, in place. False: the packet is compressed or broken; the slot is left alone. */
export function unframe(framing: Framing, batch: PacketBatch, slot: number): boolean {
  if (framing === 'none') return true;
  const at = batch.offsets[slot] ?? 0;
  const length = batch.lengths[slot] ?? 0;
  const first = batch.arena[at];
  if (framing === 'stub-v2') {
    if (first !== V2_MARK) return true;
    if (length < 2 || batch.arena[at + 1] !== V2_UNCOMPRESSED) return false;
    shorten(batch, slot, 2);
    return true;
  }
  // Peers of either kind may send the other's mark.
  if (length < 2 || (first !== UNCOMPRESSED && first !== UNCOMPRESSED_SWAP)) return false;
  if (first === UNCOMPRESSED) {
    shorten(batch, slot, 1);
    return true;
  }
  batch.arena[at] = batch.arena[at + length - 1] ?? 0;
  batch.lengths[slot] = length - 1;
  return true;
}

/** Appends a framed copy of packet `slot` of `src` to `dst`. False when there is no room. */
export function frameInto(framing: Framing, src: PacketBatch, slot: number, dst: PacketBatch): boolean {
  const from = src.offsets[slot] ?? 0;
  const length = src.lengths[slot] ?? 0;
  if (dst.count >= dst.offsets.length || dst.arena.length - dst.used < length + 2) return false;
  const at = dst.used;
  const first = src.arena[from] ?? 0;
  let size = length;
  if (framing === 'stub') {
    dst.arena[at] = UNCOMPRESSED_SWAP;
    dst.arena.set(src.arena.subarray(from + 1, from + length), at + 1);
    dst.arena[at + length] = first;
    size = length + 1;
  } else {
    const prefix =
      framing === 'lzo-framing'
        ? [UNCOMPRESSED]
        : framing === 'stub-v2' && first === V2_MARK
          ? [V2_MARK, V2_UNCOMPRESSED]
          : [];
    dst.arena.set(prefix, at);
    dst.arena.set(src.arena.subarray(from, from + length), at + prefix.length);
    size = length + prefix.length;
  }
  dst.offsets[dst.count] = at;
  dst.lengths[dst.count] = size;
  dst.tags[dst.count] = src.tags[slot] ?? 0;
  dst.count++;
  dst.used = at + size;
  return true;
}

function shorten(batch: PacketBatch, slot: number, by: number): void {
  batch.offsets[slot] = (batch.offsets[slot] ?? 0) + by;
  batch.lengths[slot] = (batch.lengths[slot] ?? 0) - by;
}
