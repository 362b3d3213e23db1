import type { PacketBatch } from '@culvert/base';
import type { AttachedLink } from './attached-link.ts';

const NONE = -1;

/** A batch whose packets lie in an arena that somebody lent. */
class LentBatch implements PacketBatch {
  arena: Uint8Array;
  view: DataView;
  offsets = new Uint32Array(0);
  lengths = new Uint32Array(0);
  tags = new Uint32Array(0);
  virtio = false;
  count = 0;
  used = 0;

  constructor() {
    this.arena = new Uint8Array(0);
    this.view = new DataView(this.arena.buffer);
  }

  borrow(batch: PacketBatch): void {
    this.arena = batch.arena;
    this.view = batch.view;
    this.used = batch.used;
    this.virtio = batch.virtio ?? false;
    const slots = batch.offsets.length;
    if (slots <= this.offsets.length) return;
    this.offsets = new Uint32Array(slots);
    this.lengths = new Uint32Array(slots);
    this.tags = new Uint32Array(slots);
  }
}

/**
 * Sorts the packets of a batch by link, so that each link gets its packets in one call, in order, and where they lie.
 * Each group is a chain of packet indices; all of it is allocated once and grows only with the largest batch.
 */
export class LinkGroups {
  readonly #lent = new LentBatch();
  #next = new Int32Array(0);
  #heads = new Int32Array(0);
  #tails = new Int32Array(0);
  readonly #links: (AttachedLink | undefined)[] = [];
  #count = 0;

  /** Starts on a batch. */
  begin(batch: PacketBatch): void {
    this.#lent.borrow(batch);
    for (let group = 0; group < this.#count; group++) this.#forget(group);
    this.#count = 0;
    const slots = batch.offsets.length;
    if (slots <= this.#next.length) return;
    this.#next = new Int32Array(slots);
    this.#heads = new Int32Array(slots);
    this.#tails = new Int32Array(slots);
  }

  /** Packet `i` is for `link`. */
  add(link: AttachedLink, i: number): void {
    this.#next[i] = NONE;
    if (link.groups === this) {
      this.#next[this.#tails[link.group] as number] = i;
      this.#tails[link.group] = i;
      return;
    }
    const group = this.#count++;
    link.groups = this;
    link.group = group;
    this.#links[group] = link;
    this.#heads[group] = i;
    this.#tails[group] = i;
  }

  /** Hands every link its packets, and sets their length in the batch to 0: they are dealt with. */
  send(batch: PacketBatch): void {
    const count = this.#count;
    for (let group = 0; group < count; group++) {
      const link = this.#forget(group);
      this.#collect(batch, group);
      link.send(this.#lent);
    }
    this.#count = 0;
  }

  #forget(group: number): AttachedLink {
    const link = this.#links[group] as AttachedLink;
    this.#links[group] = undefined;
    if (link.groups === this) link.groups = undefined;
    return link;
  }

  #collect(batch: PacketBatch, group: number): void {
    const lent = this.#lent;
    let n = 0;
    for (let i = this.#heads[group] as number; i !== NONE; i = this.#next[i] as number) {
      lent.offsets[n] = batch.offsets[i] as number;
      lent.lengths[n] = batch.lengths[i] as number;
      batch.lengths[i] = 0;
      n++;
    }
    lent.count = n;
  }
}
