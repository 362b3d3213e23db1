/**
 * How much is under way to the peer, and how long its acknowledgements take (RFC 2637, sections 4.3 and 4.4).
 *
 * The window that a peer tells is no use: windows of 3 (pptp-linux, poptop) would hold a link to a few packets a round trip, Windows
 * looks at none. But a peer whose program handles packets one by one has a socket's buffer for about ninety of them, and each that is
 * lost there makes pptp-linux and poptop wait 0.3 s for its sequence number. So what may be under way follows the peer: it grows while
 * acknowledgements come as fast as they ever did, and shrinks when packets lie in the peer's queue (the way of TCP Vegas). Nobody waits for
 * acknowledgements that do not come: when none came for the adaptive time-out nothing is limited until the next one. A peer that tells
 * a large window is taken at its word, and not limited. Nor is the first burst: PPP's own frames were acknowledged long before there is
 * data, and a limit until the first acknowledgement and after a time-out made nothing faster (10 MB to pptp-linux in 3.5 instead of 3.2 s,
 * to pptpd in 3.2 instead of 3.3 s, means of nine).
 *
 * Where packets are lost those two acknowledge nothing for 0.3 s, which looks like a queue and is none; so the window does not shrink below
 * what their buffers take in any case. And poptop looks whether the 0.3 s are over only when a packet comes: where acknowledgements stay
 * away it is nudged.
 *
 * One packet a round trip is timed, as there is no room for a time each.
 */
import type { Instant, Millis } from '@culvert/base';

/** RFC 2637, section 4.4: gains of the round trip's estimate and of its deviation, and the deviation's weight. */
const ALPHA = 1 / 8;
const BETA = 1 / 4;
const CHI = 4;
const INITIAL_TIMEOUT: Millis = 1_000;
/** pptp-linux acknowledges a packet that comes alone after 500 ms. */
const MIN_TIMEOUT: Millis = 600;
const MAX_TIMEOUT: Millis = 10_000;

/** Windows from here on are meant. */
const TRUSTED = 1_024;
/** Half of what a peer's socket holds. */
const MIN_WINDOW = 40;
/** So long after the last progress, and the shortest round trip, a peer that waits for what was lost may go on without it. */
const NUDGE_AFTER: Millis = 320;
/** Nudges may be lost as well. */
const MOST_NUDGES = 3;
/** Packets that may lie in the peer's queue: fewer, and the window grows; more, and it shrinks. */
const FEW_QUEUED = 8;
const MANY_QUEUED = 20;
/** The shortest round trip is forgotten after so long: the way may have become longer. */
const SHORTEST_HOLDS: Millis = 10_000;

export class AckWindow {
  /** Times that acknowledgements did not come in time. */
  timeouts = 0;
  readonly #isTrusted: boolean;
  #window = MIN_WINDOW;
  #roundTrip: Millis | undefined;
  #deviation: Millis = 0;
  #timeout: Millis = INITIAL_TIMEOUT;
  #shortest: Millis = Number.POSITIVE_INFINITY;
  #shortestSince = 0;
  /** The next sequence number, and the highest that was acknowledged (both int32). */
  #next = 0;
  #acknowledged = -1;
  #timed: number | undefined;
  #timedAt = 0;
  #timedUnderWay = 0;
  #lastProgress = 0;
  /** Since the last progress. */
  #nudges = 0;
  #nudgedAt = 0;
  /** Acknowledgements come. */
  #answers = false;

  /** @param peerWindow the peer's receive window */
  constructor(peerWindow: number) {
    this.#isTrusted = peerWindow >= TRUSTED;
  }

  /** Milliseconds; undefined until something was acknowledged. */
  get roundTrip(): Millis | undefined {
    return this.#roundTrip;
  }

  get window(): number {
    return this.#window;
  }

  get underWay(): number {
    return (this.#next - 1 - this.#acknowledged) | 0;
  }

  /** How many packets may go now; Infinity where nothing is known. */
  room(now: Instant): number {
    if (this.underWay > 0 && now >= this.#lastProgress + this.#timeout) this.#giveUp();
    if (this.#isTrusted || !this.#answers) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.#window - this.underWay);
  }

  /** When to send the peer something, whatever it is, as it owes us an acknowledgement; undefined: it owes none, or was nudged enough. */
  get nudgeAt(): Instant | undefined {
    if (this.#roundTrip === undefined || this.underWay <= 0 || this.#nudges >= MOST_NUDGES) return undefined;
    const since = this.#nudges === 0 ? this.#lastProgress : this.#nudgedAt;
    return (since + NUDGE_AFTER + Math.min(this.#shortest, NUDGE_AFTER)) as Instant;
  }

  nudged(now: Instant): void {
    this.#nudges++;
    this.#nudgedAt = now;
  }

  /** Packets `sequence` to `sequence + count - 1` leave. */
  sent(sequence: number, count: number, now: Instant): void {
    if (this.underWay === 0) this.#progressed(now);
    this.#next = (sequence + count) | 0;
    if (this.#timed !== undefined) return;
    this.#timed = (this.#next - 1) | 0;
    this.#timedAt = now;
    this.#timedUnderWay = this.underWay;
  }

  /** What the peer says to have received; nonsense is passed over. Returns whether it told something new. */
  acknowledged(sequence: number, now: Instant): boolean {
    const newly = (sequence - this.#acknowledged) | 0;
    if (newly <= 0 || ((this.#next - 1 - sequence) | 0) < 0) return false;
    this.#acknowledged = sequence;
    this.#progressed(now);
    this.#answers = true;
    if (this.#timed !== undefined && ((sequence - this.#timed) | 0) >= 0) {
      this.#sample(now - this.#timedAt, now);
      this.#timed = undefined;
    }
    return true;
  }

  #progressed(now: Instant): void {
    this.#lastProgress = now;
    this.#nudges = 0;
  }

  #sample(sample: Millis, now: Instant): void {
    const difference = sample - (this.#roundTrip ?? sample);
    this.#deviation += BETA * (Math.abs(difference) - this.#deviation);
    this.#roundTrip = (this.#roundTrip ?? sample) + ALPHA * difference;
    this.#setTimeout(this.#roundTrip + CHI * this.#deviation);
    if (sample <= this.#shortest || now >= this.#shortestSince + SHORTEST_HOLDS) {
      this.#shortest = sample;
      this.#shortestSince = now;
    }
    this.#follow(sample);
  }

  /** Of what was under way with the packet that was timed, the share of its round trip above the shortest one lay in a queue. */
  #follow(sample: Millis): void {
    const underWay = this.#timedUnderWay;
    const queued = sample > 0 ? underWay * (1 - this.#shortest / sample) : 0;
    if (queued > MANY_QUEUED) this.#window = Math.max(MIN_WINDOW, this.#window - Math.ceil(queued - FEW_QUEUED));
    else if (queued < FEW_QUEUED && 2 * underWay >= this.#window) {
      this.#window = Math.min(TRUSTED, this.#window + Math.max(1, this.#window >>> 2));
    }
  }

  #giveUp(): void {
    this.timeouts++;
    this.#acknowledged = (this.#next - 1) | 0;
    this.#timed = undefined;
    this.#answers = false;
    this.#window = Math.max(MIN_WINDOW, this.#window >>> 1);
  }

  #setTimeout(timeout: Millis): void {
    this.#timeout = Math.min(MAX_TIMEOUT, Math.max(MIN_TIMEOUT, timeout));
  }
}
