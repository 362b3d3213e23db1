/**
 * Negotiations that no key has proven yet, bounded in all and for each source address.
 *
 * A first message costs a record of about a kilobyte and no key exchange; the oldest makes room, so that a flood of invented addresses
 * shortens the time that others have and shuts nobody out. Who repeats our cookie from its address gets a place among the proven, which
 * are not pushed out: there the bound of each source holds against a single host.
 */
import type { Instant } from '@culvert/base';
import type { Phase1Chosen } from '../phase1-proposal.ts';
import type { PeerAbilities } from '../vendor-id.ts';
import type { IkeLimits } from './face.ts';

/** All that is kept of a first message. */
export interface FirstMessage {
  readonly key: string;
  readonly initiatorCookie: Uint8Array;
  readonly responderCookie: Uint8Array;
  /** The peer's SA payload as it came: the hashes cover it. */
  readonly saBody: Uint8Array;
  readonly choice: Phase1Chosen;
  readonly vendor: PeerAbilities;
  readonly digest: string;
  readonly reply: Uint8Array;
  readonly source: string;
  readonly at: Instant;
  resends: number;
}

export class FirstMessages {
  readonly #limits: IkeLimits;
  readonly #all = new Map<string, FirstMessage>();
  readonly #bySource = new Map<string, Set<string>>();

  constructor(limits: IkeLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  get(key: string): FirstMessage | undefined {
    return this.#all.get(key);
  }

  add(first: FirstMessage): void {
    const ofSource = this.#bySource.get(first.source) ?? new Set();
    if (ofSource.size >= this.#limits.unprovenPerSource) this.#deleteFirst(ofSource);
    if (this.#all.size >= this.#limits.unproven) this.#deleteFirst(this.#all.keys());
    this.#all.set(first.key, first);
    ofSource.add(first.key);
    this.#bySource.set(first.source, ofSource);
  }

  delete(key: string): void {
    const first = this.#all.get(key);
    if (first === undefined) return;
    this.#all.delete(key);
    const ofSource = this.#bySource.get(first.source);
    ofSource?.delete(key);
    if (ofSource?.size === 0) this.#bySource.delete(first.source);
  }

  /** They stand in the order of their coming. */
  expire(now: Instant): void {
    for (const { key, at } of this.#all.values()) {
      if (at + this.#limits.negotiation > now) return;
      this.delete(key);
    }
  }

  nextExpiry(): Instant | undefined {
    for (const { at } of this.#all.values()) return (at + this.#limits.negotiation) as Instant;
    return undefined;
  }

  #deleteFirst(keys: Iterable<string>): void {
    for (const key of keys) {
      this.delete(key);
      return;
    }
  }
}

/** Counts proven negotiations. */
export class HalfOpenCount {
  readonly #limits: IkeLimits;
  readonly #bySource = new Map<string, number>();
  #all = 0;

  constructor(limits: IkeLimits) {
    this.#limits = limits;
  }

  /** False: no room. */
  enter(source: string): boolean {
    const ofSource = this.#bySource.get(source) ?? 0;
    if (this.#all >= this.#limits.halfOpen || ofSource >= this.#limits.halfOpenPerSource) return false;
    this.#all++;
    this.#bySource.set(source, ofSource + 1);
    return true;
  }

  leave(source: string): void {
    const ofSource = this.#bySource.get(source);
    if (ofSource === undefined) return;
    this.#all--;
    if (ofSource === 1) this.#bySource.delete(source);
    else this.#bySource.set(source, ofSource - 1);
  }
}
