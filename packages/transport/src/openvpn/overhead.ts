import { overhead } from '@culvert/cipher';

/** Room for the outer packet around the largest inner one. */
const PACKET_ROOM = 256;
/** Control packets are up to this long whatever the inner MTU. */
const LEAST_MAX_PACKET = 2_048;

/** The longest OpenVPN packet of a peer whose inner packets have up to `mtu` bytes. */
export function maxPacketOf(mtu: number): number {
  return Math.max(LEAST_MAX_PACKET, mtu + PACKET_ROOM);
}

/** Bytes that sealing adds to a packet: a peer with a peer id uses DATA_V2, one without DATA_V1. */
export function overheadOf(peerId: number | undefined): number {
  return peerId === undefined ? overhead.v1 : overhead.v2;
}
