/**
 * What both ends of a control connection have in common (RFC 2637, sections 2 and 3.1): the stream, echoes, the orderly end, the
 * refusal of what they do not do. `pac-connection.ts` is the server's part, `pns-connection.ts` the client's.
 *
 * A connection has several calls (pptp-linux shares one among all its processes that call a server), and ends with the last of them. The
 * meaning of addresses and of PPP is left to others; so is the TCP connection, whose bytes come and go here.
 *
 * One end per object. It reads no clock and sends nothing: call an input method, then drain the outputs until each returns undefined.
 * Nothing that a peer sends makes it throw.
 */
import type { CloseReason, Instant, Millis } from '@culvert/base';
import { WireError } from '@culvert/wire';
import { type ConnectionCall, ConnectionCalls } from './connection-calls.ts';
import { type ControlMessage, decodeMessage, encodeMessage, type UnknownMessage } from './control-message.ts';
import { MessageStream } from './message-stream.ts';
import { Result, StopReason } from './result.ts';

export type ControlEvent =
  /** A call is up: GRE packets may go both ways. The peer puts `callId` into its packets, we put `peerCallId` into ours. */
  | { readonly kind: 'call'; readonly callId: number; readonly peerCallId: number; readonly peerWindow: number }
  /** A call is over, and its id free. Once for each call, before `closed` at the latest. */
  | { readonly kind: 'ended'; readonly callId: number; readonly reason: CloseReason }
  /** A decision worth a debug line. */
  | { readonly kind: 'note'; readonly message: string; readonly fields: Readonly<Record<string, unknown>> }
  /** The last event: send what is left, then end the TCP connection. */
  | { readonly kind: 'closed'; readonly reason: CloseReason };

export interface ControlOptions {
  readonly now: Instant;
  /** Packets that the peer may send before it hears of one. @default 8_192, as no peer here keeps to it but Linux's kernel */
  readonly window?: number | undefined;
  /** The first call must be up within. @default 30_000 */
  readonly callDeadline?: Millis | undefined;
  /** Silence after which we ask for an echo, and that long we wait for the answer (RFC 2637, section 3.1.4). @default 60_000 */
  readonly echoInterval?: Millis | undefined;
}

type Stage = 'starting' | 'started' | 'call' | 'closing' | 'closed';

/** Fixed by RFC 2637: both kinds of framing, both kinds of bearer. */
export const BOTH = 3;

const DEFAULT_WINDOW = 8_192;
const DEFAULT_CALL_DEADLINE: Millis = 30_000;
const DEFAULT_ECHO_INTERVAL: Millis = 60_000;
/** How long a goodbye may take: by then a peer that lives has answered. */
const GOODBYE: Millis = 2_000;
/** Answers that wait for the driver. More come only of a peer that floods us with questions. */
const MOST_WAITING = 64;

export abstract class ControlConnection {
  readonly stats = { messagesIn: 0, messagesOut: 0, unknown: 0, unexpected: 0, malformed: 0, wanErrors: 0 };
  protected readonly calls = new ConnectionCalls();
  protected readonly window: number;
  protected stage: Stage = 'starting';
  readonly #stream = new MessageStream();
  readonly #echoInterval: Millis;
  readonly #out: Uint8Array[] = [];
  readonly #events: ControlEvent[] = [];
  #deadline: Instant;
  #closing: CloseReason | undefined;
  #lastHeard: Instant;
  #echo: { readonly identifier: number; readonly sent: Instant } | undefined;
  #echoes = 0;

  constructor(options: ControlOptions) {
    const { now } = options;
    this.window = options.window ?? DEFAULT_WINDOW;
    this.#echoInterval = options.echoInterval ?? DEFAULT_ECHO_INTERVAL;
    this.#deadline = (now + (options.callDeadline ?? DEFAULT_CALL_DEADLINE)) as Instant;
    this.#lastHeard = now;
  }

  // In: what happened.

  /** Bytes of the TCP connection, cut anywhere. */
  handleStream(bytes: Uint8Array, now: Instant): void {
    this.#stream.take(bytes, (message) => this.#handleBytes(message, now));
    if (this.#stream.broken && this.stage !== 'closed') {
      this.stats.malformed++;
      this.fail('protocol', 'the peer lost its place in the control connection (wrong magic cookie or length)');
    }
  }

  /** The TCP connection ended: by the peer, or with the system's `error`. */
  handleEnd(error: string | undefined): void {
    if (error === undefined) this.over({ cause: 'peer', detail: 'the peer closed the control connection' });
    else this.over({ cause: 'lost', detail: `the control connection broke: ${error}` });
  }

