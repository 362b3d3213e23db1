/**
 * TCP (RFC 9293, section 3.1), read and patched where it lies.
 *
 *   0             2             4         8            12            13      14       16         18       20
 *   | source port | destination | sequence | ack number | data offset | flags | window | checksum | urgent | options ...
 */
import { adjustChecksum } from './checksum.ts';

export const TCP_HEADER = 20;

export const TcpFlag = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10 } as const;

const CHECKSUM = 16;
const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
const OPTION_MSS_LENGTH = 4;

/** Bytes of header, options included, of the segment of `length` bytes at `at`; 0 when its data offset is impossible. */
export function tcpHeaderLength(view: DataView, at: number, length: number): number {
  const header = (view.getUint8(at + 12) >>> 4) * 4;
  return header >= TCP_HEADER && header <= length ? header : 0;
}

/** Where the value of the maximum segment size option lies; 0 when the segment has none. */
export function findMaximumSegmentSize(view: DataView, at: number, length: number): number {
  const end = at + tcpHeaderLength(view, at, length);
  let option = at + TCP_HEADER;
  while (option + 1 < end) {
    const kind = view.getUint8(option);
    if (kind === OPTION_END) return 0;
    if (kind === OPTION_NOP) {
      option++;
      continue;
    }
    const size = view.getUint8(option + 1);
    if (size < 2 || option + size > end) return 0;
    if (kind === OPTION_MSS && size === OPTION_MSS_LENGTH) return option + 2;
    option += size;
  }
  return 0;
}

/**
 * Lowers the maximum segment size of a whole TCP header to `limit`, and patches the checksum. Returns whether it was larger.
 * `partialChecksum`: the checksum is left to an offload and covers the pseudo-header alone, so it stays.
 */
export function clampMaximumSegmentSize(
  view: DataView,
  at: number,
  length: number,
  limit: number,
  partialChecksum = false,
): boolean {
  const option = findMaximumSegmentSize(view, at, length);
  if (option === 0 || view.getUint16(option) <= limit) return false;
  if (partialChecksum) {
    view.setUint16(option, limit);
    return true;
  }
  const odd = ((option - at) & 1) === 1;
  const sum = at + CHECKSUM;
  if (odd) {
    // The value straddles two of the checksum's words: as the sum sees it, its bytes are swapped.
    view.setUint16(sum, adjustChecksum(view.getUint16(sum), swap(view.getUint16(option)), swap(limit)));
  } else {
    view.setUint16(sum, adjustChecksum(view.getUint16(sum), view.getUint16(option), limit));
  }
  view.setUint16(option, limit);
  return true;
}

function swap(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8);
}
