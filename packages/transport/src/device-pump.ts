/** Joins the device to the core: its packets one way, the core's timer the other. The same for both programs. */
import { createPacketBatch, type Logger, type Millis, type MonotonicClock, type PacketBatch } from '@culvert/base';
import { Join } from '@culvert/cipher';
import type { PacketDevice, TunnelCore } from '@culvert/core';

/** Packets a turn; more stay in the device's queue. */
const BATCH_SLOTS = 128;
/** Room for many single packets, or for 16 super-packets of 64 KiB. */
const BATCH_BYTES = 16 * 65_536 + 66_000;
/** A device reads on while this many bytes are free: a super-packet with its headers (tun-tap's `readBatch`). */
const LARGEST_READ = 65_536 + 10 + 1;
/** Turns of the event loop belong to the sockets as well: so many batches at a stretch. */
const BATCHES_A_TURN = 4;
/** The core's deadlines are seconds away: looking this often is enough for those that move closer. */
const LONGEST_WAIT: Millis = 1_000;

/**
 * Packets that may wait for us in the kernel (`txqueuelen`), where a super-packet of 64 KiB is one. Long: 400,000 packets a second
 * fill 500, the kernel's default, in a millisecond, which is less than a busy machine lets us wait for a processor; measured with such
 * a flood to one link, another loses 13 % of its packets with 500 and 5 % with 2,000. The core keeps the queue short all the same.
 */
export const DEVICE_QUEUE_LENGTH = 2_000;

export interface DevicePumpOptions {
  readonly device: PacketDevice;
  /** The device has virtio headers: it gives super-packets. */
  readonly virtio: boolean;
  /** Undefined: packets are dropped for now. */
  readonly core: () => TunnelCore | undefined;
  readonly clock: MonotonicClock;
  readonly log: Logger;
  /** Called once, when the device can no longer be read: somebody took it away. */
  onGone(error: Error): void;
}

export class DevicePump {
  readonly #o: DevicePumpOptions;
  readonly #batch: PacketBatch;
  #timer: NodeJS.Timeout | undefined;

  /** Starts at once. */
  constructor(options: DevicePumpOptions) {
    this.#o = options;
    this.#batch = createPacketBatch(BATCH_SLOTS, BATCH_BYTES, { virtio: options.virtio });
    options.device.onReadable(() => this.#readDevice());
    this.#setTimer();
  }

  /** Stops reading. Closing the device is its owner's. */
  close(): void {
    clearTimeout(this.#timer);
    this.#o.device.onReadable(undefined);
  }

  #readDevice(): void {
    const { device, core, clock } = this.#o;
    const batch = this.#batch;
    for (let i = 0; i < BATCHES_A_TURN; i++) {
      batch.count = 0;
      batch.used = 0;
      try {
        if (device.readBatch(batch) === 0) return;
      } catch (error) {
        clearTimeout(this.#timer);
        this.#o.onGone(error as Error);
        return;
      }
      const emptied = hasRoom(batch);
      core()?.handleDevicePackets(batch, clock.now(), emptied);
      // What was sealed leaves at the end of the turn: sooner without another look.
      if (emptied) return;
    }
  }

  #setTimer(): void {
    const { core, clock, log } = this.#o;
    const now = clock.now();
    const wait = Math.min(LONGEST_WAIT, Math.max(0, (core()?.pollTimeout() ?? now + LONGEST_WAIT) - now));
    this.#timer = setTimeout(() => {
      try {
        core()?.handleTimeout(clock.now());
      } catch (error) {
        log.error('the core failed at a deadline', { reason: String(error) });
      }
      this.#setTimer();
    }, wait);
  }
}

/** Whether the device stopped for want of packets, not of room: nothing was left waiting. */
function hasRoom(batch: PacketBatch): boolean {
  return batch.count < BATCH_SLOTS && BATCH_BYTES - batch.used > LARGEST_READ;
}

/** What a device with these offloads takes joined, as bits of cipher's `Join`; 0 for one without virtio headers. */
export function joinFor(device: { readonly vnetHeader: boolean; readonly offloads: readonly string[] }): number {
  if (!device.vnetHeader) return Join.none;
  const bits = { tso4: Join.tcp4, tso6: Join.tcp6, uso4: Join.udp4, uso6: Join.udp6 } as const;
  let join = 0;
  for (const [offload, bit] of Object.entries(bits)) if (device.offloads.includes(offload)) join |= bit;
  return join;
}
