/**
 * Frames that came before one that is missing, until it comes, time runs out or the places do (RFC 2637, section 4.2, leaves it to the
 * receiver). A batch of its own, whose slot for a sequence number is that number modulo the number of slots, so what it gives lies in
 * order in at most two runs.
 */
import { createPacketBatch, type PacketBatch } from '@culvert/base';

export class ReorderBuffer {
  readonly batch: PacketBatch;
  readonly #slotBytes: number;
  #held = 0;

  /** @param slots a power of two */
  constructor(slots: number, slotBytes: number) {
    this.batch = createPacketBatch(slots, slots * slotBytes);
    this.batch.count = slots;
    this.#slotBytes = slotBytes;
  }

  get held(): number {
    return this.#held;
  }

  has(sequence: number): boolean {
    return this.batch.lengths[this.#slotOf(sequence)] !== 0;
  }

  /** Copies a frame in. False: it is there already, is empty, or is longer than a slot. */
  put(sequence: number, from: PacketBatch, at: number, length: number): boolean {
    const slot = this.#slotOf(sequence);
    if (length === 0 || length > this.#slotBytes || this.batch.lengths[slot] !== 0) return false;
    const to = slot * this.#slotBytes;
    copy(from.arena, at, this.batch.arena, to, length);
    this.batch.offsets[slot] = to;
    this.batch.lengths[slot] = length;
    this.#held++;
    return true;
  }

  /** The number of frames from `sequence` on without a gap, up to the end of the batch: one run, from `slotOf` on. */
  runFrom(sequence: number): number {
    const first = this.#slotOf(sequence);
    let slot = first;
    while (slot < this.batch.count && this.batch.lengths[slot] !== 0) slot++;
    return slot - first;
  }

  firstSlot(sequence: number): number {
    return this.#slotOf(sequence);
  }

  /** The frames of a run were given: their slots are free. */
  free(first: number, count: number): void {
    this.batch.lengths.fill(0, first, first + count);
    this.#held -= count;
  }

  #slotOf(sequence: number): number {
    return sequence & (this.batch.count - 1);
  }
}

/** `Uint8Array.set` wants a view of the source, which costs more than the copy of a short frame; frames are held seldom. */
function copy(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  target.set(source.subarray(from, from + length), to);
}
