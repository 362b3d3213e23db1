/**
 * How long an outer packet may be so that it leaves whole: what most paths take, or what one path does as the kernel knows it.
 *
 * Asked anew when a train was refused on the path, and now and then while it is used, as the kernel forgets what a router answered (after ten
 * minutes), and routes change. The kernel believes an answer that somebody forged, too: it can make packets small, down to `least`, and no smaller.
 */
import type { Instant } from '@culvert/base';

/** What most paths take: openvpn's own default (`mssfix 1492`), for lines with PPPoE. */
export const USUAL_OUTER_MTU = 1_492;

/** The least that Linux believes by itself (`net.ipv4.route.min_pmtu`), and what every link of IPv6 takes (RFC 8200, section 5). */
const LEAST = { 4: 552, 6: 1_280 } as const;

/** Chosen: a question costs 20 µs, so ten thousand busy links spend a three hundredth of a core on it, or half a hundredth where many are refused (`UdpPort`). */
const ASK_AGAIN_MILLIS = 60_000;
/** Chosen: netio waits ten seconds until it tries a train of that size again, but may forget one peer over another. */
const AFTER_REFUSAL_MILLIS = 1_000;

/** Questions of one port, whatever its peers do: half a hundredth of a core. Who comes later goes on with what was known, or with what is usual. */
export const QUESTIONS_A_SECOND = 256;

export class OuterMtu {
  readonly #ask: () => number | undefined;
  readonly #least: number;
  #bytes: number;
  /** When to ask again; undefined before it is sent on. */
  #due: Instant | undefined;
  /** A refusal is not asked about before. */
  #earliest = 0 as Instant;

  /** @param ask bytes that the path takes; undefined: nobody knows now */
  constructor(family: 4 | 6, ask: () => number | undefined) {
    this.#ask = ask;
    this.#least = LEAST[family];
    this.#bytes = this.#within(ask() ?? USUAL_OUTER_MTU);
  }

  /** IP header included; never more than what most paths take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Something was sent on the path; `refused`: a train was, which may have been of this path. Returns whether `bytes` is another now. */
  handleSent(now: Instant, refused: boolean): boolean {
    this.#due ??= later(now, ASK_AGAIN_MILLIS);
    if (refused && this.#earliest < this.#due) this.#due = this.#earliest;
    if (now < this.#due) return false;
    this.#due = later(now, ASK_AGAIN_MILLIS);
    this.#earliest = later(now, AFTER_REFUSAL_MILLIS);
    const before = this.#bytes;
    this.#bytes = this.#within(this.#ask() ?? before);
    return this.#bytes !== before;
  }

  #within(bytes: number): number {
    return Math.max(this.#least, Math.min(bytes, USUAL_OUTER_MTU));
  }
}

function later(now: Instant, millis: number): Instant {
  return (now + millis) as Instant;
}
