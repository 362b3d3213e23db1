import { overhead } from '@culvert/cipher';

/** Bytes that sealing adds to a packet: a peer with a peer id uses DATA_V2, one without DATA_V1. */
export function overheadOf(peerId: number | undefined): number {
  return peerId === undefined ? overhead.v1 : overhead.v2;
}
