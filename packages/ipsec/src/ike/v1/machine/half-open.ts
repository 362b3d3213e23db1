/**
 * Negotiations that no key has proven yet, bounded in all and for each source address.
 *
 * A first message costs a record (packages/ipsec, README.md) and no key exchange; the oldest makes room, so that a flood of invented addresses
 * shortens the time that others have and shuts nobody out. Who repeats our cookie from its address gets a place among the half-open, and a
 * key exchange. Where these are full, the oldest of the source that has most makes room, so that a few hosts which never go on shut out
 * nobody either.
 */
import type { Instant } from '@culvert/base';
import { sourceOf } from '@culvert/wire';
import type { Phase1Chosen } from '../phase1-proposal.ts';
import type { PeerAbilities } from '../vendor-id.ts';
import type { IkeLimits } from './face.ts';
import type { IkeSa } from './ike-sa.ts';

/** Milliseconds in which the next message of a peer that means it comes: a round trip, a signature, one repetition. */
const PATIENCE = 3000;

/** What a first message says behind its header, and what we answer to it: peers of one kind say the same, and share it. */
export interface FirstOffer {
  /** The peer's SA payload as it came: the hashes cover it. */
  readonly saBody: Uint8Array;
  readonly choice: Phase1Chosen;
  readonly vendor: PeerAbilities;
  /** Our payloads. */
  readonly answer: Uint8Array;
  /** Of what it says. */
  readonly digest: string;
}

/** All that is kept of a first message. */
export interface FirstMessage {
  /** Both cookies, by `keyOf`. */
  readonly key: string;
  readonly offer: FirstOffer;
  readonly source: string;
  readonly at: Instant;
  resends: number;
}

/** In the order of their coming. Neighbours know each other: the oldest of a Map is behind the holes of all that were deleted. */
interface Link {
  readonly first: FirstMessage;
  older: Link | undefined;
  newer: Link | undefined;
}

export class FirstMessages {
  readonly #limits: IkeLimits;
  readonly #all = new Map<string, Link>();
  /** Keys of each source, oldest first. */
  readonly #bySource = new Map<string, string[]>();
  #oldest: Link | undefined;
  #newest: Link | undefined;

  constructor(limits: IkeLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#all.size;
  }

  get(key: string): FirstMessage | undefined {
    return this.#all.get(key)?.first;
  }

  add(first: FirstMessage): void {
    const source = sourceOf(first.source);
    const ofSource = this.#bySource.get(source);
    if (ofSource !== undefined && ofSource.length >= this.#limits.unprovenPerSource) this.delete(ofSource[0] ?? '');
    if (this.#all.size >= this.#limits.unproven && this.#oldest !== undefined) this.delete(this.#oldest.first.key);
    const link: Link = { first, older: this.#newest, newer: undefined };
    if (this.#newest !== undefined) this.#newest.newer = link;
    this.#oldest ??= link;
    this.#newest = link;
    this.#all.set(first.key, link);
    const keys = this.#bySource.get(source);
    if (keys === undefined) this.#bySource.set(source, [first.key]);
    else keys.push(first.key);
  }

  delete(key: string): void {
    const link = this.#all.get(key);
    if (link === undefined) return;
    this.#all.delete(key);
    const { first, older, newer } = link;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    const source = sourceOf(first.source);
    const keys = this.#bySource.get(source) ?? [];
    if (keys.length > 1) keys.splice(keys.indexOf(key), 1);
    else this.#bySource.delete(source);
  }

  expire(now: Instant): void {
    while (this.#oldest !== undefined && this.#oldest.first.at + this.#limits.negotiation <= now)
      this.delete(this.#oldest.first.key);
  }

  nextExpiry(): Instant | undefined {
    return this.#oldest && ((this.#oldest.first.at + this.#limits.negotiation) as Instant);
  }
}

/** Negotiations whose sender gets our answers, until the peer is authenticated. */
export class HalfOpen {
  readonly #limits: IkeLimits;
  /** With the time of each, oldest first. */
  readonly #bySource = new Map<string, Map<IkeSa, Instant>>();
  #size = 0;

  constructor(limits: IkeLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Whether one more of a peer at `address` has a place, for which another may have to go. False: who has the places was heard of just
   * now, and a peer that means it asks again.
   */
  makeRoom(address: string, now: Instant): boolean {
    const own = this.#bySource.get(sourceOf(address));
    const isOwnFull = own !== undefined && own.size >= this.#limits.halfOpenPerSource;
    if (!isOwnFull && this.#size < this.#limits.halfOpen) return true;
    const crowd = isOwnFull ? own : this.#largest();
    const [oldest] = crowd ?? [];
    if (crowd === undefined || oldest === undefined) return false;
    const [sa, at] = oldest;
    // Of many that come at once, each from a place of its own, those go on that were first.
    if (crowd.size <= (own?.size ?? 0) + 1 && now < at + PATIENCE) return false;
    sa.giveWay('too many negotiations at a time: this one waited for its peer longest');
    return true;
  }

  enter(sa: IkeSa, now: Instant): void {
    const source = sourceOf(sa.source);
    const ofSource = this.#bySource.get(source) ?? new Map<IkeSa, Instant>();
    this.#bySource.set(source, ofSource.set(sa, now));
    this.#size++;
  }

  leave(sa: IkeSa): void {
    const source = sourceOf(sa.source);
    const ofSource = this.#bySource.get(source);
    if (ofSource?.delete(sa) !== true) return;
    this.#size--;
    if (ofSource.size === 0) this.#bySource.delete(source);
  }

  #largest(): ReadonlyMap<IkeSa, Instant> | undefined {
    let largest: ReadonlyMap<IkeSa, Instant> | undefined;
    for (const ofSource of this.#bySource.values()) if (ofSource.size > (largest?.size ?? 0)) largest = ofSource;
    return largest;
  }
}
