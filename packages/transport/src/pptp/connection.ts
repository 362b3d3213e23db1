/**
 * One control connection, the same for both roles: joins its machine to the TCP socket, and its calls to both.
 *
 * Owns the order of the end: the calls say goodbye, then the control connection does, then TCP ends. Whichever ends by itself takes what
 * is above it along.
 */
import type { Socket } from 'node:net';
import type { CloseReason, Instant, MonotonicClock } from '@culvert/base';
import type { ControlConnection, ControlEvent } from '@culvert/pptp';
import { Alarm } from '../alarm.ts';
import { ourFault } from '../fault-log.ts';
import type { Call } from './call.ts';

/** For the peer to take our last message and to close its side of the TCP connection. */
const LINGER_MILLIS = 1_000;
/** A peer that lets so many bytes of ours lie is none. */
const MOST_UNREAD = 65_536;

export type CallEvent = Extract<ControlEvent, { kind: 'call' }>;

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly control: ControlConnection;
  readonly clock: MonotonicClock;
  /** A call is up, and is to be begun. */
  onCall(event: CallEvent, controlStats: ControlConnection['stats']): Call;
  onNote(message: string, fields: Readonly<Record<string, unknown>>): void;
  /** A mistake of our own, which ends the connection and its calls. */
  onFault(error: unknown): void;
  /** Once, after all calls are over: nothing more will come. */
  onOver(reason: CloseReason): void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #alarm: Alarm;
  readonly #calls = new Map<number, Call>();
  #over = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { socket, control, clock } = options;
    this.#alarm = new Alarm(clock, (now) => this.#take(() => control.handleTimeout(now), now));
    socket.on('data', (bytes: Uint8Array) => {
      const now = clock.now();
      this.#take(() => control.handleStream(bytes, now), now);
    });
    const handleEnd = (error?: string): void => this.#take(() => control.handleEnd(error), clock.now());
    socket.on('end', () => handleEnd());
    socket.on('error', (error) => handleEnd(error.message));
    socket.on('close', () => handleEnd());
  }

  start(): void {
    this.#drain(this.#options.clock.now());
  }

  /** Says goodbye, first for the calls; `onOver` follows. */
  close(reason: CloseReason): void {
    if (this.#over) return;
    if (this.#calls.size > 0) {
      for (const call of [...this.#calls.values()]) call.close(reason);
      return;
    }
    const { control, clock } = this.#options;
    const now = clock.now();
    this.#take(() => control.close(reason, now), now);
  }

  /** PPP of this call has said goodbye: the rest of the call ends, and with the last one the connection. */
  closeCall(callId: number, reason: CloseReason, now: Instant): void {
    this.#take(() => this.#options.control.closeCall(callId, reason, now), now);
  }

  /** Tells the machine of something that came from outside. Above here is the event loop: what is thrown there ends the process. */
  #take(tell: () => void, now: Instant): void {
    if (this.#over) return;
    try {
      tell();
      this.#drain(now);
    } catch (error) {
      this.#fail(error, now);
    }
  }

  #fail(error: unknown, now: Instant): void {
    this.#options.onFault(error);
    if (this.#over) return;
    this.#options.socket.destroy();
    for (const call of this.#calls.values()) {
      try {
        call.end(ourFault, now);
      } catch (another) {
        this.#options.onFault(another);
      }
    }
    this.#finish(ourFault);
  }

  #drain(now: Instant): void {
    if (this.#over) return;
    const { control } = this.#options;
    for (let m = control.pollTransmit(); m !== undefined; m = control.pollTransmit()) this.#write(m);
    for (let e = control.pollEvent(); e !== undefined; e = control.pollEvent()) this.#handle(e, now);
    if (!this.#over) this.#alarm.set(control.pollTimeout());
  }

  #handle(event: ControlEvent, now: Instant): void {
    switch (event.kind) {
      case 'call': {
        const call = this.#options.onCall(event, this.#options.control.stats);
        this.#calls.set(event.callId, call);
        call.start(now);
        return;
      }
      case 'ended': {
        const call = this.#calls.get(event.callId);
        this.#calls.delete(event.callId);
        call?.end(event.reason, now);
        return;
      }
      case 'note':
        this.#options.onNote(event.message, event.fields);
        return;
      case 'closed':
        this.#finish(event.reason);
    }
  }

  #write(message: Uint8Array): void {
    const { socket } = this.#options;
    if (socket.destroyed || socket.writableEnded) return;
    socket.write(message);
    if (socket.writableLength > MOST_UNREAD) socket.destroy();
  }

  #finish(reason: CloseReason): void {
    this.#over = true;
    this.#alarm.cancel();
    endSocket(this.#options.socket);
    this.#options.onOver(reason);
  }
}

/** Ends our side after what was written; the peer has a moment to end its own. */
function endSocket(socket: Socket): void {
  if (socket.destroyed) return;
  socket.end();
  const timer = setTimeout(() => socket.destroy(), LINGER_MILLIS);
  socket.once('close', () => clearTimeout(timer));
}
