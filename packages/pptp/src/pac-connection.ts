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
 */
import type { CloseReason } from '@culvert/base';
import { BOTH, ControlConnection, type ControlOptions } from './control-connection.ts';
import { type ControlMessage, type MessageOf, VERSION } from './control-message.ts';
import { CallResult, DisconnectResult, Result, StartResult, StopReason } from './result.ts';

export interface PacOptions extends ControlOptions {
  /** What we call ourselves, at most 64 bytes each; empty tells a stranger least. @default '' */
  readonly hostName?: string | undefined;
  readonly vendor?: string | undefined;
}

export class PacConnection extends ControlConnection {
  protected readonly lateDetail = 'the client made no call in time';
  readonly #hostName: string;
  readonly #vendor: string;

  constructor(options: PacOptions) {
    super(options);
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
        return this.#clear(message.kind);
      default:
        return false;
    }
  }

  protected override sayGoodbye(call: boolean, { cause }: CloseReason): void {
    if (call) this.#disconnect(cause === 'lost' ? DisconnectResult.lostCarrier : DisconnectResult.shutdown);
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
    if (this.stage !== 'started') {
      this.#reply(request, this.stage === 'call' ? CallResult.busy : Result.generalError);
      return false;
    }
    const { callId, window, serial, minSpeed, maxSpeed } = request;
    this.note('a client called', { callId, window, serial, minSpeed, maxSpeed });
    this.#reply(request, Result.ok);
    this.callIsUp(callId, window);
    return true;
  }

  #clear(kind: 'callClearRequest' | 'callDisconnectNotify'): boolean {
    if (this.stage !== 'call') return false;
    if (kind === 'callClearRequest') this.#disconnect(DisconnectResult.request);
    this.over({ cause: 'peer', detail: 'the client cleared the call' });
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

  #reply({ callId, maxSpeed }: MessageOf<'outgoingCallRequest'>, result: number): void {
    const accepted = result === Result.ok;
    this.send({
      kind: 'outgoingCallReply',
      callId: accepted ? this.callId : 0,
      peerCallId: callId,
      result,
      // Of the general errors: no control connection has been started.
      error: result === Result.generalError ? 1 : 0,
      cause: 0,
      speed: accepted ? maxSpeed : 0,
      window: accepted ? this.window : 0,
      delay: 0,
      physicalChannel: 0,
    });
  }

  #disconnect(result: number): void {
    this.send({ kind: 'callDisconnectNotify', callId: this.callId, result, error: 0, cause: 0, statistics: '' });
  }
}
