/**
 * MPPE (RFC 3078) inside PPP frames, a batch a call.
 *
 *   | ff 03 unless ACFC | 00 unless PFC | fd | 1001, count 12 bits | RC4 of: protocol 00 21 or 00 57, IP packet ... |
 *
 * It hides, badly, and it authenticates nothing: whoever can write to the carrier can change packets unseen, and RC4 with keys of
 * passwords is broken. It is here for peers that have nothing else. Which strengths are allowed is the protocol's business.
 */
import type { PacketBatch } from '@culvert/base';
import { nativeOr } from '../native.ts';
import type { SkippedPackets } from '../trains/face.ts';
import { NativeMppeKey } from './native-mppe.ts';
import { PortableMppeKey } from './portable-mppe.ts';

export type MppeStrength = 128 | 56 | 40;

/** How this link frames what it seals. Opening understands every framing. */
export interface MppeFraming {
  /** Address and control are left out (RFC 1661, section 6.6). */
  readonly acfc: boolean;
  /** The upper byte of the outer protocol field is left out (RFC 1661, section 6.5). */
  readonly pfc: boolean;
  /** Bytes before each frame, zeros in the same slot, for a header of the carrier: 0 to 64. */
  readonly headroom: number;
}

export interface MppeOptions {
  readonly strength: MppeStrength;
  /** The start key of this direction (RFC 3079, section 3.4): 16 bytes, and 8 for 56 and 40 bits. Copied. */
  readonly startKey: Uint8Array;
  readonly framing: MppeFraming;
  /**
   * One key for 256 packets instead of one for each: weaker, and slow here, as only the portable implementation has it.
   * @default false
   */
  readonly stateful?: boolean;
  /**
   * `native` throws CULVERT_CIPHER_NATIVE where the binary does not load.
   * @default native where it loads, else portable (see the key's `implementation`); portable where it is stateful
   */
  readonly implementation?: 'native' | 'portable';
}

/** One direction of one link. Counts start at 0, and the count of a key that opens at whatever comes first. */
export interface MppeKey {
  /** Which of the two does the work. Portable is many times slower: a program that meets it should warn once. */
  readonly implementation: 'native' | 'portable';
  /** By `seal`. What is no IP packet is malformed too. */
  readonly skipped: SkippedPackets;

  /**
   * Seals the IP packets of `src` from index `first` on, skipping lengths of 0, and appends the frames to `dst`, each behind its
   * headroom, which is part of its slot. `dst.tags` gets a copy of `src.tags`.
   * Returns the index of the first packet not consumed: `src.count` when all went, less when `dst` is out of slots or bytes.
   * What was sealed is to be sent in this order, once: the peer's key goes on with the counts.
   *
   * Where `src.virtio` is set, packets are first cut into segments and their checksums completed, a frame and a slot of `dst`
   * each, one behind the other. A packet goes whole or not at all; what cannot go is counted in `skipped`.
   */
  seal(src: PacketBatch, first: number, dst: PacketBatch): number;

  /**
   * Opens `count` PPP frames of `src` from index `first` on, joins what the kernel's GRO would join and appends trains and
   * single packets to `dst`, each with the tag of its first frame. Where `dst.virtio` is not set every packet comes out single.
   * Frames that are no IP packets under MPPE, out of order or repeated get no slot: `report`, which the call fills anew, tells
   * of them. A gap in the counts is caught up with; only a frame that turns out to hold an IP packet moves the key.
   * Returns the index of the first frame not consumed: less than `first + count` when `dst` is out of slots or bytes.
   * @param report at least `MppeReport.words` long
   * @param join bits of `Join`: what the reader of `dst` takes. @default Join.tcp
   */
  openTrain(
    src: PacketBatch,
    first: number,
    count: number,
    dst: PacketBatch,
    report: Uint32Array,
    join?: number,
  ): number;

  /**
   * Goes past `count` packets, as if they had been opened: for a carrier that knows how many were lost, where counts alone, which are
   * of 12 bits, cannot tell. At most `mostSkipped` a call.
   */
  skip(count: number): void;

  /** The peer has lost its place in stateful MPPE: the next packet that is sealed gives it a new one. Without state nothing is to be done. */
  flush(): void;

  /** Forgets the key. Idempotent; `seal` and `openTrain` throw afterwards. */
  close(): void;
}

/** The largest headroom. */
const MAX_HEADROOM = 64;

/** Bytes that a slot of `seal` is longer than its packet. */
export function mppeOverhead(framing: MppeFraming): number {
  return framing.headroom + (framing.acfc ? 0 : 2) + (framing.pfc ? 1 : 2) + 4;
}

/** Bytes of a start key of this strength. */
export function mppeKeyLength(strength: MppeStrength): number {
  return strength === 128 ? 16 : 8;
}

/** Throws TypeError for a strength, length or headroom that does not exist. */
export function createMppeKey(options: MppeOptions): MppeKey {
  const { strength, startKey, framing } = options;
  if (strength !== 128 && strength !== 56 && strength !== 40) throw new TypeError(`MPPE has no ${strength} bits`);
  if (startKey.length !== mppeKeyLength(strength)) {
    throw new TypeError(`a start key of ${strength} bits has ${mppeKeyLength(strength)} bytes`);
  }
  if (!Number.isInteger(framing.headroom) || framing.headroom < 0 || framing.headroom > MAX_HEADROOM) {
    throw new TypeError(`a headroom has 0 to ${MAX_HEADROOM} bytes`);
  }
  if (options.stateful === true) return new PortableMppeKey(options);
  const native = options.implementation === 'portable' ? undefined : nativeOr(options.implementation === undefined);
  return native === undefined ? new PortableMppeKey(options) : new NativeMppeKey(native, options);
}
