/** The core of a client, and the link that it has at the moment. */
import type { Logger, MonotonicClock } from '@culvert/base';
import { type Link, type PacketDevice, TunnelCore } from '@culvert/core';
import { DevicePump } from '@culvert/transport';

const LARGEST_MTU = 9_000;

export interface CarrierOptions {
  readonly device: PacketDevice;
  /** The device has virtio headers: it gives and takes super-packets. */
  readonly virtio: boolean;
  readonly clock: MonotonicClock;
  readonly log: Logger;
  /** The device is gone: the tunnel can no longer work. */
  onGone(error: Error): void;
}

export class Carrier {
  readonly #options: CarrierOptions;
  readonly #pump: DevicePump;
  #core: TunnelCore | undefined;

  constructor(options: CarrierOptions) {
    this.#options = options;
    this.#pump = new DevicePump({ ...options, core: () => this.#core });
  }

  /** Carries packets over `link` from here on. Call it in the turn in which the link came up. */
  attach(link: Link): void {
    const { clock, log } = this.#options;
    this.#core = new TunnelCore({
      role: 'client',
      device: this.#pump,
      now: () => clock.now(),
      log,
      mtu: LARGEST_MTU, // The link has its own, and may get another.
    });
    this.#core.attach(link);
  }

  /** The link's configuration changed. Throws CoreError. */
  refresh(link: Link): void {
    this.#core?.refresh(link);
  }

  /** No link: packets from the device are dropped until the next one. */
  detach(): void {
    this.#core = undefined;
  }

  /** Stops reading the device. Closing it is its owner's. */
  close(): void {
    this.detach();
    this.#pump.close();
  }
}
