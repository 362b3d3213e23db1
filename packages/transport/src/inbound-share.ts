/**
 * Who loses what comes by one socket when more comes than we can carry: the link that brings most, before its datagrams are decrypted.
 *
 * Decrypting costs as much for junk as for data, and all links wait in one queue, first come first served. When the kernel's room for it is
 * nearly used up each is held to a share of a read (`FairShare`), until it is half empty: the others lose nothing. A queue that only stands
 * harms nobody, and TCP makes it stand. What carries no packets (handshakes, changes of keys) is held to no share.
 *
 * Datagrams that name a link and come from elsewhere than its own path are junk mostly, or of a peer that has just moved. These strangers
 * have one share together, so nobody takes a link's by naming it from elsewhere, and are held to it as soon as the queue stands. Others
 * always wait behind them: they are never alone. Measured, with junk of 100 bytes as fast as a veth takes it: another link's round trip has
 * a median of 2.6 ms instead of 10.
 *
 * A train of one link is one piece: a bulk transfer loses a few whole trains, and takes nothing from the pings of its own link.
 */
import type { Instant } from '@culvert/base';
import { FairShare, ShareUse } from '@culvert/core';
import type { DatagramBatch } from '@culvert/netio';

/** What a small datagram costs beside a large one; a full batch of them costs as much as one that is full of bytes. */
const LEAST_COST = 1_024;

/** Of its receive buffer: what waits is so much, and something is lost soon; and so little that no more need be cut. */
const PRESSED = 0.75;
const EASED = 0.5;
/** Chosen: as slowly as it sinks. The level stays near the share then, while doubled it would let a flood fill the queue once more. */
const RISE = 8 / 7;

/** The socket, as far as this has to know it. */
export interface InboundQueue {
  /** It reads on while its batch has room for so many, and so much. */
  readonly slots: number;
  readonly bytes: number;
  /** Bytes that wait, of so many for which there is room, as the kernel counts them. */
  readonly size: number;
  queued(): number;
}

export class InboundShare {
  readonly #queue: InboundQueue;
  readonly #links: FairShare;
  readonly #strangers: FairShare;
  readonly #stranger = new ShareUse();
  #isPressed = false;

  constructor(now: Instant, queue: InboundQueue) {
    this.#queue = queue;
    this.#links = new FairShare(now, { leastCost: LEAST_COST, rise: RISE });
    this.#strangers = new FairShare(now, { leastCost: LEAST_COST, shared: true });
  }

  /** The next batch was read. */
  begin(batch: Readonly<DatagramBatch>, now: Instant): void {
    const { count, used, offsets, arena } = batch;
    const { slots, bytes } = this.#queue;
    const emptied = count + slots <= offsets.length && used + bytes <= arena.length;
    this.#isPressed = !emptied && this.#wasPressed();
    this.#links.begin(now, !this.#isPressed);
    this.#strangers.begin(now, emptied);
  }

  /**
   * How far the datagrams from `first` to before `end`, all of one link, are within its share: where the piece begins that is not, else
   * `end`. That piece is asked for only once; `behind` tells where the next begins.
   *
   * @param use what the link had, or undefined: a stranger's
   */
  within(use: ShareUse | undefined, batch: Readonly<DatagramBatch>, first: number, end: number): number {
    const share = use === undefined ? this.#strangers : this.#links;
    for (let i = first; i < end; ) {
      const next = this.behind(batch, i, end);
      const isTrain = use !== undefined && next > i + 1;
      if (!share.admits(use ?? this.#stranger, costOf(batch, i, next), isTrain)) return i;
      if (!share.isShort) return end;
      i = next;
    }
    return end;
  }

  #wasPressed(): boolean {
    return this.#queue.queued() > this.#queue.size * (this.#isPressed ? EASED : PRESSED);
  }

  /** Where the piece ends that begins at `i`: behind its train, at most at `end`. */
  behind({ runs }: Readonly<DatagramBatch>, i: number, end: number): number {
    return Math.min(end, i + Math.max(1, runs[i] ?? 1));
  }
}

/** What tells that a socket that takes trains (netio's `recvBatch`) left something. */
export const trainRoom = { slots: 128, bytes: 65_536 };

/** The same of one that takes datagrams of up to so many bytes one by one: the last may end long before its room does. */
export const singleRoom = (slotBytes: number) => ({ slots: 1, bytes: 2 * slotBytes });

/** Of a piece, whose datagrams lie side by side. */
function costOf({ offsets, lengths }: Readonly<DatagramBatch>, first: number, end: number): number {
  const last = end - 1;
  const bytes = (offsets[last] ?? 0) + (lengths[last] ?? 0) - (offsets[first] ?? 0);
  return Math.max(bytes, (end - first) * LEAST_COST);
}
