/**
 * Packets on their way from one packet thread to another: a ring in shared memory, with one writer and one reader.
 *
 * Bounded: what finds no room is dropped and counted. In order. The reader works on packets where they lie and gives the room back after.
 *
 *   record, at a multiple of 8:
 *   0        4        8   10               20
 *   | length | how    |   | virtio header  | packet ...          length 0: nothing up to the ring's end, which no record crosses
 */
import { createPacketBatch, type PacketBatch, virtioBytes } from '@culvert/base';
import type { Handed } from '@culvert/core';

/** Words of the head: positions count bytes, modulo 2^32, and only grow. */
const WRITTEN = 0;
const READ = 1;
/** 1: the reader was woken and has not looked yet. */
const WOKEN = 2;
const HEAD_BYTES = 64;

const PACKET = 20;
const VIRTIO = PACKET - virtioBytes;
/** Packets that a reader takes at a time. */
const BATCH_SLOTS = 128;
/** Room for a device's largest batch (16 super-packets of 64 KiB). Memory that no packet reached costs nothing. */
const RING_BYTES = 2 * 1_024 * 1_024;

/** @param bytes a power of two, twice the largest packet at least */
export function createRing(bytes = RING_BYTES): SharedArrayBuffer {
  return new SharedArrayBuffer(HEAD_BYTES + bytes);
}

function faceOf(memory: SharedArrayBuffer) {
  const size = memory.byteLength - HEAD_BYTES;
  if ((size & (size - 1)) !== 0) throw new RangeError('a ring has a power of two of bytes');
  return {
    head: new Int32Array(memory, 0, HEAD_BYTES / 4),
    bytes: new Uint8Array(memory, HEAD_BYTES),
    view: new DataView(memory, HEAD_BYTES),
    size,
  };
}

export class RingWriter {
  /** Packets that found no room. */
  dropped = 0;
  readonly #head: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #size: number;
  readonly #wake: () => void;
  #written = 0;
  #told = 0;
  /** The arena that was copied from last, as a Buffer: its `copy` needs no view for each packet. */
  #arena = new Uint8Array(0);
  #source: Buffer = Buffer.alloc(0);

  /** `wake` is called where the reader may be asleep. */
  constructor(memory: SharedArrayBuffer, wake: () => void) {
    const { head, bytes, view, size } = faceOf(memory);
    this.#head = head;
    this.#bytes = bytes;
    this.#view = view;
    this.#size = size;
    this.#wake = wake;
  }

  /** Appends packet `i`. The reader sees it after `flush`. */
  put(batch: PacketBatch, i: number, how: Handed): void {
    const length = batch.lengths[i] as number;
    const record = (PACKET + length + 7) & ~7;
    const at = this.#written & (this.#size - 1);
    const toEnd = this.#size - at;
    const gap = record > toEnd ? toEnd : 0;
    const used = (this.#written - Atomics.load(this.#head, READ)) >>> 0;
    if (used + gap + record > this.#size) {
      this.dropped++;
      return;
    }
    if (gap > 0) this.#view.setUint32(at, 0, true);
    const to = gap > 0 ? 0 : at;
    this.#view.setUint32(to, length, true);
    this.#view.setUint32(to + 4, how, true);
    const from = batch.offsets[i] as number;
    const source = this.#sourceOf(batch.arena);
    if (batch.virtio === true) source.copy(this.#bytes, to + VIRTIO, from - virtioBytes, from + length);
    else {
      this.#bytes.fill(0, to + VIRTIO, to + PACKET);
      source.copy(this.#bytes, to + PACKET, from, from + length);
    }
    this.#written = (this.#written + gap + record) >>> 0;
  }

  /** Shows the reader what was put. */
  flush(): void {
    if (this.#told === this.#written) return;
    this.#told = this.#written;
    Atomics.store(this.#head, WRITTEN, this.#written);
    if (Atomics.exchange(this.#head, WOKEN, 1) === 0) this.#wake();
  }

  #sourceOf(arena: Uint8Array): Buffer {
    if (arena !== this.#arena) {
      this.#arena = arena as Uint8Array<ArrayBuffer>;
      this.#source = Buffer.from(arena.buffer as ArrayBuffer, arena.byteOffset, arena.length);
    }
    return this.#source;
  }
}

export class RingReader {
  readonly #head: Int32Array;
  readonly #batch: PacketBatch;
  readonly #size: number;
  #read = 0;

  constructor(memory: SharedArrayBuffer) {
    const { head, bytes, view, size } = faceOf(memory);
    this.#head = head;
    this.#size = size;
    this.#batch = { ...createPacketBatch(BATCH_SLOTS, 0, { virtio: true }), arena: bytes, view };
  }

  /** To be called when woken, before reading: what is put from now on wakes again. */
  handleWake(): void {
    Atomics.store(this.#head, WOKEN, 0);
  }

  /** Lends the next packets, behind virtio headers and with `Handed` as tags, to `use`. Whether there were any. */
  read(use: (batch: PacketBatch) => void): boolean {
    const written = Atomics.load(this.#head, WRITTEN) >>> 0;
    const next = this.#collect(written);
    if (next === this.#read) return false;
    try {
      if (this.#batch.count > 0) use(this.#batch);
    } finally {
      this.#read = next;
      Atomics.store(this.#head, READ, next);
    }
    return true;
  }

  /** Describes packets up to `written` in the batch. Returns the position behind the last. */
  #collect(written: number): number {
    const batch = this.#batch;
    batch.count = 0;
    let position = this.#read;
    while (position !== written && batch.count < BATCH_SLOTS) {
      const at = position & (this.#size - 1);
      const length = batch.view.getUint32(at, true);
      if (length === 0) {
        position = (position + this.#size - at) >>> 0;
        continue;
      }
      batch.offsets[batch.count] = at + PACKET;
      batch.lengths[batch.count] = length;
      batch.tags[batch.count++] = batch.view.getUint32(at + 4, true);
      position = (position + ((PACKET + length + 7) & ~7)) >>> 0;
    }
    return position;
  }
}
