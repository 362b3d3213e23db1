/**
 * Frames of PPP on their way through L2TP, read and written where they lie: which are inner packets, and the header before those.
 *
 *   | ff 03 | 00 21 or 00 57 | IP packet ...      ff 03 is left out under ACFC, 00 under PFC (RFC 1661, sections 6.5 and 6.6)
 */
import type { PacketBatch } from '@culvert/base';
import { PppProtocol, type PppTerms } from '@culvert/ppp';

export type Framing = Pick<PppTerms, 'addressCompression' | 'protocolCompression'>;

export const MOST_HEADER_BYTES = 4;

export function headerBytes({ addressCompression, protocolCompression }: Framing): number {
  return (addressCompression ? 0 : 2) + (protocolCompression ? 1 : 2);
}

/** Writes the header that ends before the inner packet at `at`. */
export function writeFrameHeader(
  arena: Uint8Array,
  at: number,
  { addressCompression, protocolCompression }: Framing,
): void {
  const isIpv6 = (arena[at] ?? 0) >>> 4 === 6;
  arena[at - 1] = isIpv6 ? PppProtocol.ipv6 : PppProtocol.ipv4;
  let start = at - 1;
  if (!protocolCompression) arena[--start] = 0;
  if (addressCompression) return;
  arena[start - 1] = 0x03;
  arena[start - 2] = 0xff;
}

/** Cuts the header off where slot `slot` is an inner packet. False: it is another frame, and stays as it is. */
export function takePacket({ arena, offsets, lengths }: PacketBatch, slot: number): boolean {
  const at = offsets[slot] ?? 0;
  const length = lengths[slot] ?? 0;
  let cut = length > 2 && arena[at] === 0xff && arena[at + 1] === 0x03 ? 2 : 0;
  if (length > cut && arena[at + cut] === 0) cut++;
  const protocol = length > cut ? arena[at + cut] : undefined;
  if (protocol !== PppProtocol.ipv4 && protocol !== PppProtocol.ipv6) return false;
  offsets[slot] = at + cut + 1;
  lengths[slot] = length - cut - 1;
  return true;
}
