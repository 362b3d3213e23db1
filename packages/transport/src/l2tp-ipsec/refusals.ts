/** Peers that IPsec turned away, as events: not more often than people can read, and all counted. */
import type { MonotonicClock } from '@culvert/base';
import type { TransportEvent } from '@culvert/core';
import { Telling } from '@culvert/ipsec';
import type { Refusal } from './peer-table.ts';

export class Refusals {
  readonly stats = { ipsecRefused: 0, ipsecTimeouts: 0 };
  readonly #on: { nextId(): number; onEvent(event: TransportEvent): void };
  readonly #clock: MonotonicClock;
  /** Of peers whose address is shown to be theirs. IKE lets through what is to be told of strangers, who take no part in this. */
  readonly #telling = new Telling();

  constructor(on: { nextId(): number; onEvent(event: TransportEvent): void }, clock: MonotonicClock) {
    this.#on = on;
    this.#clock = clock;
  }

  handle({ path, phase, begun, code, reason, offers }: Refusal): void {
    if (code === 'timeout') this.stats.ipsecTimeouts++;
    else this.stats.ipsecRefused++;
    if (begun && !this.#telling.ask(path.remote.address, this.#clock.now())) return;
    const { onEvent, nextId } = this.#on;
    const id = nextId();
    if (begun) onEvent({ kind: 'attempt', id, path });
    if (offers !== undefined) onEvent(noProposal(id, phase, offers));
    if (reason.cause === 'refused') onEvent({ kind: 'refused', id, path, reason: reason.detail });
    else onEvent({ kind: 'failed', id, path, reason });
  }
}

/** A change of keys that came to nothing, as a note of a link. */
export const noNewKeys = 'no new keys';

/** Both offers, for people to compare. */
export function noProposal(id: number, phase: 1 | 2, offers: NonNullable<Refusal['offers']>): TransportEvent {
  const { offered, accepted } = offers;
  return { kind: 'note', id, message: 'no proposal in common', fields: { phase, offered, accepted } };
}
