/**
 * The server's end of a control connection: a PAC that takes outgoing calls and answers them itself (RFC 2637, section 3.1).
 *
 *   client (PNS)                                          server (PAC)
 *     Start-Control-Connection-Request    ->
 *                                         <-    Start-Control-Connection-Reply
 *     Outgoing-Call-Request, its call id  ->
 *                                         <-    Outgoing-Call-Reply, both call ids
 *     GRE, Set-Link-Info, Echo            <->
 *     Call-Clear-Request                  ->
 *                                         <-    Call-Disconnect-Notify
 *
 * Further Outgoing-Call-Requests make further calls, each with ids and an end of its own.
 */
import type { CloseReason } from '@culvert/base';
import { BOTH, ControlConnection, type ControlOptions, checkCallId } from './control-connection.ts';
import { type ControlMessage, type MessageOf, VERSION } from './control-message.ts';
import { CallResult, callFailure, DisconnectResult, GeneralError, Result, StartResult, StopReason } from './result.ts';

export interface PacOptions extends ControlOptions {
  /** Asked for each call that a client wants: 0 to 65,535, for it to put into its GRE packets. Undefined: there is no room for one more. */
  nextCallId(): number | undefined;
  /** Calls at a time. @default 16: pptp-linux makes one a process of its */
  readonly maxCalls?: number | undefined;
  /** What we call ourselves, at most 64 bytes each; empty tells a stranger least. @default '' */
  readonly hostName?: string | undefined;
  readonly vendor?: string | undefined;
}

const DEFAULT_MAX_CALLS = 16;

export class PacConnection extends ControlConnection {
  protected readonly lateDetail = 'the client made no call in time';
  readonly #hostName: string;
  readonly #vendor: string;
  readonly #nextCallId: () => number | undefined;
  readonly #maxCalls: number;

  constructor(options: PacOptions) {
    super(options);
    this.#nextCallId = () => options.nextCallId();
    this.#maxCalls = options.maxCalls ?? DEFAULT_MAX_CALLS;
    this.#hostName = options.hostName ?? '';
    this.#vendor = options.vendor ?? '';
  }

  protected override handleOwn(message: ControlMessage): boolean {
    switch (message.kind) {
      case 'startRequest':
        return this.#start(message);
      case 'outgoingCallRequest':
        return this.#answer(message);
      case 'callClearRequest':
      case 'callDisconnectNotify':
        return this.#clear(message);
      default:
        return false;
    }
  }

  protected override sayCallEnds(callId: number, { cause }: CloseReason): void {
    this.#disconnect(callId, cause === 'lost' ? DisconnectResult.lostCarrier : DisconnectResult.shutdown);
  }

  protected override sayGoodbye({ cause }: CloseReason): void {
    this.send({ kind: 'stopRequest', reason: cause === 'protocol' ? StopReason.protocol : StopReason.shutdown });
  }

  #start({ version, framing, bearer, firmware, hostName, vendor }: MessageOf<'startRequest'>): boolean {
    if (this.stage !== 'starting') {
      if (this.stage !== 'closing') this.#introduce(StartResult.channelExists);
      return false;
    }
    this.note('a client introduced itself', { version, framing, bearer, firmware, hostName, vendor });
    if (version >>> 8 !== VERSION >>> 8) {
      this.#introduce(StartResult.wrongVersion);
      this.fail('protocol', `the client speaks version ${version >>> 8}.${version & 0xff} of PPTP`);
      return true;
    }
    this.stage = 'started';
    this.#introduce(Result.ok);
    return true;
  }

  #answer(request: MessageOf<'outgoingCallRequest'>): boolean {
    if (this.stage === 'closing') return false;
    if (this.stage === 'starting') return this.#refuse(request, Result.generalError, GeneralError.noConnection);
    if (this.calls.ofPeer(request.callId) !== undefined) {
      return this.#refuse(request, Result.generalError, GeneralError.badCallId);
    }
    if (this.calls.size >= this.#maxCalls) return this.#refuse(request, CallResult.busy);
    const callId = this.#nextCallId();
    if (callId === undefined) return this.#refuse(request, Result.generalError, GeneralError.noResource);
    const { callId: peerCallId, window, serial, minSpeed, maxSpeed } = request;
    this.note('a client called', { callId: peerCallId, window, serial, minSpeed, maxSpeed });
    // Before the answer: where that is one too many, the call ends with the connection.
    this.callIsUp({ callId: checkCallId(callId), peerCallId }, window);
    this.#reply({ callId, peerCallId, speed: maxSpeed, window: this.window, result: Result.ok });
    return true;
  }

  #refuse({ callId }: MessageOf<'outgoingCallRequest'>, result: number, error = 0): boolean {
    this.note('a call was refused', { callId, why: callFailure(result, error) });
    this.#reply({ callId: 0, peerCallId: callId, speed: 0, window: 0, result, error });
    return false;
  }

  #clear({ kind, callId }: MessageOf<'callClearRequest'> | MessageOf<'callDisconnectNotify'>): boolean {
    const call = this.stage === 'call' ? this.calls.ending(callId) : undefined;
    if (call === undefined) return false;
    if (kind === 'callClearRequest') this.#disconnect(call.callId, DisconnectResult.request);
    this.callEnded(call.callId, { cause: 'peer', detail: 'the client cleared the call' });
    return true;
  }

  #introduce(result: number): void {
    this.send({
      kind: 'startReply',
      version: VERSION,
      result,
      error: 0,
      framing: BOTH,
      bearer: BOTH,
      maxChannels: 0,
      firmware: 1,
      hostName: this.#hostName,
      vendor: this.#vendor,
    });
  }

  #reply(fields: CallReply): void {
    this.send({ kind: 'outgoingCallReply', error: 0, cause: 0, delay: 0, physicalChannel: 0, ...fields });
  }

  #disconnect(callId: number, result: number): void {
    this.send({ kind: 'callDisconnectNotify', callId, result, error: 0, cause: 0, statistics: '' });
  }
}

type CallReply = Pick<MessageOf<'outgoingCallReply'>, 'callId' | 'peerCallId' | 'speed' | 'window' | 'result'> & {
  readonly error?: number;
};
