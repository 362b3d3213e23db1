import type { CloseReason, Instant, Logger, PacketBatch } from '@culvert/base';
import type { Link } from './contracts.ts';
import { createDropCounts, type DropCounts, type LinkCounters } from './counters.ts';
import type { PacketDevice } from './device.ts';
import type { FilterPolicy } from './filter-policy.ts';

export interface TunnelCoreOptions {
  readonly role: 'gateway' | 'client';
  /** Takes what links send. The caller reads the device and hands its packets to `handleDevicePackets`. */
  readonly device: Pick<PacketDevice, 'writeBatch'>;
  /** The time, for packets that links bring. */
  readonly now: () => Instant;
  readonly log: Logger;
  /** The device's MTU in bytes. */
  readonly mtu: number;
  /** Gateway: packets from one client to another are dropped. @default true */
  readonly clientIsolation?: boolean;
  /** @default gateway: every client may open flows to the networks pushed to it and to its gateway's address; client: no filter */
  readonly filter?: FilterPolicy;
  /** Client: destinations taken from the tunnel beside the link's own addresses. @default none */
  readonly accept?: readonly string[];
  /** Flows remembered a link; the one that was silent longest makes room. @default 4096 */
  readonly flowsPerLink?: number;
}

/** A link as the core sees it, for status and metrics. */
export interface LinkView {
  readonly link: Link;
  readonly counters: Readonly<LinkCounters>;
  /** When the last packet passed, in either direction. */
  readonly lastActive: Instant;
  readonly flows: number;
}

/** Moves inner packets between a device and links. A gateway's core has thousands of links, a client's one. */
export class TunnelCore {
  /** Drops that belong to no link. */
  readonly dropped: DropCounts = createDropCounts();

  constructor(options: TunnelCoreOptions) {
    void options;
  }

  /** Takes the link: its addresses and networks lead to it from here on, until it is closed. Throws CoreError when another link has one of them. */
  attach(link: Link): void {
    void link;
  }

  /** Reads `link.config` again after `link.update`. Throws CoreError, and changes nothing, when another link has one of its addresses. */
  refresh(link: Link): void {
    void link;
  }

  /** Packets that the device gave: each goes to the link that has its destination. Sets nothing in the batch but may patch its bytes. */
  handleDevicePackets(batch: PacketBatch, now: Instant): void {
    void batch;
    void now;
  }

  handleTimeout(now: Instant): void {
    void now;
  }

  pollTimeout(): Instant | undefined {
    return undefined;
  }

  /** Takes effect at once, on known flows too. Undefined is the default policy. */
  setFilter(policy: FilterPolicy | undefined): void {
    void policy;
  }

  /** Closes the links that `which` chooses. Returns how many. */
  closeLinks(which: (link: Link) => boolean, why: CloseReason): number {
    void which;
    void why;
    return 0;
  }

  *links(): IterableIterator<LinkView> {}
}
