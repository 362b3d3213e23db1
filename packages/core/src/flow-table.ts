/**
 * The flows of one link: bounded, over one typed array, with a cost a look-up that no peer can raise.
 *
 * Eight places a bucket. A full bucket doubles the table until it has its limit; then the flow nearest to its timeout makes room.
 * Who makes flows collide loses its own flows early and slows nobody. Time is in ticks, whole numbers that count up.
 */
import type { FlowKey } from './flow-key.ts';
import { hashWords } from './word-hash.ts';

const WAYS = 8;
const SMALLEST_BUCKETS = 4;

/** One flow is `STRIDE` words: four of the inside address, four of the outside's, and these. */
const PORTS = 8;
const KIND = 9;
const EXPIRY = 10;
const STATE = 11;
const STRIDE = 12;
/** `KIND` of a place that holds a flow has this bit; a free one is 0. */
const USED = 0x100_0000;

export const NO_FLOW = -1;

export class FlowTable {
  readonly #maxBuckets: number;
  #words = new Int32Array(SMALLEST_BUCKETS * WAYS * STRIDE);
  #buckets = SMALLEST_BUCKETS;
  #size = 0;

  /** Room for `limit` flows, rounded up to a power of two. */
  constructor(limit: number) {
    let buckets = SMALLEST_BUCKETS;
    while (buckets * WAYS < limit) buckets *= 2;
    this.#maxBuckets = buckets;
  }

  /** Flows held, those included whose time is over and that no look-up or sweep has met yet. */
  get size(): number {
    return this.#size;
  }

  get capacity(): number {
    return this.#buckets * WAYS;
  }

  /** Where the live flow of this key is, or NO_FLOW. The place is good until the table is next changed. */
  find(key: FlowKey, tick: number): number {
    const words = this.#words;
    const kind = kindOf(key);
    const ports = (key.insidePort << 16) | key.outsidePort;
    const first = this.#bucket(key, ports, kind);
    for (let at = first; at < first + WAYS * STRIDE; at += STRIDE) {
      if (words[at + KIND] !== kind || words[at + PORTS] !== ports || !sameAddresses(words, at, key)) continue;
      if ((words[at + EXPIRY] as number) >= tick) return at;
      this.remove(at);
      return NO_FLOW;
    }
    return NO_FLOW;
  }

  /** Adds a flow whose key is not in the table, at the cost of another where the bucket is full. */
  insert(key: FlowKey, tick: number, expiry: number, state: number): void {
    const kind = kindOf(key);
    const ports = (key.insidePort << 16) | key.outsidePort;
    let at = this.#room(this.#bucket(key, ports, kind), tick);
    while (at < 0 && this.#buckets < this.#maxBuckets) {
      this.#rebuild(this.#buckets * 2, tick);
      at = this.#room(this.#bucket(key, ports, kind), tick);
    }
    if (at < 0) at = this.#nearestToTimeout(this.#bucket(key, ports, kind));
    const words = this.#words;
    if (words[at + KIND] === 0) this.#size++;
    words[at] = key.inside0;
    words[at + 1] = key.inside1;
    words[at + 2] = key.inside2;
    words[at + 3] = key.inside3;
    words[at + 4] = key.outside0;
    words[at + 5] = key.outside1;
    words[at + 6] = key.outside2;
    words[at + 7] = key.outside3;
    words[at + PORTS] = ports;
    words[at + KIND] = kind;
    words[at + EXPIRY] = expiry;
    words[at + STATE] = state;
  }

  state(at: number): number {
    return this.#words[at + STATE] as number;
  }

  update(at: number, expiry: number, state: number): void {
    this.#words[at + EXPIRY] = expiry;
    this.#words[at + STATE] = state;
  }

  remove(at: number): void {
    this.#words[at + KIND] = 0;
    this.#size--;
  }

  clear(): void {
    this.#words = new Int32Array(SMALLEST_BUCKETS * WAYS * STRIDE);
    this.#buckets = SMALLEST_BUCKETS;
    this.#size = 0;
  }

  /** Forgets flows whose time is over, and gives memory back when few are left. */
  sweep(tick: number): void {
    const words = this.#words;
    for (let at = 0; at < words.length; at += STRIDE) {
      if (words[at + KIND] !== 0 && (words[at + EXPIRY] as number) < tick) this.remove(at);
    }
    let buckets = this.#buckets;
    while (buckets > SMALLEST_BUCKETS && this.#size * 4 < buckets * WAYS) buckets /= 2;
    if (buckets < this.#buckets) this.#rebuild(buckets, tick);
  }

  #bucket(key: FlowKey, ports: number, kind: number): number {
    const outsideA = key.outside0 ^ key.outside2;
    const outsideB = key.outside1 ^ key.outside3;
    return this.#bucketOf(hashWords(outsideA, outsideB, key.inside0 ^ key.inside3, ports ^ (kind << 5)));
  }

  /** A free place in the bucket, or one whose flow's time is over; negative when there is none. */
  #room(first: number, tick: number): number {
    const words = this.#words;
    for (let at = first; at < first + WAYS * STRIDE; at += STRIDE) {
      if (words[at + KIND] === 0 || (words[at + EXPIRY] as number) < tick) return at;
    }
    return NO_FLOW;
  }

  #nearestToTimeout(first: number): number {
    const words = this.#words;
    let best = first;
    for (let at = first + STRIDE; at < first + WAYS * STRIDE; at += STRIDE) {
      if ((words[at + EXPIRY] as number) < (words[best + EXPIRY] as number)) best = at;
    }
    return best;
  }

  /** Into a table of `buckets`. A flow that finds its new bucket full is forgotten. */
  #rebuild(buckets: number, tick: number): void {
    const old = this.#words;
    this.#words = new Int32Array(buckets * WAYS * STRIDE);
    this.#buckets = buckets;
    this.#size = 0;
    for (let from = 0; from < old.length; from += STRIDE) {
      if (old[from + KIND] === 0 || (old[from + EXPIRY] as number) < tick) continue;
      const to = this.#room(this.#bucketOfWords(old, from), tick);
      if (to < 0) continue;
      this.#words.set(old.subarray(from, from + STRIDE), to);
      this.#size++;
    }
  }

  #bucketOfWords(w: Int32Array, at: number): number {
    const word = (n: number) => w[at + n] as number;
    const mixed = word(PORTS) ^ (word(KIND) << 5);
    return this.#bucketOf(hashWords(word(4) ^ word(6), word(5) ^ word(7), word(0) ^ word(3), mixed));
  }

  #bucketOf(hash: number): number {
    return (hash & (this.#buckets - 1)) * WAYS * STRIDE;
  }
}

function kindOf(key: FlowKey): number {
  return USED | (key.kind << 16) | (key.version << 8) | key.protocol;
}

function sameAddresses(words: Int32Array, at: number, key: FlowKey): boolean {
  return (
    words[at + 4] === key.outside0 &&
    words[at] === key.inside0 &&
    words[at + 7] === key.outside3 &&
    words[at + 5] === key.outside1 &&
    words[at + 6] === key.outside2 &&
    words[at + 1] === key.inside1 &&
    words[at + 2] === key.inside2 &&
    words[at + 3] === key.inside3
  );
}
