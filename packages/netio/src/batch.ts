import { createPacketBatch, type PacketBatch } from '@culvert/base';
import { pathWords } from './path.ts';

/** A packet batch whose packet `i` has the path at word `i * pathWords` of `paths`. */
export interface DatagramBatch extends PacketBatch {
  readonly paths: Uint32Array;
  /**
   * Set by `recvBatch`: so many datagrams from `i` on, itself included, are known to have one path, because they came as a train. It
   * says nothing of the datagram behind them.
   */
  readonly runs: Uint32Array;
}

/** A batch with room for `slots` datagrams and `bytes` bytes, all of it allocated here and never again. */
export function createDatagramBatch(slots: number, bytes: number): DatagramBatch {
  return {
    ...createPacketBatch(slots, bytes),
    paths: new Uint32Array(slots * pathWords),
    runs: new Uint32Array(slots),
  };
}
