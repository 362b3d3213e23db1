/** What the two ways of changing MPPE's key have in common, for the portable key: types, counts and the layout of a frame. */
import { IPV4_HEADER, IPV6_HEADER } from '@culvert/wire';

// RFC 3078, section 3.
export const FLUSHED = 0x8000;
export const ENCRYPTED = 0x1000;
export const COUNTS = 4096;
export const PROTOCOL = 0xfd;
export const INNER_IPV4 = 0x21;
export const INNER_IPV6 = 0x57;
/** Chosen, and explained in native/mppe-batch.h. */
export const MAX_AHEAD = COUNTS / 2;

/** One direction's keys, packet by packet. */
export interface MppeChain {
  /** Encrypts `inner` in place, under the next count. Returns the two bytes in front of it. */
  seal(inner: Uint8Array): number;
  /** Looks at what came behind the two bytes `header`. Nothing is changed but by `accept`. @param changes key changes that it may spend */
  open(header: number, sealed: Uint8Array, changes: number): Opening | 'unencrypted' | 'late' | 'waiting';
  skip(count: number): void;
  flush(): void;
  close(): void;
}

/** A frame that was decrypted. */
export interface Opening {
  /** Undefined: none came out. */
  readonly packet: Uint8Array | undefined;
  /** Key changes that it took. */
  readonly spent: number;
  /** Counts that it went past. */
  readonly missing: number;
  /** Goes on from there. */
  accept(): void;
}

export function readFrame(frame: Uint8Array): { readonly header: number; readonly sealed: Uint8Array } | undefined {
  let at = frame[0] === 0xff && frame[1] === 0x03 ? 2 : 0;
  if (frame[at] === 0) at++;
  if (frame[at] !== PROTOCOL || frame.length - at < 4) return undefined;
  const header = ((frame[at + 1] ?? 0) << 8) | (frame[at + 2] ?? 0);
  return { header, sealed: frame.subarray(at + 3) };
}

/** The IP packet behind its protocol field of one or two bytes. RC4 authenticates nothing: this is all that tells a wrong key. */
export function innerPacket(plain: Uint8Array): Uint8Array | undefined {
  const first = plain[0] ?? 0;
  const at = (first & 1) === 1 ? 1 : 2;
  if (plain.length <= at || (at === 2 && first !== 0)) return undefined;
  const packet = plain.subarray(at);
  const version = (packet[0] ?? 0) >> 4;
  const word = (offset: number) => ((packet[offset] ?? 0) << 8) | (packet[offset + 1] ?? 0);
  if (plain[at - 1] === INNER_IPV4) {
    if (packet.length < IPV4_HEADER || version !== 4) return undefined;
    const header = 4 * ((packet[0] ?? 0) & 15);
    const total = word(2);
    return header >= IPV4_HEADER && total >= header && total <= packet.length ? packet : undefined;
  }
  if (plain[at - 1] !== INNER_IPV6 || packet.length < IPV6_HEADER || version !== 6) return undefined;
  return IPV6_HEADER + word(4) <= packet.length ? packet : undefined;
}
