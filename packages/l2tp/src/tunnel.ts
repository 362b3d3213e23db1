/**
 * What LNS and LAC have in common (RFC 2661, sections 5 and 7): a tunnel with its control channel, its sessions, keepalive and ends.
 * `lns-tunnel.ts` answers, `lac-tunnel.ts` dials.
 *
 * Nothing that a peer sends makes it throw. Its endpoint knows whose packets these are, and drains it.
 */
import type { CloseReason, Instant, Millis, RandomSource } from '@culvert/base';
import { WireError } from '@culvert/wire';
import { challengeResponse, isResponse } from './challenge.ts';
import { ControlChannel, RECEIVE_WINDOW } from './control-channel.ts';
import type { Carrier, L2tpEvent, PeerFacts } from './event.ts';
import type { ControlPacket } from './header.ts';
import { type ControlMessage, decodeMessage, encodeMessage, type MessageOf, type Problem } from './message.ts';
import { CallResult, callText, GeneralError, StopResult, stopText } from './result.ts';
import { Session } from './session.ts';
import type { Stats } from './stats.ts';

export interface TunnelContext {
  readonly random: RandomSource;
  readonly hostName: string;
  readonly secret: Uint8Array | undefined;
  readonly sessionsPerTunnel: number;
  readonly helloInterval: Millis;
  readonly sequencing: boolean;
  readonly sourceOf: (carrier: Carrier) => unknown;
  readonly stats: Stats;
  readonly emit: (event: L2tpEvent) => void;
  /** A session began, which is this tunnel's. */
  readonly adopt: (session: Session, tunnel: Tunnel) => void;
}

export type TunnelStage = 'starting' | 'connecting' | 'up' | 'closing' | 'lingering' | 'closed';

/** Both kinds of framing. */
const FRAMING = 3;
/** How long a call may take to come up, and a tunnel to stand without one. */
const CALL_DEADLINE: Millis = 30_000;
const EMPTY: Millis = 60_000;
/** A full cycle of retransmissions, for which duplicates are still acknowledged (section 5.7). */
const LINGER: Millis = 31_000;
const CHALLENGE_BYTES = 16;
/** Messages out of place that a tunnel's log tells of; all are counted. */
const MOST_NOTED = 8;

export abstract class Tunnel {
  readonly channel: ControlChannel;
  readonly sessions = new Map<number, Session>();
  readonly carrier: Carrier;
  /** Whose it is, when tunnels have to make room. */
  readonly source: unknown;
  readonly localId: number;
  abstract readonly role: 'lns' | 'lac';
  stage: TunnelStage = 'starting';
  /** Data counts too (section 5.5). */
  lastHeard: Instant;
  protected readonly context: TunnelContext;
  /** The session of the message at hand. */
  protected session: Session | undefined;
  /** That of its beginning: another may be in force for the next one. */
  readonly #secret: Uint8Array | undefined;
  #challenge: Uint8Array | undefined;
  now: Instant;
  #peer: PeerFacts = { hostName: '', vendorName: '', firmware: undefined, tunnelId: 0, receiveWindow: undefined };
  #deadline: Instant;
  #helloAt: Instant;
  #unexpected = 0;

  constructor(context: TunnelContext, carrier: Carrier, localId: number, now: Instant) {
    this.context = context;
    this.carrier = carrier;
    this.source = context.sourceOf(carrier);
    this.#secret = context.secret;
    this.localId = localId;
    this.now = now;
    this.lastHeard = now;
    this.channel = new ControlChannel(context.stats);
    this.#deadline = (now + CALL_DEADLINE) as Instant;
    this.#helloAt = (now + context.helloInterval) as Instant;
  }

  get peerTunnelId(): number {
    return this.#peer.tunnelId;
  }
  /** True: it has or may get sessions. */
  get live(): boolean {
    return this.stage === 'starting' || this.stage === 'connecting' || this.stage === 'up';
  }

