import type { DatagramBatch } from './batch.ts';

type Bind = (batch: Readonly<DatagramBatch>) => void;

/**
 * The batch that the binary has at hand for one way of a socket. It holds pointers into the batch's arrays, so they serve only while
 * every array is there and as long as it was, which each call asks first.
 */
export class BoundBatch {
  readonly #bind: Bind;
  #arena: Uint8Array | undefined;
  #offsets: Uint32Array | undefined;
  #lengths: Uint32Array | undefined;
  #paths: Uint32Array | undefined;
  #runs: Uint32Array | undefined;
  #bytes = 0;
  #slots = 0;
  #lengthSlots = 0;
  #pathWords = 0;
  #runSlots = 0;

  /** @param bind tells the binary; throws TypeError where an array is none */
  constructor(bind: Bind) {
    this.#bind = bind;
  }

  /** The next call is over this batch. Throws TypeError where its arrays are none. */
  use(batch: Readonly<DatagramBatch>): void {
    const { arena, offsets, lengths, paths, runs } = batch;
    if (
      arena === this.#arena &&
      offsets === this.#offsets &&
      lengths === this.#lengths &&
      paths === this.#paths &&
      runs === this.#runs &&
      arena.length === this.#bytes &&
      offsets.length === this.#slots &&
      lengths.length === this.#lengthSlots &&
      paths.length === this.#pathWords &&
      runs.length === this.#runSlots
    ) {
      return;
    }
    this.#arena = undefined;
    this.#bytes = arena.length;
    this.#slots = offsets.length;
    this.#lengthSlots = lengths.length;
    this.#pathWords = paths.length;
    this.#runSlots = runs.length;
    this.#bind(batch);
    this.#arena = arena;
    this.#offsets = offsets;
    this.#lengths = lengths;
    this.#paths = paths;
    this.#runs = runs;
  }
}
