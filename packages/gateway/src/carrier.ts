/** What carries the packets of links that are up: this thread (`one-thread.ts`), or several of their own (`threads/`). */
import type { FilterPolicy, Link } from '@culvert/core';

export interface Carrier {
  /** Packets that belonged to no link, and what the device lost, by cause. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly deviceStats: Readonly<Record<string, number>>;
  /** Takes the link until it is closed. Throws CoreError when another link has one of its addresses. */
  attach(link: Link): void;
  /** Takes effect at once, on known flows too. Throws CoreError, and changes nothing, for a rule that is wrong. */
  setFilter(policy: FilterPolicy): void;
  /** What was dropped of a link's packets, by cause. */
  droppedOf(link: Link): Readonly<Record<string, number>>;
  /** Brings counters up to date, those of links included. */
  refresh(): Promise<void>;
  /** Begins to read the device. */
  start(): void;
  /** Stops. The device stays its owner's. */
  stop(): void;
}
