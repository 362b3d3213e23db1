/** A PNS and a PAC in memory, joined by a stream that cuts anywhere, in virtual time. */
import type { Instant, Millis } from '@culvert/base';
import { type SeededRandom, seededRandom, VirtualClock } from '@culvert/testkit';
import type { ControlConnection, ControlEvent } from '../src/control-connection.ts';
import { PacConnection, type PacOptions } from '../src/pac-connection.ts';
import { PnsConnection, type PnsOptions } from '../src/pns-connection.ts';

export const callIds = { pns: 0x1111, pac: 0x2222 } as const;

export class StreamEnds {
  readonly clock = new VirtualClock();
  readonly pns: PnsConnection;
  readonly pac: PacConnection;
  readonly events = { pns: [] as ControlEvent[], pac: [] as ControlEvent[] };
  /** Bytes of one side go nowhere from now on. */
  deaf = { pns: false, pac: false };
  readonly #random: SeededRandom = seededRandom(3);

  constructor(options: { readonly pns?: Partial<PnsOptions>; readonly pac?: Partial<PacOptions> } = {}) {
    const now = this.clock.now();
    this.pns = new PnsConnection({ callId: callIds.pns, serial: 7, now, ...options.pns });
    this.pac = new PacConnection({ nextCallId: idsFrom(callIds.pac), now, ...options.pac });
  }

  /** Moves bytes until none is left, in pieces of random size. */
  run(): this {
    while (this.#move('pns', this.pac) || this.#move('pac', this.pns));
    return this;
  }

  advance(by: Millis): this {
    const end = (this.clock.now() + by) as Instant;
    for (;;) {
      this.run();
      const next = Math.min(this.pns.pollTimeout() ?? end, this.pac.pollTimeout() ?? end, end) as Instant;
      this.clock.advanceTo(next);
      this.pns.handleTimeout(next);
      this.pac.handleTimeout(next);
      this.run();
      if (next >= end) return this;
    }
  }

  kinds(side: 'pns' | 'pac'): string[] {
    return this.events[side].map(({ kind }) => kind).filter((kind) => kind !== 'note');
  }

  reason(side: 'pns' | 'pac'): string | undefined {
    const last = this.events[side].at(-1);
    return last?.kind === 'closed' ? `${last.reason.cause}: ${last.reason.detail}` : undefined;
  }

  #move(from: 'pns' | 'pac', to: ControlConnection): boolean {
    let moved = false;
    const other = from === 'pns' ? 'pac' : 'pns';
    const drained = drain(this[from], this.events[from]);
    for (const message of drained) {
      moved = true;
      for (let at = 0; at < message.length; ) {
        const size = 1 + this.#random.integer(message.length);
        if (!this.deaf[other]) to.handleStream(message.subarray(at, at + size), this.clock.now());
        at += size;
      }
    }
    // The driver of an end that closed ends the TCP connection.
    if (this.events[from].at(-1)?.kind === 'closed' && !this.deaf[other]) to.handleEnd(undefined);
    return moved;
  }
}

/** Hands out `first` and the ids after it. */
export function idsFrom(first: number): () => number {
  let next = first;
  return () => next++;
}

/** Everything that waits: messages as the result, events into `events`. */
export function drain(connection: ControlConnection, events: ControlEvent[] = []): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let m = connection.pollTransmit(); m !== undefined; m = connection.pollTransmit()) messages.push(m);
  for (let e = connection.pollEvent(); e !== undefined; e = connection.pollEvent()) events.push(e);
  return messages;
}
