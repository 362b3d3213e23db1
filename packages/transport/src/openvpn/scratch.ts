/**
 * Batches that all sockets and peers of one packet thread share: each is in use only for the length of a call.
 */
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import type { DatagramBatch } from '@culvert/netio';
import { createStreamScratch, type StreamScratch } from './stream-port.ts';
import { createDatagrams } from './udp-port.ts';

const INNER_SLOTS = 256;
const INNER_SLOT_BYTES = 2_048;

export interface Scratch {
  /** What a UDP socket read. */
  readonly datagrams: DatagramBatch;
  /** What a stream read, and what it is about to write. */
  readonly stream: StreamScratch;
  /** Inner packets on their way from a session to the core. */
  readonly inner: PacketBatch;
}

export function createScratch(): Scratch {
  return {
    datagrams: createDatagrams(),
    stream: createStreamScratch(),
    inner: createPacketBatch(INNER_SLOTS, INNER_SLOTS * INNER_SLOT_BYTES),
  };
}
