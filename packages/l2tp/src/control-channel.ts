/**
 * Ordered, acknowledged messages over datagrams (RFC 2661, section 5.8): sequence numbers, window, slow start, retransmission.
 *
 * Leaves the meaning of messages to `tunnel.ts`. A header is written when its packet leaves, so that Nr is current; an acknowledgement
 * goes alone (a ZLB) only when nothing carries it by the time the driver drains.
 */
import type { Instant, Millis } from '@culvert/base';
import { type ControlPacket, encodeControl } from './header.ts';
import type { Stats } from './stats.ts';

interface Waiting {
  readonly sessionId: number;
  readonly body: Uint8Array;
}

/** Fixed by RFC 2661: what a peer takes that names no Receive Window Size. */
const DEFAULT_PEER_WINDOW = 4;
/** Ours, told in Receive Window Size: so many may wait for one that is missing. */
export const RECEIVE_WINDOW = 8;
const FIRST_WAIT: Millis = 1_000;
const LONGEST_WAIT: Millis = 8_000;
/** Retransmissions of one message: after 1, 2, 4, 8 and 8 seconds, and 8 more for an answer. */
const ATTEMPTS = 5;
/** A peer that does not acknowledge, and asks on, ends the channel. */
const MOST_WAITING = 64;
const NO_BODY = new Uint8Array(0);

export class ControlChannel {
  peerTunnelId = 0;
  #peerWindow = DEFAULT_PEER_WINDOW;
  /** The Ns of `#queue[0]`. */
  #ns = 0;
  readonly #queue: Waiting[] = [];
  /** How many of the queue are on their way, and how many ever were: after a time-out the first is less. */
  #inFlight = 0;
  #everSent = 0;
  #congestionWindow = 1;
  #threshold = DEFAULT_PEER_WINDOW;
  #growth = 0;
  #nr = 0;
  readonly #early = new Map<number, Waiting>();
  #ackDue = false;
  #retransmitAt: Instant | undefined;
  #wait = FIRST_WAIT;
  #attempts = 0;
  #failed = false;
  readonly #stats: Stats;

  constructor(stats: Stats) {
    this.#stats = stats;
  }

  /** The peer did not acknowledge in time, or not at all. */
  get failed(): boolean {
    return this.#failed;
  }
  /** True: all that was sent is acknowledged. */
  get idle(): boolean {
    return this.#queue.length === 0;
  }
  /** The peer's Receive Window Size. */
  setPeerWindow(window: number | undefined): void {
    this.#peerWindow = Math.max(1, window ?? DEFAULT_PEER_WINDOW);
    this.#threshold = this.#peerWindow;
  }

  send(sessionId: number, body: Uint8Array): void {
    if (this.#queue.length >= MOST_WAITING) this.#failed = true;
    else this.#queue.push({ sessionId, body });
  }

  /** Gives the messages that have their turn, in order. */
  handle(packet: ControlPacket, now: Instant): Waiting[] {
    this.#acknowledged(packet.nr, now);
    // Some ZLBs carry a session id (xl2tpd): the body alone tells.
    if (packet.body.length === 0) return [];
    this.#ackDue = true;
    const ahead = (packet.ns - this.#nr) & 0xffff;
    if (ahead >= 0x8000) this.#stats.duplicates++;
    else if (ahead >= RECEIVE_WINDOW) this.#stats.beyond++;
    else {
      if (ahead > 0) this.#stats.early++;
      this.#early.set(packet.ns, { sessionId: packet.sessionId, body: packet.body });
    }
    return this.#inOrder();
  }

  handleTimeout(now: Instant): void {
    if (this.#retransmitAt === undefined || now < this.#retransmitAt) return;
    if (this.#attempts >= ATTEMPTS) {
      this.#failed = true;
      this.#retransmitAt = undefined;
      return;
    }
    this.#attempts++;
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
    this.#threshold = Math.max(1, this.#congestionWindow >>> 1);
    this.#congestionWindow = 1;
    this.#growth = 0;
    this.#inFlight = 0;
    this.#retransmitAt = undefined;
  }

  pollTransmit(now: Instant): Uint8Array | undefined {
    const next = this.#queue[this.#inFlight];
    if (next !== undefined && this.#inFlight < Math.min(this.#congestionWindow, this.#peerWindow)) {
      return this.#transmit(next, now);
    }
    if (!this.#ackDue) return undefined;
    this.#stats.acksOut++;
    return this.#encode({ sessionId: 0, body: NO_BODY }, (this.#ns + this.#inFlight) & 0xffff);
  }

  pollTimeout(): Instant | undefined {
    return this.#retransmitAt;
  }

  #transmit(next: Waiting, now: Instant): Uint8Array {
    const ns = (this.#ns + this.#inFlight) & 0xffff;
    if (this.#inFlight < this.#everSent) this.#stats.retransmits++;
    else this.#stats.messagesOut++;
    this.#inFlight++;
    this.#everSent = Math.max(this.#everSent, this.#inFlight);
    this.#retransmitAt ??= (now + this.#wait) as Instant;
    return this.#encode(next, ns);
  }

  #encode({ sessionId, body }: Waiting, ns: number): Uint8Array {
    this.#ackDue = false;
    return encodeControl({ tunnelId: this.peerTunnelId, sessionId, ns, nr: this.#nr, body });
  }

  #acknowledged(nr: number, now: Instant): void {
    const count = (nr - this.#ns) & 0xffff;
    if (count === 0 || count > this.#everSent) return;
    this.#queue.splice(0, count);
    this.#ns = nr;
    this.#everSent -= count;
    this.#inFlight = Math.max(0, this.#inFlight - count);
    this.#attempts = 0;
    this.#wait = FIRST_WAIT;
    this.#retransmitAt = this.#inFlight > 0 ? ((now + this.#wait) as Instant) : undefined;
    for (let n = 0; n < count; n++) this.#open();
  }

  /** Slow start up to the threshold, then one more for each window (RFC 2661, appendix A). */
  #open(): void {
    if (this.#congestionWindow >= this.#peerWindow) return;
    if (this.#congestionWindow < this.#threshold) this.#congestionWindow++;
    else if (++this.#growth >= this.#congestionWindow) {
      this.#growth = 0;
      this.#congestionWindow++;
    }
  }

  #inOrder(): Waiting[] {
    const ready: Waiting[] = [];
    for (let next = this.#early.get(this.#nr); next !== undefined; next = this.#early.get(this.#nr)) {
      this.#early.delete(this.#nr);
      this.#nr = (this.#nr + 1) & 0xffff;
      this.#stats.messagesIn++;
      ready.push(next);
    }
    return ready;
  }
}
