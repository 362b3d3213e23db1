/** A TUN device in memory: what the kernel would send is injected, what reaches the kernel is collected. */
import type { PacketBatch } from '@culvert/base';
import type { PacketDevice } from '@culvert/core';

export interface MemoryDeviceOptions {
  /** @default 1500 */
  readonly mtu?: number;
  /** Packets that wait in each direction; more are dropped. @default 500, as Linux's txqueuelen */
  readonly queuePackets?: number;
}

export class MemoryDevice implements PacketDevice {
  readonly mtu: number;
  /** Packets that found a queue full, in either direction. */
  dropped = 0;
  readonly #queuePackets: number;
  #toUs: Uint8Array[] = [];
  #toKernel: Uint8Array[] = [];
  #onReadable: (() => void) | undefined;
  #onWritten: (() => void) | undefined;
  #pending: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(options: MemoryDeviceOptions = {}) {
    this.mtu = options.mtu ?? 1500;
    this.#queuePackets = options.queuePackets ?? 500;
  }

  /** The kernel sends a packet into the device. False: the queue is full, or the packet larger than the MTU. */
  inject(packet: Uint8Array): boolean {
    if (this.#closed || packet.length > this.mtu || this.#toUs.length >= this.#queuePackets) {
      this.dropped++;
      return false;
    }
    this.#toUs.push(packet.slice());
    this.#schedule();
    return true;
  }

  /** What reached the kernel since the last call. */
  collect(): Uint8Array[] {
    const packets = this.#toKernel;
    this.#toKernel = [];
    return packets;
  }

  /** Calls back after each write that brought packets. */
  onWritten(callback: (() => void) | undefined): void {
    this.#onWritten = callback;
  }

  /** Appends as long as slots are free and the arena has room for a packet of the MTU, as the real device does. */
  readBatch(batch: PacketBatch, most = batch.offsets.length): number {
    const before = batch.count;
    const end = Math.min(before + most, batch.offsets.length);
    while (batch.count < end && batch.arena.length - batch.used >= this.mtu) {
      const packet = this.#toUs.shift();
      if (packet === undefined) break;
      batch.arena.set(packet, batch.used);
      batch.offsets[batch.count] = batch.used;
      batch.lengths[batch.count++] = packet.length;
      batch.used += packet.length;
    }
    return batch.count - before;
  }

  writeBatch(batch: PacketBatch): number {
    if (this.#closed) throw new Error('the device is closed');
    let written = 0;
    for (let i = 0; i < batch.count; i++) {
      const at = batch.offsets[i] ?? 0;
      const length = batch.lengths[i] ?? 0;
      if (length === 0) continue;
      if (this.#toKernel.length >= this.#queuePackets) {
        this.dropped++;
        continue;
      }
      this.#toKernel.push(batch.arena.slice(at, at + length));
      written++;
    }
    if (written > 0) this.#onWritten?.();
    return written;
  }

  onReadable(callback: (() => void) | undefined): void {
    this.#onReadable = callback;
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#onReadable = undefined;
    this.#toUs = [];
    clearImmediate(this.#pending);
  }

  /** Calls back once a turn while packets wait: level-triggered, like the poll of a descriptor. */
  #schedule(): void {
    if (this.#pending !== undefined || this.#onReadable === undefined || this.#toUs.length === 0) return;
    this.#pending = setImmediate(() => {
      this.#pending = undefined;
      this.#onReadable?.();
      this.#schedule();
    });
  }
}
