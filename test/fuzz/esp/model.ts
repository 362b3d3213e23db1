/** What a receiver of ESP has to make of a packet, by the words of RFC 4303 and in no hurry: a set of numbers instead of a window of bits. */
import type { EspReport } from '@culvert/cipher';

export type Outcome = Exclude<keyof typeof EspReport, 'bytes' | 'words'>;

/** Packets that a window has, by default (packages/cipher). */
export const WINDOW = 1_024;
const HALF = 2 ** 32;
const UDP = 17;
const NO_NEXT_HEADER = 59;

export class Model {
  highest = 0;
  readonly #esn: boolean;
  readonly #taken = new Set<number>();

  constructor(esn: boolean) {
    this.#esn = esn;
  }

  /** An authentic packet. */
  open(sequence: number, plain: Uint8Array): Outcome {
    const meant = this.#meant(sequence);
    if (!this.#isFresh(meant)) return 'replayed';
    // The ICV covers the high half that the receiver takes to be meant.
    if (meant !== sequence) return 'failed';
    this.#taken.add(sequence);
    this.highest = Math.max(this.highest, sequence);
    return contentOf(plain);
  }

  /** One that no key stands behind. */
  refuse(low: number): Outcome {
    return this.#isFresh(this.#meant(low)) ? 'failed' : 'replayed';
  }

  /** Of all numbers with this low half the one that is not below the window, and the first of these (RFC 4303, appendix A2). */
  #meant(sequence: number): number {
    if (!this.#esn) return sequence;
    const bottom = Math.max(0, this.highest - WINDOW + 1);
    return bottom + ((((sequence - bottom) % HALF) + HALF) % HALF);
  }

  #isFresh(sequence: number): boolean {
    return sequence > 0 && sequence > this.highest - WINDOW && !this.#taken.has(sequence);
  }
}

/** By the trailer (RFC 4303, sections 2.4 to 2.6). */
export function contentOf(plain: Uint8Array): 'accepted' | 'padding' | 'dummy' | 'nextHeader' {
  const [padLength = 0, nextHeader] = plain.subarray(-2);
  const padding = payloadOf(plain) === undefined ? undefined : plain.subarray(plain.length - 2 - padLength, -2);
  if (padding === undefined || padding.some((byte, n) => byte !== n + 1)) return 'padding';
  if (nextHeader === NO_NEXT_HEADER) return 'dummy';
  return nextHeader === UDP ? 'accepted' : 'nextHeader';
}

export function payloadOf(plain: Uint8Array): Uint8Array | undefined {
  const length = plain.length - 2 - (plain.at(-2) ?? 0);
  return length < 0 ? undefined : plain.subarray(0, length);
}
