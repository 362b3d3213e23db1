/**
 * How long a phase 1 lives: by time, and by what went under its keys where its peers agreed on that (RFC 2409, appendix A: life type 2).
 *
 * The initiator makes the next one before its end. The responder waits for that a little longer, and then ends it.
 */
import type { Instant } from '@culvert/base';
import type { Lifetimes } from '../attributes.ts';
import { type IkeLifetimes, later } from './face.ts';

/** An initiator's phase 1 gets new keys when this part of its life is over, or up to a tenth later. */
const SOFT = 0.85;
const JITTER = 0.1;
/** What the peer may be late with its own rekeying. */
const GRACE = 60_000;
/** After which a new phase 1 that did not come to be is tried again, while the old one lasts; and the least between two that bytes ask for. */
const AGAIN = 60_000;
/**
 * So long the old one stays after our next one does: strongSwan hands its children over in a job of its own (adopt_children_job.c), and ends those that it
 * finds under a phase 1 that was deleted before.
 */
const HANDING_OVER = 5_000;

export class Phase1Life {
  /** By the proposal that was chosen. */
  agreed: Lifetimes = { seconds: undefined, kilobytes: undefined };
  /** When we make the next one. Undefined: that is up to the peer. */
  softAt: Instant | undefined;
  hardAt: Instant;
  /** See `cede`. */
  ceded = false;
  #begunAt: Instant;
  /** Under its keys: those of before it stood do not count. */
  #bytesBefore = 0;
  #softBytes = Number.POSITIVE_INFINITY;
  #hardBytes = Number.POSITIVE_INFINITY;

  /** @param negotiation milliseconds until it has to stand */
  constructor(now: Instant, negotiation: number) {
    this.#begunAt = now;
    this.hardAt = later(now, negotiation);
  }

  /** When it came to stand; before, when its negotiation began. */
  get begunAt(): Instant {
    return this.#begunAt;
  }

  /**
   * It stands.
   *
   * @param own what we want: an initiator takes less, a responder what its peer says
   * @param bytes under its keys so far
   */
  begin(role: 'initiator' | 'responder', own: IkeLifetimes, bytes: number, draw: number, now: Instant): void {
    const { seconds, kilobytes } = this.agreed;
    const { phase1Seconds, mostSeconds } = own;
    const asked = seconds || phase1Seconds;
    const life = Math.min(role === 'initiator' ? Math.min(phase1Seconds, asked) : asked, mostSeconds) * 1000;
    this.#begunAt = now;
    this.#bytesBefore = bytes;
    this.#hardBytes = kilobytes ? kilobytes * 1024 : Number.POSITIVE_INFINITY;
    this.hardAt = later(now, life + (role === 'initiator' ? 0 : GRACE));
    if (role === 'initiator') this.#renewWithin(life, draw, now);
  }

  /** It takes the place of one that we renew, and is renewed by us in its turn. */
  takeOver(draw: number, now: Instant): void {
    this.#renewWithin(this.hardAt - GRACE - now, draw, now);
  }

  /** The next one is under way: another try is due only if that fails. */
  renewing(now: Instant): void {
    this.softAt = later(now, AGAIN);
    this.#softBytes = Number.POSITIVE_INFINITY;
  }

  /** Another took its place: its peer deletes it, or has forgotten it. */
  supersede(now: Instant): void {
    this.hardAt = Math.min(this.hardAt, later(now, GRACE)) as Instant;
  }

  /** We made the one that takes its place, and delete it once the peer has handed its children over. */
  cede(now: Instant): void {
    this.ceded = true;
    this.softAt = undefined;
    this.#softBytes = Number.POSITIVE_INFINITY;
    this.hardAt = later(now, HANDING_OVER);
  }

  /** So many went under its keys. */
  wear(bytes: number, now: Instant): void {
    const worn = bytes - this.#bytesBefore;
    if (this.softAt !== undefined && worn >= this.#softBytes)
      this.softAt = Math.min(this.softAt, Math.max(now, later(this.#begunAt, AGAIN))) as Instant;
    if (worn < this.#hardBytes) return;
    this.#hardBytes = Number.POSITIVE_INFINITY;
    this.hardAt = Math.min(this.hardAt, later(now, AGAIN + GRACE)) as Instant;
  }

  #renewWithin(life: number, draw: number, now: Instant): void {
    const part = SOFT + JITTER * draw;
    this.softAt = later(now, life * part);
    this.#softBytes = this.#hardBytes * part;
  }
}
