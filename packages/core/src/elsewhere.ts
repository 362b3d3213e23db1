/** Links whose core is another packet thread's: what for them arrives here is handed over, and judged there. */
import type { PacketBatch } from '@culvert/base';
import type { Link } from './contracts.ts';

/** How a packet that was handed over began, in its batch's `tags`. */
export const Handed = {
  fromDevice: 0,
  /** A link of the other thread sent it, and that link's filter lets it begin. */
  fromLink: 1,
  /** Likewise, but the filter does not: it passes if it belongs to a flow which the link here began. */
  answerOnly: 2,
} as const;
export type Handed = (typeof Handed)[keyof typeof Handed];

/** A link of another thread. `send` hands over packets of the device; its limits of time are its own core's. */
export interface ElsewhereLink extends Link {
  /** Hands over packet `i`, which a link here sent. */
  handOver(batch: PacketBatch, i: number, how: Handed): void;
}
