/** The client's part: SCCRQ → SCCRP → SCCCN, ICRQ → ICRP → ICCN (RFC 2661, sections 7.2.1 and 7.4.1). It is never called. */
import type { Instant } from '@culvert/base';
import { Responder } from './challenge.ts';
import type { Carrier } from './event.ts';
import type { ControlMessage, MessageOf } from './message.ts';
import { CallResult, StopResult } from './result.ts';
import type { Session } from './session.ts';
import { Tunnel, type TunnelContext } from './tunnel.ts';

/** What Android tells too, in bits a second; nobody computes with it. */
const SPEED = 100_000_000;
/** Synchronous framing: there is no serial line. */
const SYNCHRONOUS = 1;

export class LacTunnel extends Tunnel {
  readonly role = 'lac';
  #serial = 0;

  constructor(context: TunnelContext, carrier: Carrier, localId: number, now: Instant) {
    super(context, carrier, localId, now);
    this.say({ kind: 'SCCRQ', ...this.introduction(), ...this.challengeOurs() });
  }

  /** Undefined: the tunnel has no more room. */
  call(now: Instant): Session | undefined {
    if (this.sessions.size >= this.context.sessionsPerTunnel) return undefined;
    this.now = now;
    const session = this.addSession(this.#serial++);
    if (this.stage === 'up') this.#ask(session);
    return session;
  }

  protected override handleOwn(message: ControlMessage): boolean {
    if (message.kind === 'SCCRP' && this.stage === 'starting') this.#connect(message);
    else if (message.kind === 'ICRP' && this.session?.stage === 'asked') this.#connectCall(this.session, message);
    else if (message.kind === 'ICRQ') this.refuseCall(message.assignedSessionId, CallResult.permanent);
    else return false;
    return true;
  }

  /** A tunnel of ours has no use without calls. */
  protected override onEmpty(): void {
    this.close(StopResult.clear, { cause: 'operator', detail: 'the last call is over' });
  }

  #connect(message: MessageOf<'SCCRP'>): void {
    this.meet(message);
    if (!this.proves(message.challengeResponse, Responder.SCCRP)) return;
    const response = this.answer(message.challenge, Responder.SCCCN);
    if (response === undefined) return;
    this.say({ kind: 'SCCCN', ...response });
    this.tunnelIsUp();
    for (const session of this.sessions.values()) this.#ask(session);
  }

  #ask(session: Session): void {
    session.stage = 'asked';
    this.say({ kind: 'ICRQ', assignedSessionId: session.localId, callSerialNumber: session.serial, bearerType: 0 });
  }

  #connectCall(session: Session, { assignedSessionId }: MessageOf<'ICRP'>): void {
    session.address(this.peerTunnelId, assignedSessionId);
    const wish = this.context.sequencing ? ({ sequencingRequired: true } as const) : {};
    this.say({ kind: 'ICCN', txSpeed: SPEED, framingType: SYNCHRONOUS, ...wish }, assignedSessionId);
    session.sequencing = session.sequencingRequired = this.context.sequencing;
    this.sessionIsUp(session);
  }
}