  handleTimeout(now: Instant): void {
    if (this.stage === 'closed') return;
    if (this.stage === 'closing') {
      if (now >= this.#deadline) this.over({ cause: 'lost', detail: 'the peer did not answer our goodbye' });
    } else if (this.stage === 'call') this.#checkEcho(now);
    else if (now >= this.#deadline) this.over({ cause: 'lost', detail: this.lateDetail });
  }

  /** Ends one call; with the last one the connection ends as by `close`. */
  closeCall(callId: number, reason: CloseReason, now: Instant): void {
    if (this.stage !== 'call' || this.calls.get(callId) === undefined) return;
    if (this.calls.size === 1) {
      this.close(reason, now);
      return;
    }
    this.sayCallEnds(callId, reason);
    this.callEnded(callId, reason);
  }

  /** Says goodbye for all calls; `closed` follows, at the latest two seconds later. */
  close(reason: CloseReason, now: Instant): void {
    if (this.stage === 'closing' || this.stage === 'closed') return;
    this.#closing = reason;
    const before = this.stage;
    this.#deadline = (now + GOODBYE) as Instant;
    this.stage = 'closing';
    for (const { callId } of this.calls) this.sayCallEnds(callId, reason);
    if (before === 'starting') this.over(reason);
    else this.sayGoodbye(reason);
  }

  // Out: what to do next. Drain in this order.

  pollTransmit(): Uint8Array | undefined {
    return this.#out.shift();
  }

  pollEvent(): ControlEvent | undefined {
    return this.#events.shift();
  }

  pollTimeout(): Instant | undefined {
    if (this.stage === 'closed') return undefined;
    if (this.stage !== 'call') return this.#deadline;
    return ((this.#echo?.sent ?? this.#lastHeard) + this.#echoInterval) as Instant;
  }

  // For the roles.

  /** Why no call came about in time. */
  protected abstract readonly lateDetail: string;
  /** Messages of this role. Returns false for one that has no place here. */
  protected abstract handleOwn(message: ControlMessage): boolean;
  /** Says that one call ends. */
  protected abstract sayCallEnds(callId: number, reason: CloseReason): void;
  /** Says that the connection ends, after all its calls. */
  protected abstract sayGoodbye(reason: CloseReason): void;

  protected send(message: ControlMessage): void {
    if (this.#out.length >= MOST_WAITING) {
      this.fail('protocol', 'the peer asks more than it lets us answer');
      return;
    }
    this.stats.messagesOut++;
    this.#out.push(encodeMessage(message));
  }

  protected emit(event: ControlEvent): void {
    this.#events.push(event);
  }

  protected note(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.emit({ kind: 'note', message, fields });
  }

  protected callIsUp(call: ConnectionCall, peerWindow: number): void {
    this.stage = 'call';
    this.calls.add(call);
    this.emit({ kind: 'call', ...call, peerWindow });
  }

  /** The connection goes with its last call. */
  protected callEnded(callId: number, reason: CloseReason): void {
    if (!this.calls.delete(callId)) return;
    this.emit({ kind: 'ended', callId, reason: this.#closing ?? reason });
    if (this.calls.size === 0 && this.stage !== 'closing') this.over(reason);
  }

  protected fail(cause: CloseReason['cause'], detail: string): void {
    this.over({ cause, detail });
  }

  /** Ends at once. A goodbye that is under way keeps its own reason. */
  protected over(reason: CloseReason): void {
    if (this.stage === 'closed') return;
    this.stage = 'closed';
    for (const { callId } of [...this.calls]) this.callEnded(callId, reason);
    this.emit({ kind: 'closed', reason: this.#closing ?? reason });
  }

  /** Returns false once nothing more is to be read. */
  #handleBytes(bytes: Uint8Array, now: Instant): boolean {
    if (this.stage === 'closed') return false;
    this.stats.messagesIn++;
    try {
      this.#handle(decodeMessage(bytes), now);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.stats.malformed++;
      this.fail('protocol', `the peer sent a broken control message: ${error.message}`);
    }
    return true;
  }

  #handle(message: ControlMessage | UnknownMessage, now: Instant): void {
    this.#lastHeard = now;
    this.#echo = undefined;
    switch (message.kind) {
      case 'unknown':
        this.stats.unknown++;
        return;
      case 'echoRequest':
        this.send({ kind: 'echoReply', identifier: message.identifier, result: Result.ok, error: 0 });
        return;
      case 'echoReply':
        return;
      case 'setLinkInfo':
        // Async control characters mean nothing on GRE, which carries no async framing.
        if (this.calls.get(message.peerCallId) === undefined) this.stats.unexpected++;
        return;
      case 'wanErrorNotify':
        if (this.calls.get(message.peerCallId) === undefined) this.stats.unexpected++;
        else this.stats.wanErrors++;
        return;
      case 'incomingCallRequest':
        this.#refuseIncomingCall(message.callId);
        return;
      case 'stopRequest':
        this.send({ kind: 'stopReply', result: Result.ok, error: 0 });
        this.over({ cause: 'peer', detail: `the peer stopped the control connection (reason ${message.reason})` });
        return;
      case 'stopReply':
        if (this.stage === 'closing') this.over({ cause: 'peer', detail: 'the peer answered our goodbye' });
        else this.stats.unexpected++;
        return;
      default:
        if (!this.handleOwn(message)) this.stats.unexpected++;
    }
  }

  #refuseIncomingCall(peerCallId: number): void {
    this.stats.unexpected++;
    const nothing = { callId: 0, window: 0, delay: 0 };
    this.send({ kind: 'incomingCallReply', peerCallId, result: Result.generalError, error: 0, ...nothing });
  }

  #checkEcho(now: Instant): void {
    if (this.#echo !== undefined) {
      if (now < this.#echo.sent + this.#echoInterval) return;
      const detail = `the peer did not answer an echo request for ${this.#echoInterval / 1_000} s`;
      this.send({ kind: 'stopRequest', reason: StopReason.none });
      this.over({ cause: 'lost', detail });
      return;
    }
    if (now < this.#lastHeard + this.#echoInterval) return;
    this.#echo = { identifier: ++this.#echoes, sent: now };
    this.send({ kind: 'echoRequest', identifier: this.#echoes });
  }
}

/** Throws RangeError, as the caller's fault. */
export function checkCallId(callId: number): number {
  if (!Number.isInteger(callId) || callId < 0 || callId > 0xffff) throw new RangeError(`${callId} is no call id`);
  return callId;
}
