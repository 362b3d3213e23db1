/** The server's part: SCCRQ → SCCRP → SCCCN, ICRQ → ICRP → ICCN (RFC 2661, sections 7.2.1 and 7.4.2). It never calls. */
import { Responder } from './challenge.ts';
import type { ControlMessage, MessageOf } from './message.ts';
import { CallResult, StopResult } from './result.ts';
import { Tunnel } from './tunnel.ts';

export class LnsTunnel extends Tunnel {
  readonly role = 'lns';

  protected override handleOwn(message: ControlMessage): boolean {
    if (message.kind === 'SCCRQ' && this.stage === 'starting') this.#answer(message);
    else if (message.kind === 'SCCCN' && this.stage === 'connecting') {
      if (this.proves(message.challengeResponse, Responder.SCCCN)) this.tunnelIsUp();
    } else if (message.kind === 'ICRQ' && this.stage === 'up') this.#take(message);
    else if (message.kind === 'ICCN' && this.session?.stage === 'connecting') {
      this.session.sequencingRequired = message.sequencingRequired === true;
      this.session.sequencing = this.session.sequencingRequired || this.context.sequencing;
      this.sessionIsUp(this.session);
    } else return false;
    return true;
  }

  protected override onEmpty(): void {}

  /** A tie breaker is passed over: we do not call, so there is no tie. */
  #answer(message: MessageOf<'SCCRQ'>): void {
    this.meet(message);
    if (message.protocolVersion !== undefined && message.protocolVersion >>> 8 !== 1) {
      this.close(StopResult.version, { cause: 'protocol', detail: 'the peer speaks another version of L2TP' });
      return;
    }
    const response = this.answer(message.challenge, Responder.SCCRP);
    if (response === undefined) return;
    this.say({ kind: 'SCCRP', ...this.introduction(), ...this.challengeOurs(), ...response });
    this.stage = 'connecting';
  }

  #take({ assignedSessionId, callSerialNumber = 0 }: MessageOf<'ICRQ'>): void {
    if (this.sessions.size >= this.context.sessionsPerTunnel) {
      this.refuseCall(assignedSessionId, CallResult.temporary);
      return;
    }
    const session = this.addSession(callSerialNumber);
    session.address(this.peerTunnelId, assignedSessionId);
    session.stage = 'connecting';
    this.say({ kind: 'ICRP', assignedSessionId: session.localId }, assignedSessionId);
  }
}
