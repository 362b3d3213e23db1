/** What phase 1 agreed on, and byte strings as RFC 2409 writes them. */
import type { Phase1Keys as Derived } from '../phase1-keys.ts';
import type { Phase1Suite } from '../phase1-proposal.ts';

/** Secret, but for the suite. */
export interface Phase1Keys extends Derived {
  readonly suite: Phase1Suite;
}

/** Joins byte strings, as `|` does in RFC 2409. */
export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}
