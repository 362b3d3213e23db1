/** Packets on this thread, beside everything else: the quickest way where there are few processors. */
import type { Logger, MonotonicClock } from '@culvert/base';
import type { GatewayConfig } from '@culvert/config';
import { type FilterPolicy, type Link, type PacketDevice, TunnelCore } from '@culvert/core';
import { DevicePump } from '@culvert/transport';
import type { Carrier } from './carrier.ts';
import { filterPolicy } from './filter-policy.ts';

export interface OneThreadOptions {
  readonly config: Pick<GatewayConfig, 'network' | 'clientIsolation' | 'filter'>;
  readonly device: PacketDevice;
  /** The device has virtio headers: it gives and takes super-packets. */
  readonly virtio: boolean;
  readonly clock: MonotonicClock;
  readonly log: Logger;
  /** The device is gone: nothing can be carried any longer. */
  onGone(error: Error): void;
}

export class OneThread implements Carrier {
  readonly #options: OneThreadOptions;
  readonly core: TunnelCore;
  #pump: DevicePump | undefined;

  /** Throws CoreError for a filter that cannot be. */
  constructor(options: OneThreadOptions) {
    const { config, device, clock, log } = options;
    this.#options = options;
    this.core = new TunnelCore({
      role: 'gateway',
      device: { writeBatch: (batch) => (this.#pump ?? device).writeBatch(batch) },
      now: () => clock.now(),
      log,
      mtu: config.network.mtu,
      clientIsolation: config.clientIsolation,
      filter: filterPolicy(config.filter),
    });
  }

  get dropped(): Readonly<Record<string, number>> {
    return this.core.dropped;
  }

  get deviceStats(): Readonly<Record<string, number>> {
    const entries = Object.entries(this.#options.device.stats ?? {});
    return Object.fromEntries(entries.filter((entry): entry is [string, number] => Number(entry[1]) > 0));
  }

  attach(link: Link): void {
    this.core.attach(link);
  }

  setFilter(policy: FilterPolicy): void {
    this.core.setFilter(policy);
  }

  droppedOf(link: Link): Readonly<Record<string, number>> {
    return this.core.view(link)?.counters.dropped ?? {};
  }

  async refresh(): Promise<void> {}

  start(): void {
    this.#pump = new DevicePump({ ...this.#options, core: () => this.core });
  }

  stop(): void {
    this.#pump?.close();
  }
}
