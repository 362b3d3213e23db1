/** Batches as the binary knows them: bound once, named by a handle in each call. */
import type { PacketBatch } from '@culvert/base';
import { CipherError } from './errors.ts';
import type { Native, NativeBatch } from './native.ts';
import type { SkippedPackets } from './trains/face.ts';

const OUT_OF_BOUNDS = -1;
const CLOSED = -2;

/** What the binary knows of a batch. It holds pointers, so it serves only while every array is there and as long as it was. */
class BoundBatch {
  readonly handle: NativeBatch;
  /** [count, used, malformed, oversized] of a call that fills the batch, before and after. */
  readonly cursor = new Uint32Array(4);
  readonly #arena: Uint8Array;
  readonly #offsets: Uint32Array;
  readonly #lengths: Uint32Array;
  readonly #tags: Uint32Array;
  readonly #bytes: number;
  readonly #slots: readonly [offsets: number, lengths: number, tags: number];

  constructor(native: Native, { arena, offsets, lengths, tags }: PacketBatch) {
    this.handle = native.bindBatch(arena, offsets, lengths, tags, this.cursor);
    this.#arena = arena;
    this.#offsets = offsets;
    this.#lengths = lengths;
    this.#tags = tags;
    this.#bytes = arena.length;
    this.#slots = [offsets.length, lengths.length, tags.length];
  }

  /** False: an array was replaced or detached, or its buffer has another size. */
  isCurrent({ arena, offsets, lengths, tags }: PacketBatch): boolean {
    return (
      arena === this.#arena &&
      offsets === this.#offsets &&
      lengths === this.#lengths &&
      tags === this.#tags &&
      arena.length === this.#bytes &&
      offsets.length === this.#slots[0] &&
      lengths.length === this.#slots[1] &&
      tags.length === this.#slots[2]
    );
  }
}

const known = new WeakMap<PacketBatch, BoundBatch>();

/** The two batches of a call, and what the calls skipped. */
export class BoundBatches {
  readonly skipped: SkippedPackets = { malformed: 0, oversized: 0 };
  readonly #native: Native;
  /** Those of the latest call: most keys see the same two again and again. */
  #src: BoundBatch | undefined;
  #dst: BoundBatch | undefined;

  constructor(native: Native) {
    this.#native = native;
  }

  /** Nothing but the call may happen before the handle is used. */
  handleOf(batch: PacketBatch): NativeBatch {
    if (this.#src?.isCurrent(batch) !== true) this.#src = this.#bound(batch);
    return this.#src.handle;
  }

  /** The handle of a batch that a call fills, told where the batch stands. */
  begin(dst: PacketBatch): NativeBatch {
    if (this.#dst?.isCurrent(dst) !== true) this.#dst = this.#bound(dst);
    const { handle, cursor } = this.#dst;
    cursor[0] = dst.count;
    cursor[1] = dst.used;
    cursor[2] = cursor[3] = 0;
    return handle;
  }

  /** `next` is what the binary returned. Throws when that is a failure. */
  finish(next: number, dst: PacketBatch): number {
    if (next < 0) throw failure(next);
    const { cursor } = this.#dst ?? this.#bound(dst);
    dst.count = cursor[0] ?? 0;
    dst.used = cursor[1] ?? 0;
    this.skipped.malformed += cursor[2] ?? 0;
    this.skipped.oversized += cursor[3] ?? 0;
    return next;
  }

  #bound(batch: PacketBatch): BoundBatch {
    let bound = known.get(batch);
    if (bound === undefined || !bound.isCurrent(batch)) {
      bound = new BoundBatch(this.#native, batch);
      known.set(batch, bound);
    }
    return bound;
  }
}

function failure(code: number): Error {
  if (code === OUT_OF_BOUNDS) return new RangeError('a packet lies outside of its arena');
  return new CipherError(code === CLOSED ? 'CULVERT_CIPHER_CLOSED' : 'CULVERT_CIPHER_FAILED');
}
