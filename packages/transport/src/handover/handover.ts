/** A packet thread's end of the rings to and from the others: packets for links elsewhere leave, those for its own links come in. */
import type { MessagePort } from 'node:worker_threads';
import type { Logger, MonotonicClock, PacketBatch } from '@culvert/base';
import type { Handed, TunnelCore } from '@culvert/core';
import { EndOfTurn } from '../end-of-turn.ts';
import { FaultLog } from '../fault-log.ts';
import { RingReader, RingWriter } from './ring.ts';

/** Batches read before other work of the loop gets its turn. */
const BATCHES_A_TURN = 4;

/** Another packet thread. */
export interface Neighbour {
  readonly index: number;
  /** Rings, by the way their packets go. */
  readonly inbound: SharedArrayBuffer;
  readonly outbound: SharedArrayBuffer;
  /** Any message wakes the reader at its other end. */
  readonly wake: MessagePort;
}

export class Handover {
  readonly #core: TunnelCore;
  readonly #clock: MonotonicClock;
  readonly #neighbours: readonly Neighbour[];
  readonly #writers = new Map<number, RingWriter>();
  readonly #endOfTurn = new EndOfTurn(() => this.#flush());
  readonly #faults: FaultLog;
  readonly #handOver = (batch: PacketBatch): void => {
    try {
      this.#core.handleHandedOver(batch, this.#clock.now());
    } catch (error) {
      // Above is the event loop: what it is given ends the thread, and the gateway with it.
      this.#faults.tell('a packet from another thread', error, 'lost');
    }
  };
  /** Packets that were for other threads. */
  handedOver = 0;
  #closed = false;

  /** Starts at once. */
  constructor(options: {
    readonly core: TunnelCore;
    readonly clock: MonotonicClock;
    readonly log: Logger;
    readonly neighbours: readonly Neighbour[];
  }) {
    this.#faults = new FaultLog(options.log, options.clock);
    this.#core = options.core;
    this.#clock = options.clock;
    this.#neighbours = options.neighbours;
    for (const { index, inbound, outbound, wake } of options.neighbours) {
      this.#writers.set(index, new RingWriter(outbound, () => wake.postMessage(0)));
      const reader = new RingReader(inbound);
      wake.on('message', () => {
        reader.handleWake();
        this.#read(reader);
      });
    }
  }

  /** Packets that found a ring full: the thread behind it has more than it can carry. */
  get dropped(): number {
    return [...this.#writers.values()].reduce((sum, { dropped }) => sum + dropped, 0);
  }

  /** Hands packet `i` to thread `index`, with what else goes there in this turn. */
  put(index: number, batch: PacketBatch, i: number, how: Handed): void {
    this.handedOver++;
    this.#writers.get(index)?.put(batch, i, how);
    this.#endOfTurn.ask();
  }

  close(): void {
    this.#closed = true;
    for (const { wake } of this.#neighbours) wake.close();
  }

  #flush(): void {
    for (const writer of this.#writers.values()) writer.flush();
  }

  #read(reader: RingReader): void {
    for (let n = 0; n < BATCHES_A_TURN; n++) {
      if (this.#closed || !reader.read(this.#handOver)) return;
    }
    setImmediate(() => this.#read(reader));
  }
}
