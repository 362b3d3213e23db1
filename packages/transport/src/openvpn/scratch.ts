/**
 * Batches that all sockets and peers of one packet thread share: each is in use only for the length of a call.
 */
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import type { DatagramBatch } from '@culvert/netio';
import { createDatagrams } from '../udp-port.ts';
import { createStreamScratch, type StreamScratch } from './stream-port.ts';

const INNER_SLOTS = 512;
/** Room for several trains of 64 KiB. */
const INNER_BYTES = 1_536 * 1_024;

export interface Scratch {
  /** What a UDP socket read. */
  readonly datagrams: DatagramBatch;
  /** What a stream read, and what it is about to write. */
  readonly stream: StreamScratch;
  /** Inner packets on their way from a session to the core: single ones. */
  readonly packets: PacketBatch;
  /** The same, joined to trains behind virtio headers. */
  readonly trains: PacketBatch;
}

export function createScratch(): Scratch {
  return {
    datagrams: createDatagrams(),
    stream: createStreamScratch(),
    packets: createPacketBatch(INNER_SLOTS, INNER_BYTES),
    trains: createPacketBatch(INNER_SLOTS, INNER_BYTES, { virtio: true }),
  };
}

/** Where inner packets go when their reader takes `join` (bits of cipher's `Join`) of them joined. */
export function innerBatch(scratch: Scratch, join: number | undefined): PacketBatch {
  return (join ?? 0) === 0 ? scratch.packets : scratch.trains;
}
