/**
 * Where sealed datagrams wait for the end of the turn, so that those of many links leave in one system call.
 *
 * Bounded: what does not fit is dropped by the caller and counted. Nothing here allocates for a packet.
 */
import type { PacketBatch } from '@culvert/base';

export interface Outbox {
  /** The batch to append to; undefined when nothing can be taken now. */
  open(): PacketBatch | undefined;
  /** What stands in the batch from slot `from` on may leave. */
  commit(from: number): void;
  /** Sends what was committed. True: the batch is empty now. */
  makeRoom(): boolean;
}

export function resetBatch(batch: PacketBatch): void {
  batch.count = 0;
  batch.used = 0;
}
