/** What a session has to give: frames and events, in order, neither of them without end. */

import type { PppEvent } from './face.ts';
import { encodeFrame } from './frame.ts';

// Chosen by us.
/** Frames that wait for a carrier; each call makes a few. */
const MOST_FRAMES = 64;
/** A peer's options are worth so many lines. */
const MOST_NOTES = 100;

export class Outlet {
  /** Frames for which there was no room. */
  dropped = 0;
  readonly #frames: Uint8Array[] = [];
  readonly #events: PppEvent[] = [];
  #notes = 0;

  send(protocol: number, packet: Uint8Array): void {
    if (this.#frames.length < MOST_FRAMES) this.#frames.push(encodeFrame(protocol, packet));
    else this.dropped++;
  }
  note(message: string, fields: Readonly<Record<string, unknown>>): void {
    if (++this.#notes <= MOST_NOTES) this.tell({ kind: 'note', message, fields });
  }
  tell(event: PppEvent): void {
    this.#events.push(event);
  }

  pollFrame(): Uint8Array | undefined {
    return this.#frames.shift();
  }
  pollEvent(): PppEvent | undefined {
    return this.#events.shift();
  }
}
