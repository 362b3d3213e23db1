import type { TunBatch } from './batch.ts';
import { native } from './native.ts';

/**
 * The batch that the binary has at hand for one way of a device. It holds pointers into the batch's arrays, so they serve only while
 * every array is there and as long as it was, which each call asks first.
 */
export class BoundBatch {
  readonly #fd: number;
  /** 0: reading, 1: writing. */
  readonly #way: 0 | 1;
  readonly #report: Uint32Array;
  #arena: Uint8Array | undefined;
  #offsets: Uint32Array | undefined;
  #lengths: Uint32Array | undefined;
  #bytes = 0;
  #slots = 0;
  #lengthSlots = 0;

  constructor(fd: number, way: 0 | 1, report: Uint32Array) {
    this.#fd = fd;
    this.#way = way;
    this.#report = report;
  }

  /** The next call is over this batch. Throws TypeError where its arrays are none. */
  use({ arena, offsets, lengths }: Readonly<TunBatch>): void {
    if (
      arena === this.#arena &&
      offsets === this.#offsets &&
      lengths === this.#lengths &&
      arena.length === this.#bytes &&
      offsets.length === this.#slots &&
      lengths.length === this.#lengthSlots
    ) {
      return;
    }
    this.#arena = undefined;
    this.#bytes = arena.length;
    this.#slots = offsets.length;
    this.#lengthSlots = lengths.length;
    native.bind(this.#fd, this.#way, arena, undefined, offsets, lengths, this.#report);
    this.#arena = arena;
    this.#offsets = offsets;
    this.#lengths = lengths;
  }
}
