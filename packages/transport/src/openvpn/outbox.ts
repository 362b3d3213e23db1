/**
 * Where sealed datagrams wait for the end of the turn, so that those of many links leave in one system call.
 *
 * Bounded: what does not fit is dropped by the caller and counted. Nothing here allocates for a packet.
 */
import type { PacketBatch } from '@culvert/base';

export interface Outbox {
  /** The batch to append to, with room for all of `src` after sealing; undefined when full: drop `src`. */
  reserve(src: PacketBatch): PacketBatch | undefined;
  /** What stands in the batch from slot `from` on may leave. */
  commit(from: number): void;
}

/** Room that sealing may add to one packet: header, packet id, tag and compression framing, rounded up. */
const SEAL_ROOM = 64;

/** Whether `batch` has slots and bytes left for all packets of `src` after sealing. */
export function hasRoomFor(batch: PacketBatch, src: PacketBatch): boolean {
  if (batch.count + src.count > batch.offsets.length) return false;
  let bytes = 0;
  for (let i = 0; i < src.count; i++) bytes += (src.lengths[i] ?? 0) + SEAL_ROOM;
  return batch.used + bytes <= batch.arena.length;
}

export function resetBatch(batch: PacketBatch): void {
  batch.count = 0;
  batch.used = 0;
}

/** Calls `flush` once when the present callback ends, however often it is asked. */
export class EndOfTurn {
  readonly #flush: () => void;
  readonly #run = (): void => {
    this.#asked = false;
    this.#flush();
  };
  #asked = false;

  constructor(flush: () => void) {
    this.#flush = flush;
  }

  ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    queueMicrotask(this.#run);
  }
}
