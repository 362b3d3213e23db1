/**
 * Who loses packets when more come by a queue than we can carry: the link that brings most, and no other.
 *
 * The queue is the kernel's, the device's or a socket's, one for all links, first come first served. It is long, so that bursts and moments without a processor
 * lose nothing; this rule keeps it short otherwise. While each batch empties it, nobody is measured. When it was not empty for
 * `PATIENCE`, a level sinks from batch to batch: what a link has above the level in one batch is dropped, before any work is spent
 * on it. The others lose nothing, the queue drains, and the level rises again. So each link keeps what it asks for or an equal share
 * (max-min fairness, after Approximate Fair Dropping: Pan, Breslau, Prabhakar and Shenker, 2003), as CoDel (RFC 8289) does it for a
 * queue as a whole: a queue that stands is cut, one that works off a burst is not. TCP hears of it by the loss and sends less.
 * A link that is alone takes nothing from anybody: nobody is cut then (a stream over the only link of a client lost one segment in 20).
 *
 * Nothing is queued or copied here, and the memory is three numbers a link.
 */
import type { Instant, Millis } from '@culvert/base';

/** What a link had in one round. Trains apart from singles: a bulk transfer takes no share from the pings of its own link. */
export class ShareUse {
  round = 0;
  trains = 0;
  singles = 0;
}

/** Chosen, as CoDel's target: a queue that stands for longer is no burst. A batch takes 1 to 3 ms. 2 and 10 ms measure alike. */
export const PATIENCE: Millis = 5;
/** So long after packets came for two links the device's queue counts as shared. A link that pings once a second is company. */
const COMPANY: Millis = 1_500;
/** Bytes a link may have in a round when nothing is short: a whole batch. */
const WHOLE = 1 << 20;
/** Bytes that a link may have however short it is. The packet that reaches the level passes, so a train always does. */
const LEAST = 1 << 15;
/** A small packet costs us as much time as these bytes in a train (measured: 3 µs and 50 µs for 64 KiB); and 128 of them fill a batch. */
const SMALL = 1 << 13;
/** Chosen: a flood is cut to its share within 26 rounds; one TCP stream loses a train or two, and no more. */
const SINK = 0.875;
const RISE = 2;

export interface FairShareOptions {
  /** Bytes that a packet counts as at least. @default what fits the device's batches */
  readonly leastCost?: number;
  /** What the level is multiplied with by each batch that empties the queue. @default 2 */
  readonly rise?: number;
  /** The queue holds what others wait for, of whom this share hears nothing, so nobody is ever alone. @default false */
  readonly shared?: boolean;
}

export class FairShare {
  #level = WHOLE;
  #round = 0;
  /** Since when something was left by each read. */
  #standsSince: Instant | undefined;
  #now: Instant;
  #last: ShareUse | undefined;
  #lastSeen: Instant;
  #company: Instant | undefined;
  readonly #leastCost: number;
  readonly #rise: number;
  readonly #shared: boolean;

  constructor(now: Instant, options: FairShareOptions = {}) {
    const { leastCost = SMALL, rise = RISE, shared = false } = options;
    this.#shared = shared;
    this.#rise = rise;
    this.#now = now;
    this.#lastSeen = now;
    this.#leastCost = leastCost;
  }

  /** The next batch was read. `emptied`: nothing was left waiting behind it. */
  begin(now: Instant, emptied: boolean): void {
    this.#now = now;
    const alone = !this.#shared && (this.#company === undefined || now - this.#company > COMPANY);
    if (emptied || alone) {
      this.#standsSince = undefined;
      this.#level = alone ? WHOLE : Math.min(WHOLE, this.#level * this.#rise);
    } else {
      this.#standsSince ??= now;
      if (now - this.#standsSince > PATIENCE) this.#level = Math.max(LEAST, this.#level * SINK);
    }
    this.#round++;
  }

  /** Whether links are held to a share in this batch. */
  get isShort(): boolean {
    return this.#level !== WHOLE;
  }

  /** Packets came another way than by the queue. One that was not read for `PATIENCE` holds nothing: rounds go on without it. */
  beginAside(now: Instant): void {
    if (now - this.#now > PATIENCE) this.begin(now, true);
  }

  /** Whether a packet of `bytes` in this batch is within the share of the link that has `use`. */
  admits(use: ShareUse, bytes: number, isTrain: boolean): boolean {
    if (use !== this.#last) {
      if (this.#last !== undefined && this.#now - this.#lastSeen <= COMPANY) this.#company = this.#now;
      this.#last = use;
    }
    this.#lastSeen = this.#now;
    if (this.#level === WHOLE) return true;
    if (use.round !== this.#round) {
      use.round = this.#round;
      use.trains = 0;
      use.singles = 0;
    }
    const had = isTrain ? use.trains : use.singles;
    if (had >= this.#level) return false;
    const cost = Math.max(bytes, this.#leastCost);
    if (isTrain) use.trains = had + cost;
    else use.singles = had + cost;
    return true;
  }
}
