/** Cutting and joining trains without protection: for links that carry single packets over devices that take trains. */
import { type PacketBatch, virtioBytes } from '@culvert/base';
import { BoundBatches } from '../bound-batch.ts';
import { checkJoin, checkKinds, checkPlace, checkRange } from '../check.ts';
import { type Native, nativeOr } from '../native.ts';
import type { SkippedPackets, Trains } from './face.ts';
import { Joiner } from './joiner.ts';
import { cutAll } from './segments.ts';

/** @param implementation `native` throws CULVERT_CIPHER_NATIVE where the binary does not load. @default native where it loads */
export function createTrains(implementation?: 'native' | 'portable'): Trains {
  const native = implementation === 'portable' ? undefined : nativeOr(implementation === undefined);
  return native === undefined ? new PortableTrains() : new NativeTrains(native);
}

class NativeTrains implements Trains {
  readonly implementation = 'native';
  readonly #native: Native;
  readonly #batches: BoundBatches;

  constructor(native: Native) {
    this.#native = native;
    this.#batches = new BoundBatches(native);
  }

  get skipped(): SkippedPackets {
    return this.#batches.skipped;
  }

  segment(src: PacketBatch, first: number, dst: PacketBatch): number {
    checkRange(src, first, src.count - first, dst);
    checkKinds(src, dst, { src: true, dst: false });
    const next = this.#native.segmentTrains(
      this.#batches.handleOf(src),
      this.#batches.begin(dst),
      first,
      src.count - first,
    );
    return this.#batches.finish(next, dst);
  }

  join(src: PacketBatch, first: number, count: number, dst: PacketBatch, join: number): number {
    checkRange(src, first, count, dst);
    checkKinds(src, dst, { src: false, dst: true });
    checkJoin(join);
    const next = this.#native.joinTrains(this.#batches.handleOf(src), this.#batches.begin(dst), first, count, join);
    return this.#batches.finish(next, dst);
  }
}

class PortableTrains implements Trains {
  readonly implementation = 'portable';
  readonly skipped: SkippedPackets = { malformed: 0, oversized: 0 };

  segment(src: PacketBatch, first: number, dst: PacketBatch): number {
    checkRange(src, first, src.count - first, dst);
    checkKinds(src, dst, { src: true, dst: false });
    return cutAll(src, first, dst, 0, this.skipped, (packet, tag) => {
      dst.arena.set(packet, dst.used);
      dst.offsets[dst.count] = dst.used;
      dst.lengths[dst.count] = packet.length;
      dst.tags[dst.count] = tag;
      dst.count++;
      dst.used += packet.length;
    });
  }

  join(src: PacketBatch, first: number, count: number, dst: PacketBatch, join: number): number {
    checkRange(src, first, count, dst);
    checkKinds(src, dst, { src: false, dst: true });
    checkJoin(join);
    const last = first + count;
    for (let at = first; at < last; at++) checkPlace(src, at);
    const joiner = new Joiner(dst, join, bytesOf(src, first, last) + virtioBytes * count);
    let at = first;
    for (; at < last; at++) {
      const offset = src.offsets[at] ?? 0;
      const length = src.lengths[at] ?? 0;
      if (length === 0) continue;
      joiner.pass(virtioBytes + length);
      if (!joiner.hasRoom(length)) break;
      joiner.add(src.arena.subarray(offset, offset + length), src.tags[at] ?? 0);
    }
    joiner.finish();
    return at;
  }
}

/** Bytes of packets `first` to `last - 1`. */
export function bytesOf(src: PacketBatch, first: number, last: number): number {
  let sum = 0;
  for (let at = first; at < last; at++) sum += src.lengths[at] ?? 0;
  return sum;
}