  /** A control packet for this tunnel. What its sequence numbers say is believed, its session id is not always right. */
  handleControl(packet: ControlPacket, now: Instant): void {
    this.now = now;
    this.lastHeard = now;
    this.#helloAt = (now + this.context.helloInterval) as Instant;
    for (const { sessionId, body } of this.channel.handle(packet, now)) this.#handleMessage(sessionId, body);
    if (this.stage === 'closing' && this.channel.idle) this.stage = 'closed';
  }

  handleTimeout(now: Instant): void {
    this.now = now;
    this.channel.handleTimeout(now);
    if (this.stage === 'closed') return;
    if (this.channel.failed) this.abandon({ cause: 'lost', detail: 'the peer does not acknowledge control messages' });
    else if (!this.live) {
      if (now >= this.#deadline) this.stage = 'closed';
    } else if (this.stage !== 'up') {
      if (now >= this.#deadline) this.abandon({ cause: 'lost', detail: 'the tunnel did not come up in time' });
    } else this.#keepUp(now);
  }

  /** Asks a peer that may be gone: it has to acknowledge. */
  ask(now: Instant): void {
    if (this.stage !== 'up' || !this.channel.idle) return;
    this.now = now;
    this.say({ kind: 'HELLO' });
  }

  /** Ends it with StopCCN. */
  close(result: number, reason: CloseReason, problem?: Problem): void {
    if (!this.live) return;
    this.#endSessions(reason);
    const resultCode = { result, error: problem?.error ?? 0, message: problem?.text ?? '' };
    if (this.peerTunnelId !== 0) this.say({ kind: 'StopCCN', assignedTunnelId: this.localId, resultCode });
    this.stage = this.peerTunnelId === 0 ? 'closed' : 'closing';
    this.#deadline = (this.now + LINGER) as Instant;
    this.note('the tunnel ends', { result, reason: reason.detail });
  }

  /** Ends it without a word: nobody would hear it. */
  abandon(reason: CloseReason): void {
    this.#endSessions(reason);
    this.stage = 'closed';
    this.note('the tunnel is given up', { reason: reason.detail });
  }

  /** Ends a session with CDN. */
  closeSession(session: Session, result: number, reason: CloseReason, problem?: Problem): void {
    if (session.stage === 'closed') return;
    if (session.stage !== 'waiting') this.#disconnect(session.peerId, session.localId, result, problem);
    this.endSession(session, reason);
  }

  pollTransmit(now: Instant): Uint8Array | undefined {
    return this.channel.pollTransmit(now);
  }

  pollTimeout(): Instant | undefined {
    if (this.stage === 'closed') return undefined;
    let at = this.channel.pollTimeout() ?? (Number.POSITIVE_INFINITY as Instant);
    const own = this.stage === 'up' && this.sessions.size > 0 ? this.#helloAt : this.#deadline;
    at = Math.min(at, own, this.stage === 'up' ? this.#helloAt : own) as Instant;
    for (const { stage, deadline } of this.sessions.values()) {
      if (stage !== 'up') at = Math.min(at, deadline) as Instant;
    }
    return at;
  }

  /** Messages of one role; false: not expected now. */
  protected abstract handleOwn(message: ControlMessage): boolean;
  /** The last session is over. */
  protected abstract onEmpty(): void;

  protected say(message: ControlMessage, sessionId = 0): void {
    this.channel.send(sessionId, encodeMessage(message));
  }

  protected introduction() {
    const { hostName } = this.context;
    const own = { hostName, vendorName: 'Culvert', assignedTunnelId: this.localId, receiveWindow: RECEIVE_WINDOW };
    return { protocolVersion: 0x0100, framingCapabilities: FRAMING, bearerCapabilities: 0, ...own } as const;
  }

  /** SCCRQ or SCCRP told who the peer is. */
  protected meet(message: MessageOf<'SCCRQ'> | MessageOf<'SCCRP'>): void {
    const { hostName = '', vendorName = '', firmware, receiveWindow, assignedTunnelId: tunnelId } = message;
    this.#peer = { hostName, vendorName, firmware, tunnelId, receiveWindow };
    this.channel.peerTunnelId = tunnelId;
    this.channel.setPeerWindow(receiveWindow);
  }

  /** What goes beside our introduction where there is a secret. */
  protected challengeOurs(): { readonly challenge?: Uint8Array } {
    if (this.#secret === undefined) return {};
    this.#challenge = this.context.random.bytes(CHALLENGE_BYTES);
    return { challenge: this.#challenge };
  }

  /** Our answer to the peer's challenge; undefined where we have no secret: it has been refused. */
  protected answer(
    challenge: Uint8Array | undefined,
    responder: number,
  ): { challengeResponse?: Uint8Array } | undefined {
    if (challenge === undefined) return {};
    const secret = this.#secret;
    if (secret !== undefined) return { challengeResponse: challengeResponse(responder, secret, challenge) };
    this.refuse('the peer asks for tunnel authentication and no secret is set');
    return undefined;
  }

  /** False: the peer does not know the secret, and has been refused. */
  protected proves(response: Uint8Array | undefined, responder: number): boolean {
    const secret = this.#secret;
    if (secret === undefined || this.#challenge === undefined) return true;
    if (isResponse(response, challengeResponse(responder, secret, this.#challenge))) return true;
    this.refuse("the peer's answer to our challenge is wrong: the tunnel secrets differ");
    return false;
  }

  protected tunnelIsUp(): void {
    this.stage = 'up';
    this.#deadline = (this.now + EMPTY) as Instant;
    this.note('the tunnel is up', { ...this.#peer, localId: this.localId, role: this.role });
  }

  /** A session with a random id that is free and not 0. */
  protected addSession(serial: number): Session {
    const localId = freeId(this.context.random, this.sessions);
    const session = new Session({
      localTunnelId: this.localId,
      localId,
      serial,
      deadline: (this.now + CALL_DEADLINE) as Instant,
    });
    this.sessions.set(localId, session);
    this.context.adopt(session, this);
    return session;
  }

  protected sessionIsUp(session: Session): void {
    session.stage = 'up';
    this.context.emit({ kind: 'session', session, carrier: this.carrier, peer: this.#peer });
  }

  /** Refuses a call that has no session here. Its CDN needs an id of ours all the same (section 6.12): one that nobody has. */
  protected refuseCall(peerId: number, result: number, problem?: Problem): void {
    this.#disconnect(peerId, freeId(this.context.random, this.sessions), result, problem);
  }

  protected endSession(session: Session, reason: CloseReason): void {
    session.stage = 'closed';
    this.sessions.delete(session.localId);
    this.context.emit({ kind: 'closed', session, carrier: this.carrier, reason });
    if (this.sessions.size > 0 || !this.live) return;
    this.#deadline = (this.now + EMPTY) as Instant;
    this.onEmpty();
  }

  protected note(message: string, fields: Readonly<Record<string, unknown>>): void {
    this.context.emit({ kind: 'note', carrier: this.carrier, message, fields });
  }

  #handleMessage(sessionId: number, body: Uint8Array): void {
    if (!this.live && this.stage !== 'closing') return;
    let decoded: ReturnType<typeof decodeMessage>;
    try {
      decoded = decodeMessage(body, this.#secret);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.context.stats.malformed++;
      this.#broken({ error: GeneralError.length, text: error.message });
      return;
    }
    const { message, problem } = decoded;
    this.context.stats.messagesRead++;
    this.session = this.sessions.get(sessionId);
    if (problem !== undefined) this.#handleProblem(problem, decoded.ofSession, message);
    else if (message !== undefined) this.#handle(message);
  }

  #handleProblem(problem: Problem, ofSession: boolean, message: ControlMessage | undefined): void {
    this.context.stats.malformed++;
    const reason = { cause: 'protocol', detail: `the peer sent what we cannot take: ${problem.text}` } as const;
    if (message?.kind === 'StopCCN') this.#handle(message);
    else if (!ofSession) {
      const first = this.stage === 'starting' && (message?.kind === 'SCCRQ' || message?.kind === 'SCCRP');
      if (first) this.meet(message);
      this.#broken(problem);
    } else if (this.session !== undefined) {
      this.closeSession(this.session, CallResult.generalError, reason, problem);
    } else if (message?.kind === 'ICRQ' || message?.kind === 'OCRQ') {
      this.refuseCall(message.assignedSessionId, CallResult.generalError, problem);
    }
  }

  #handle(message: ControlMessage): void {
    if (message.kind === 'StopCCN') this.#stopped(message);
    else if (this.stage === 'closing' || message.kind === 'HELLO') return;
    else if (message.kind === 'CDN') this.#disconnected(message);
    else if (message.kind === 'WEN' || message.kind === 'SLI') this.context.stats.passedOver++;
    else if (message.kind === 'OCRQ') {
      const problem = { error: 0, text: 'outgoing calls are not offered' };
      this.refuseCall(message.assignedSessionId, CallResult.permanent, problem);
    } else if (!this.handleOwn(message)) {
      this.context.stats.unexpected++;
      if (this.#unexpected++ < MOST_NOTED)
        this.note('a message that is not expected now', { kind: message.kind, stage: this.stage });
    }
  }

  /** The tunnel id of the header counts: Windows has been seen to send a wrong one inside. */
  #stopped({ resultCode }: MessageOf<'StopCCN'>): void {
    this.#endSessions({ cause: 'peer', detail: `the peer ended the tunnel: ${stopText(resultCode)}` });
    this.note('the peer ended the tunnel', { reason: stopText(resultCode) });
    this.stage = 'lingering';
    this.#deadline = (this.now + LINGER) as Instant;
  }

  /** Some peers send CDN with session id 0, and say inside which of theirs they mean. */
  #disconnected({ assignedSessionId, resultCode }: MessageOf<'CDN'>): void {
    const theirs = [...this.sessions.values()].find(({ peerId }) => peerId !== 0 && peerId === assignedSessionId);
    const session = this.session ?? theirs;
    if (session === undefined) this.context.stats.unexpected++;
    else this.endSession(session, { cause: 'peer', detail: `the peer hung up: ${callText(resultCode)}` });
  }

  #disconnect(peerId: number, assignedSessionId: number, result: number, problem?: Problem): void {
    const resultCode = { result, error: problem?.error ?? 0, message: problem?.text ?? '' };
    this.say({ kind: 'CDN', resultCode, assignedSessionId }, peerId);
  }

  #broken(problem: Problem): void {
    const detail = `the peer sent what we cannot take: ${problem.text}`;
    this.close(StopResult.generalError, { cause: 'protocol', detail }, problem);
  }

  protected refuse(detail: string): void {
    const reason = { cause: 'refused', detail } as const;
    this.context.emit({ kind: 'refused', carrier: this.carrier, reason });
    this.close(StopResult.notAuthorized, reason);
  }

  #keepUp(now: Instant): void {
    for (const session of [...this.sessions.values()]) {
      if (session.stage === 'up' || now < session.deadline) continue;
      const reason = { cause: 'lost', detail: 'the call did not come up in time' } as const;
      this.closeSession(session, CallResult.temporary, reason);
    }
    if (this.stage !== 'up') return;
    if (this.sessions.size === 0 && now >= this.#deadline) {
      this.close(StopResult.clear, { cause: 'idle', detail: 'the tunnel had no call' });
    } else if (now >= this.#helloAt) {
      const silent = now >= this.lastHeard + this.context.helloInterval;
      this.#helloAt = ((silent ? now : this.lastHeard) + this.context.helloInterval) as Instant;
      if (silent && this.channel.idle) this.say({ kind: 'HELLO' });
    }
  }

  #endSessions(reason: CloseReason): void {
    const ended = [...this.sessions.values()];
    this.sessions.clear();
    for (const session of ended) {
      session.stage = 'closed';
      this.context.emit({ kind: 'closed', session, carrier: this.carrier, reason });
    }
  }
}

/** A random id that is not 0 and not taken. The tables are far smaller than the numbers. */
export function freeId(random: RandomSource, taken: ReadonlyMap<number, unknown>): number {
  const bytes = random.bytes(2);
  let id = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  while (id === 0 || taken.has(id)) id = (id + 1) & 0xffff;
  return id;
}
