/** Joins the device to the core: its packets one way, the core's timer the other. */
import { createPacketBatch, type Logger, type Millis, type MonotonicClock } from '@culvert/base';
import type { PacketDevice, TunnelCore } from '@culvert/core';

/** Packets a turn; more stay in the device's queue. */
const batchSlots = 128;
const batchBytes = 512 * 1024;
/** Turns of the event loop belong to the sockets as well: so many batches at a stretch. */
const batchesATurn = 4;
/** The core's deadlines are seconds away: looking this often is enough for those that move closer. */
const longestWait: Millis = 1_000;

export class DevicePump {
  readonly #device: PacketDevice;
  readonly #core: TunnelCore;
  readonly #clock: MonotonicClock;
  readonly #log: Logger;
  readonly #onGone: (error: Error) => void;
  readonly #batch = createPacketBatch(batchSlots, batchBytes);
  #timer: NodeJS.Timeout | undefined;

  /** Starts at once. `onGone` is called, once, when the device can no longer be read: somebody took it away. */
  constructor(options: {
    readonly device: PacketDevice;
    readonly core: TunnelCore;
    readonly clock: MonotonicClock;
    readonly log: Logger;
    onGone(error: Error): void;
  }) {
    this.#device = options.device;
    this.#core = options.core;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#onGone = options.onGone;
    this.#device.onReadable(() => this.#readDevice());
    this.#setTimer();
  }

  /** Stops reading. Closing the device is its owner's. */
  close(): void {
    clearTimeout(this.#timer);
    this.#device.onReadable(undefined);
  }

  #readDevice(): void {
    const batch = this.#batch;
    for (let i = 0; i < batchesATurn; i++) {
      batch.count = 0;
      batch.used = 0;
      try {
        if (this.#device.readBatch(batch) === 0) return;
      } catch (error) {
        clearTimeout(this.#timer);
        this.#onGone(error as Error);
        return;
      }
      this.#core.handleDevicePackets(batch, this.#clock.now());
    }
  }

  #setTimer(): void {
    const now = this.#clock.now();
    const wait = Math.min(longestWait, Math.max(0, (this.#core.pollTimeout() ?? now + longestWait) - now));
    this.#timer = setTimeout(() => {
      try {
        this.#core.handleTimeout(this.#clock.now());
      } catch (error) {
        this.#log.error('the core failed at a deadline', { reason: String(error) });
      }
      this.#setTimer();
    }, wait);
  }
}
