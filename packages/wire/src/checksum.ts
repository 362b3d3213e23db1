/**
 * The Internet checksum (RFC 1071), whole and by difference (RFC 1624). Sums are plain numbers below 2^53, folded at the end,
 * so that parts add up: a pseudo-header's sum is the start of its packet's.
 */

/** The sum of `length` bytes as 16-bit words, not yet folded; an odd last byte counts as the upper half of a word. */
export function sumWords(view: DataView, at: number, length: number, sum = 0): number {
  const end = at + (length & ~1);
  for (let i = at; i < end; i += 2) sum += view.getUint16(i);
  return length & 1 ? sum + (view.getUint8(end) << 8) : sum;
}

/** A sum as the checksum field holds it. */
export function foldChecksum(sum: number): number {
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  return ~sum & 0xffff;
}

/** The checksum over bytes whose checksum field is zero; 0 over bytes that hold a right one. */
export function checksum(view: DataView, at: number, length: number, sum = 0): number {
  return foldChecksum(sumWords(view, at, length, sum));
}

/** `old` after one 16-bit word that it covers went `from` → `to` (RFC 1624, equation 3). */
export function adjustChecksum(old: number, from: number, to: number): number {
  let sum = (~old & 0xffff) + (~from & 0xffff) + to;
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/**
 * The sum of the pseudo-header of TCP, UDP and ICMPv6 (RFC 9293 section 3.1, RFC 8200 section 8.1). The addresses lie one behind
 * the other from `addressesAt`, as in both IP headers; `length` is the upper-layer header's and payload's.
 */
export function pseudoHeaderSum(
  view: DataView,
  version: number,
  addressesAt: number,
  protocol: number,
  length: number,
): number {
  return sumWords(view, addressesAt, version === 4 ? 8 : 32, protocol + length);
}
