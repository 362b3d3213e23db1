/**
 * The sending half of the control channel's reliability: numbered packets, a window, retransmission (openvpn reliable.c).
 *
 * Owns packet ids and timers of what is not yet acknowledged. Leaves wrapping and acknowledgements of the peer's packets to others.
 */
import type { Instant, Millis } from '@culvert/base';
import type { Opcode } from './opcode.ts';

// Fixed by openvpn.
/** So many acknowledgements of later packets mean that this one was lost (reliable.h N_ACK_RETRANSMIT). */
const LATER_ACKS = 3;

// Chosen by us.
/** The window of OpenVPN 2.6 (ssl_pkt.h TLS_RELIABLE_N_SEND_BUFFERS); every version buffers 12 packets to receive. */
const WINDOW = 6;
/** Doubling stops here: of 300 handshakes over a wire that loses 30 %, 8 s let six miss their minute, and this none (noisy-wire.test.ts). */
const LONGEST_TIMEOUT: Millis = 4_000;
/** A measured round trip brings the first retransmission down to three of it, but never below this. */
const SHORTEST_TIMEOUT: Millis = 400;

export interface OutgoingPacket {
  readonly id: number;
  readonly opcode: Opcode;
  readonly payload: Uint8Array;
}

interface Pending extends OutgoingPacket {
  sentAt: Instant | undefined;
  nextTry: Instant;
  timeout: Millis;
  tries: number;
  laterAcks: number;
}

export class ReliableSender {
  retransmits = 0;
  #pending: Pending[] = [];
  #nextId: number;
  readonly #longest: Millis;
  #timeout: Millis;
  /** Undefined over a stream: nothing is sent twice. */
  readonly #retransmit: boolean;

  /** @param firstTimeout undefined: the wire is reliable. @param firstId 1 where packet 0 was sent without us. */
  constructor(firstTimeout: Millis | undefined, firstId = 0) {
    this.#retransmit = firstTimeout !== undefined;
    this.#timeout = firstTimeout ?? 0;
    this.#longest = Math.max(LONGEST_TIMEOUT, this.#timeout);
    this.#nextId = firstId;
  }

  /** Packets that may be queued now. */
  get room(): number {
    const oldest = this.#pending[0]?.id ?? this.#nextId;
    return Math.max(0, WINDOW - (this.#nextId - oldest));
  }

  get nextId(): number {
    return this.#nextId;
  }

  /** Nothing waits for an acknowledgement. */
  get idle(): boolean {
    return this.#pending.length === 0;
  }

  /** Queue a packet; it is due at once. The caller has looked at `room`. */
  push(opcode: Opcode, payload: Uint8Array, now: Instant): void {
    this.#pending.push({
      id: this.#nextId++,
      opcode,
      payload,
      sentAt: undefined,
      nextTry: now,
      timeout: this.#timeout,
      tries: 0,
      laterAcks: 0,
    });
  }

  acknowledge(ids: readonly number[], now: Instant): void {
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i];
      let at = 0;
      while (at < this.#pending.length && this.#pending[at]?.id !== id) at++;
      const packet = this.#pending[at];
      if (packet === undefined || id === undefined) continue;
      this.#measure(packet, now);
      this.#pending.splice(at, 1);
      for (const earlier of this.#pending) if (earlier.id < id && earlier.tries > 0) earlier.laterAcks++;
    }
  }

  /** The next packet that must go out now, marked as sent. */
  poll(now: Instant): OutgoingPacket | undefined {
    let next = 0;
    while (next < this.#pending.length && !this.#isDue(this.#pending[next] as Pending, now)) next++;
    const due = this.#pending[next];
    if (due === undefined) return undefined;
    if (due.tries > 0) {
      this.retransmits++;
      due.timeout = Math.min(due.timeout * 2, this.#longest);
    }
    due.tries++;
    due.sentAt = now;
    due.laterAcks = 0;
    due.nextTry = (now + due.timeout) as Instant;
    return due;
  }

  /** When the next packet is due. */
  get timeout(): Instant | undefined {
    let earliest: Instant | undefined;
    for (const packet of this.#pending) {
      if (packet.tries > 0 && !this.#retransmit) continue;
      if (earliest === undefined || packet.nextTry < earliest) earliest = packet.nextTry;
    }
    return earliest;
  }

  #isDue(packet: Pending, now: Instant): boolean {
    if (packet.tries === 0) return true;
    return this.#retransmit && (packet.nextTry <= now || packet.laterAcks >= LATER_ACKS);
  }

  /** Only packets that were sent once tell a round trip (Karn's rule). Packets under way wait no longer than new ones will. */
  #measure(packet: Pending, now: Instant): void {
    if (!this.#retransmit || packet.tries !== 1 || packet.sentAt === undefined) return;
    const wanted = Math.max(SHORTEST_TIMEOUT, 3 * (now - packet.sentAt));
    this.#timeout = Math.min(wanted, this.#timeout);
    for (const waiting of this.#pending) {
      if (waiting.sentAt === undefined) continue;
      waiting.timeout = Math.min(waiting.timeout, this.#timeout * 2 ** (waiting.tries - 1));
      waiting.nextTry = Math.min(waiting.nextTry, waiting.sentAt + waiting.timeout) as Instant;
    }
  }
}
