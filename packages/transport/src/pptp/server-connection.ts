/** One client of the gateway: its control connection, and the places and numbers of its calls. */
import type { Socket } from 'node:net';
import type { CloseReason, MonotonicClock } from '@culvert/base';
import { PacConnection } from '@culvert/pptp';
import { handshakeWindowOf } from '../ppp/settings.ts';
import type { Call } from './call.ts';
import { type CallEvent, Connection } from './connection.ts';
import { ServerCall, type ServerCallOptions } from './server-call.ts';

/** Room for one call. */
export interface Place {
  /** The call is up. */
  settle(): void;
  /** Calling it again does nothing. */
  give(): void;
}

export interface ServerConnectionOptions
  extends Pick<
    ServerCallOptions,
    'path' | 'port' | 'settings' | 'auth' | 'admission' | 'inner' | 'onEvent' | 'onLink'
  > {
  readonly socket: Socket;
  readonly clock: MonotonicClock;
  /** What the connection takes while there is no call; the first one gets it. */
  readonly place: Place;
  /** For a further call. Undefined: there is none. */
  takePlace(): Place | undefined;
  /** A mistake of our own, which ends the connection. */
  onFault(error: unknown): void;
  /** It begins, and nothing of it is left. */
  onCall(call: Call): void;
  onCallOver(call: Call): void;
  /** Names a call and later its link, in events and logs. */
  nextId(): number;
  /** Once, when nothing of the connection is left. */
  onOver(connection: ServerConnection, called: boolean): void;
}

export class ServerConnection {
  readonly done: Promise<void>;
  readonly #options: ServerConnectionOptions;
  readonly #connection: Connection;
  readonly #resolveDone: () => void;
  readonly #peerInfo = new Map<string, string>();
  /** By call id, of calls. */
  readonly #places = new Map<number, Place>();
  /** Of the next call. */
  #place: Place | undefined;
  #id: number;
  #called = false;
  #closing = false;

  constructor(options: ServerConnectionOptions) {
    this.#options = options;
    this.#place = options.place;
    this.#id = options.nextId();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolveDone = resolve;
    const { socket, clock, settings } = options;
    const callDeadline = handshakeWindowOf(settings);
    this.#connection = new Connection({
      socket,
      clock,
      control: new PacConnection({ nextCallId: () => this.#nextCallId(), now: clock.now(), callDeadline }),
      onCall: (event, controlStats) => this.#begin(event, controlStats),
      onNote: (message, fields) => this.#note(message, fields),
      onFault: (error) => options.onFault(error),
      onOver: () => this.#over(),
    });
    this.#connection.start();
  }

  /** Ends all calls, and the connection. */
  close(why: CloseReason): void {
    this.#closing = true;
    this.#connection.close(why);
  }

  #nextCallId(): number | undefined {
    if (this.#closing) return undefined;
    this.#place ??= this.#options.takePlace();
    const callId = this.#place && this.#options.port.take();
    if (this.#place === undefined || callId === undefined) return undefined;
    this.#places.set(callId, this.#place);
    this.#place = undefined;
    return callId;
  }

  #begin(event: CallEvent, controlStats: ServerCallOptions['controlStats']): Call {
    const id = this.#id;
    this.#id = this.#options.nextId();
    this.#called = true;
    const place = this.#places.get(event.callId);
    const { onLink } = this.#options;
    const { call } = new ServerCall({
      ...this.#options,
      id,
      event,
      controlStats,
      peerInfo: this.#peerInfo,
      onLink: (link) => {
        place?.settle();
        onLink(link);
      },
      onDown: (reason, now) => this.#connection.closeCall(event.callId, reason, now),
      onOver: () => {
        this.#places.delete(event.callId);
        place?.give();
        this.#options.onCallOver(call);
      },
    });
    this.#options.onCall(call);
    return call;
  }

  #note(message: string, fields: Readonly<Record<string, unknown>>): void {
    for (const name of ['vendor', 'firmware']) {
      const value = fields[name];
      if (value !== undefined && value !== '') this.#peerInfo.set(name, String(value));
    }
    this.#options.onEvent({ kind: 'note', id: this.#id, message, fields });
  }

  #over(): void {
    // Of calls that never began.
    for (const [callId, place] of this.#places) {
      this.#options.port.give(callId);
      place.give();
    }
    this.#places.clear();
    this.#place?.give();
    this.#options.onOver(this, this.#called);
    this.#resolveDone();
  }
}
