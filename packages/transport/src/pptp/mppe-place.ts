/**
 * Where the peer's encryption is, by the frames that came: how far the key has to go after a gap, whether the link may spend that much on
 * it, and when the place is lost.
 */
import type { Instant, Millis } from '@culvert/base';

/** Coherency counts of MPPE (RFC 3078, section 3). */
const COUNTS = 4_096;
/** After so many lost packets the counts no longer tell where the key is: it takes what is further ahead than half of them for old. */
export const FAR = COUNTS / 2 - 1;
/** Key changes for gaps that a link may spend at once: 80 ms of work, 500 with portable code. What lost more has lost its place. */
export const MOST_LOST = 200_000;
/** So many it gets back in time, 0.4 % of a core; and one for each frame that could be decrypted, which costs more than the change. */
const CHANGES_A_MILLI = 10;
/** Frames in a row that cannot be decrypted: no gap has so many. */
const MOST_MISSED = 2 * COUNTS;
/** So few are enough where nothing else came for so long. */
const FEW_MISSED = 4;
const MISSED_FOR: Millis = 10_000;

export class MppePlace {
  #count = COUNTS - 1;
  #lost = 0;
  /** Packets that may have been encrypted ones, since the last that `pass` took. */
  #gap = 0;
  #passed = 0;
  #missed = 0;
  #missedSince = 0 as Instant;
  #isLost = false;
  #changes = MOST_LOST;
  #refilled: Instant | undefined;

  /** What the tunnel lost since the last call. @param lost in all */
  lostSince(lost: number): number {
    const more = lost - this.#lost;
    this.#lost = lost;
    this.#gap += more;
    return more;
  }

  /** How many packets the peer has encrypted, up to the last one that `pass` took. */
  get passed(): number {
    return this.#passed;
  }

  /**
   * An encrypted frame with `count` came while there is no key: the peer may be up long before us. Where fewer packets are missing than it
   * says it is forged or damaged, and one that is missing.
   */
  pass(count: number): void {
    const ahead = this.aheadOf(count, this.#gap);
    if (ahead === 0 || ahead > this.#gap + 1) {
      this.#gap++;
      return;
    }
    this.#passed += ahead;
    this.#count = count;
    this.#gap = 0;
  }

  /** `frames` more, up to the one with `count`, could be decrypted. */
  reached(count: number, frames: number): void {
    this.#count = count;
    this.#missed = 0;
    this.#changes = Math.min(MOST_LOST, this.#changes + frames);
  }

  /** So many more could not. True, once: that is too many in a row, or for too long. */
  missed(frames: number, now: Instant): boolean {
    if (frames === 0 || this.#isLost) return false;
    if (this.#missed === 0) this.#missedSince = now;
    this.#missed += frames;
    const isLong = this.#missed >= FEW_MISSED && now - this.#missedSince >= MISSED_FOR;
    this.#isLost = isLong || this.#missed >= MOST_MISSED;
    return this.#isLost;
  }

  /** How far ahead of the last count `count` is, when `lost` packets are missing, most of them encrypted. */
  aheadOf(count: number, lost: number): number {
    const ahead = (count - this.#count + COUNTS) % COUNTS;
    return ahead + COUNTS * Math.max(0, Math.floor((lost + 1 - ahead) / COUNTS));
  }

  /** Whether the link may change its key so often now; then it counts as done. False: the place is lost. */
  spend(changes: number, now: Instant): boolean {
    const since = now - (this.#refilled ?? now);
    this.#refilled = now;
    this.#changes = Math.min(MOST_LOST, this.#changes + since * CHANGES_A_MILLI);
    if (this.#isLost || changes > this.#changes) {
      this.#isLost = true;
      return false;
    }
    this.#changes -= changes;
    return true;
  }
}

/** Whether the frame's protocol is 0x00fd, in any of its forms. */
export function isEncrypted(arena: Uint8Array, at: number, length: number): boolean {
  const front = length >= 2 && arena[at] === 0xff && arena[at + 1] === 0x03 ? 2 : 0;
  if (length < front + 2) return false;
  return arena[at + front] === 0xfd || (arena[at + front] === 0 && arena[at + front + 1] === 0xfd);
}

/** The coherency count of an encrypted frame (RFC 3078, section 3). */
export function countOf(arena: Uint8Array, at: number): number {
  let place = arena[at] === 0xff && arena[at + 1] === 0x03 ? at + 2 : at;
  if (arena[place] === 0) place++;
  return (((arena[place + 1] ?? 0) << 8) | (arena[place + 2] ?? 0)) % COUNTS;
}
