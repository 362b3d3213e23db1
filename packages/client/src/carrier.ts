/** Joins the device with the link that there is: packets one way, packets the other, timers of the core. */
import { createPacketBatch, type Instant, type Logger, type MonotonicClock } from '@culvert/base';
import { type Link, type PacketDevice, TunnelCore } from '@culvert/core';

/** Packets a turn; more stay in the device's queue. */
const BATCH_SLOTS = 128;
const BATCH_BYTES = 512 * 1024;
const LARGEST_MTU = 9_000;
/** Turns of the event loop belong to the sockets as well: so many batches at a stretch. */
const BATCHES_A_TURN = 4;

export class Carrier {
  readonly #device: PacketDevice;
  readonly #clock: MonotonicClock;
  readonly #log: Logger;
  readonly #batch = createPacketBatch(BATCH_SLOTS, BATCH_BYTES);
  #core: TunnelCore | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { readonly device: PacketDevice; readonly clock: MonotonicClock; readonly log: Logger }) {
    this.#device = options.device;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#device.onReadable(() => this.#readDevice());
  }

  /** Carries packets over `link` from here on. Call it in the turn in which the link came up. */
  attach(link: Link): void {
    this.#core = new TunnelCore({
      role: 'client',
      device: this.#device,
      now: () => this.#clock.now(),
      log: this.#log,
      mtu: LARGEST_MTU, // The link has its own, and may get another.
    });
    this.#core.attach(link);
    this.#setTimer();
  }

  /** The link's configuration changed. Throws CoreError. */
  refresh(link: Link): void {
    this.#core?.refresh(link);
  }

  /** No link: packets from the device are dropped until the next one. */
  detach(): void {
    this.#core = undefined;
    clearTimeout(this.#timer);
  }

  /** Stops reading the device. Closing it is its owner's. */
  close(): void {
    this.detach();
    this.#device.onReadable(undefined);
  }

  #readDevice(): void {
    const batch = this.#batch;
    for (let i = 0; i < BATCHES_A_TURN; i++) {
      batch.count = 0;
      batch.used = 0;
      if (this.#device.readBatch(batch) === 0) return;
      this.#core?.handleDevicePackets(batch, this.#clock.now());
    }
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    const core = this.#core;
    if (core === undefined) return;
    const now: Instant = this.#clock.now();
    const wait = Math.min(1_000, Math.max(0, (core.pollTimeout() ?? now + 1_000) - now));
    this.#timer = setTimeout(() => {
      core.handleTimeout(this.#clock.now());
      this.#setTimer();
    }, wait);
  }
}
