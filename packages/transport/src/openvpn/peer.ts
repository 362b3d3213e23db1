/**
 * Joins one session machine to its wire and its alarm: feeds inputs, drains outputs. The same for both roles.
 *
 * Above it is the event loop: what that is given ends the process, with the links of everybody. So nothing is thrown from here, and a mistake
 * of our own ends the session that met it.
 */
import type { CloseReason, Instant, MonotonicClock, PacketBatch, Path, Transmit } from '@culvert/base';
import type { ClientSession, ServerSession, SessionEvent } from '@culvert/openvpn';
import { Alarm } from '../alarm.ts';
import { ourFault } from '../fault-log.ts';
import { resetBatch } from '../outbox.ts';
import type { OpenvpnLink } from './link.ts';

type Session = ClientSession | ServerSession;

/** After our goodbye the session absorbs the peer's retransmissions for a moment; longer than this it may not take. */
const GOODBYE_MILLIS = 2_000;

export interface PeerOptions {
  readonly session: Session;
  readonly clock: MonotonicClock;
  /** Plaintext scratch that all peers of a driver share; in use for the length of a call. */
  readonly inner: PacketBatch;
  send(transmit: Transmit): void;
  onEvent(event: SessionEvent, now: Instant): void;
  /** A mistake of our own, which ends the session. */
  onFault(error: unknown): void;
  /** Once, after the session closed: nothing more will come. */
  onOver(reason: CloseReason): void;
}

export class Peer {
  readonly session: Session;
  /** Set by the owner when the session is up. */
  link: OpenvpnLink | undefined;
  readonly #options: PeerOptions;
  readonly #alarm: Alarm;
  #closing: CloseReason | undefined;
  #goodbye: NodeJS.Timeout | undefined;
  #failed = false;
  #over = false;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.session = options.session;
    this.#alarm = new Alarm(options.clock, (now) => this.#handleTimeout(now));
  }

  get over(): boolean {
    return this.#over;
  }

  /** `more`: another of this session was read with it, and is handed over next. */
  handleControl(datagram: Uint8Array, path: Path, more = false): void {
    if (this.#over) return;
    try {
      const now = this.#options.clock.now();
      this.session.handleDatagram(datagram, path, now, more);
      this.#drain(now);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Data datagrams `first` to `first + count` of `batch`. Returns how many were authentic. */
  handleData(batch: PacketBatch, first: number, count: number): number {
    if (this.#over || this.#failed) return 0;
    try {
      return this.#open(batch, first, count);
    } catch (error) {
      this.fail(error);
      return 0;
    }
  }

  /** Say goodbye; `onOver` follows. */
  close(reason: CloseReason): void {
    if (this.#over || this.#closing !== undefined) return;
    this.#closing = reason;
    this.#goodbye = setTimeout(() => this.#finish(reason), GOODBYE_MILLIS);
    try {
      const now = this.#options.clock.now();
      this.session.close(reason, now);
      this.#drain(now);
    } catch (error) {
      this.fail(error);
    }
  }

  /** The wire is gone: end without goodbye. */
  abandon(reason: CloseReason): void {
    this.#finish(this.#closing ?? reason);
  }

  drain(now: Instant): void {
    try {
      this.#drain(now);
    } catch (error) {
      this.fail(error);
    }
  }

  /** A mistake of our own: nobody knows what state the session is in. Its peer is told, where that still works, and nothing else of it is heard. */
  fail(error: unknown): void {
    this.#options.onFault(error);
    const isLast = this.#failed || this.#closing !== undefined;
    this.#failed = true;
    if (isLast) this.#finish(this.#closing ?? ourFault);
    else this.close(ourFault);
  }

  #handleTimeout(now: Instant): void {
    try {
      this.session.handleTimeout(now);
      this.#drain(now);
    } catch (error) {
      this.fail(error);
    }
  }

  #open(batch: PacketBatch, first: number, count: number): number {
    const now = this.#options.clock.now();
    const { inner } = this.#options;
    const { session } = this;
    const end = first + count;
    let authentic = 0;
    for (let at = first; at < end; ) {
      resetBatch(inner);
      const next = session.open(batch, at, end - at, inner, now);
      const { accepted, packets, bytes } = session.opened;
      authentic += accepted;
      this.link?.receive(inner, packets, bytes);
      // A datagram that not even an empty batch takes is passed over.
      at = next === at ? at + 1 : next;
    }
    if (this.link !== undefined) this.link.stats.droppedIn += count - authentic;
    // Nothing but what is said moves a deadline closer: the alarm looks again when it rings.
    if (session.hasOutput) this.#drain(now);
    return authentic;
  }

  #drain(now: Instant): void {
    if (this.#over) return;
    let reason: CloseReason | undefined;
    for (let event = this.session.pollEvent(); event !== undefined; event = this.session.pollEvent()) {
      if (event.kind === 'closed') reason = event.reason;
      else this.#options.onEvent(event, now);
    }
    for (let out = this.session.pollTransmit(); out !== undefined; out = this.session.pollTransmit()) {
      this.#options.send(out);
    }
    if (reason !== undefined) this.#finish(this.#closing ?? reason);
    else this.#alarm.set(this.session.pollTimeout());
  }

  #finish(reason: CloseReason): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#goodbye);
    this.#alarm.cancel();
    this.link?.end(reason);
    try {
      this.session.dispose();
    } catch (error) {
      this.#options.onFault(error);
    }
    try {
      this.#options.onOver(reason);
    } catch (error) {
      this.#options.onFault(error);
    }
  }
}
