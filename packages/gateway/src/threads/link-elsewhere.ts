/** Another packet thread's link, as this thread's core has it: whatever it is given goes into that thread's ring. */
import type { CloseReason, Instant, PacketBatch, Path } from '@culvert/base';
import { type ElsewhereLink, Handed, type LinkConfig, type LinkStats, type Principal } from '@culvert/core';
import type { Handover } from '@culvert/transport';
import type { ElsewhereSetup } from './messages.ts';

const nowhere: Path = { socket: -1, local: { address: '', port: 0 }, remote: { address: '', port: 0 } };

export class LinkElsewhere implements ElsewhereLink {
  readonly id: number;
  readonly transport = 'elsewhere';
  readonly principal: Principal;
  readonly config: LinkConfig;
  readonly path = nowhere;
  readonly since = 0 as Instant;
  /** Its own thread counts. */
  readonly stats: LinkStats = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, droppedIn: 0, droppedOut: 0 };
  readonly facts = {};
  readonly closed: Promise<CloseReason> = new Promise(() => {});
  readonly #handover: Handover;
  readonly #thread: number;

  constructor({ id, thread, user, config }: ElsewhereSetup, handover: Handover) {
    this.id = id;
    this.principal = { user, groups: [], certificate: undefined, proofs: [] };
    this.config = config;
    this.#thread = thread;
    this.#handover = handover;
  }

  send(batch: PacketBatch): void {
    for (let i = 0; i < batch.count; i++) {
      if (batch.lengths[i] !== 0) this.#handover.put(this.#thread, batch, i, Handed.fromDevice);
    }
  }

  handOver(batch: PacketBatch, i: number, how: Handed): void {
    this.#handover.put(this.#thread, batch, i, how);
  }

  onPackets(): void {}
  update(): void {}
  async close(): Promise<void> {}
}
