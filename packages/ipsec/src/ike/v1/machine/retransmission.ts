/** One message that waits for its answer: sent again after 1, 2, 4, 8 and 8 seconds, then given up (RFC 2408, section 5.1). */
import type { Instant, Millis, Path } from '@culvert/base';
import { later } from './face.ts';

const FIRST: Millis = 1000;
const LONGEST: Millis = 8000;
const ATTEMPTS = 6;
/** For the answer to the last one, when the peer has answered before. */
const LAST: Millis = 2000;

export class Retransmission {
  readonly datagram: Uint8Array;
  readonly path: Path;
  #sent = 1;
  #hurries = false;
  #at: Instant;

  constructor(datagram: Uint8Array, path: Path, now: Instant) {
    this.datagram = datagram;
    this.path = path;
    this.#at = later(now, FIRST);
  }

  get at(): Instant {
    return this.#at;
  }

  /** How often it left. */
  get sent(): number {
    return this.#sent;
  }

  /** The peer seems to refuse, but nothing proves that it was the peer: ask once more, then give up. */
  hurry(): void {
    this.#hurries = true;
    this.#sent = Math.max(this.#sent, ATTEMPTS - 1);
  }

  /** What to do at `now`. */
  due(now: Instant): 'wait' | 'send' | 'give-up' {
    if (now < this.#at) return 'wait';
    if (this.#sent >= ATTEMPTS) return 'give-up';
    this.#at = later(now, this.#hurries ? LAST : Math.min(FIRST * 2 ** this.#sent, LONGEST));
    this.#sent++;
    return 'send';
  }
}
