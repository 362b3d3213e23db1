/** The client's end of a control connection: a PNS that makes one outgoing call. The chart is in `pac-connection.ts`. */
import type { CloseReason } from '@culvert/base';
import { BOTH, ControlConnection, type ControlOptions, checkCallId } from './control-connection.ts';
import { type ControlMessage, type MessageOf, VERSION } from './control-message.ts';
import { callFailure, disconnection, isSuccess, Result, StartResult, StopReason, startFailure } from './result.ts';

export interface PnsOptions extends ControlOptions {
  /** 0 to 65,535; for the server to put into its GRE packets. */
  readonly callId: number;
  /** For the server's log; random, so that it tells nothing. 0 to 65,535. */
  readonly serial: number;
}

/** As Windows has them: servers echo the upper one as the speed of the link. */
const MIN_SPEED = 300;
const MAX_SPEED = 100_000_000;
/** Every control character is mapped: what Windows says, and what means "not yet negotiated". It has no effect on GRE. */
const ALL_CHARACTERS = 0xffff_ffff;
/** Not what a server of ours tells: see where it is compared. */
const WINDOW = 4_096;

export class PnsConnection extends ControlConnection {
  protected readonly lateDetail = 'the server made no call in time';
  readonly #callId: number;
  readonly #serial: number;

  constructor(options: PnsOptions) {
    super({ ...options, window: options.window ?? WINDOW });
    this.#callId = checkCallId(options.callId);
    this.#serial = options.serial;
    const texts = { hostName: '', vendor: '' };
    this.send({
      kind: 'startRequest',
      version: VERSION,
      framing: BOTH,
      bearer: BOTH,
      maxChannels: 0,
      firmware: 1,
      ...texts,
    });
  }

  protected override handleOwn(message: ControlMessage): boolean {
    switch (message.kind) {
      case 'startReply':
        return this.#call(message);
      case 'outgoingCallReply':
        return this.#connect(message);
      case 'callDisconnectNotify':
        return this.#disconnected(message);
      case 'outgoingCallRequest':
        this.#refuseCall(message.callId);
        return false;
      default:
        return false;
    }
  }

  protected override sayCallEnds(callId: number): void {
    this.send({ kind: 'callClearRequest', callId });
  }

  /** With a call the server's Call-Disconnect-Notify comes first. */
  protected override sayGoodbye(): void {
    if (this.calls.size === 0) this.#stop();
  }

  #call(reply: MessageOf<'startReply'>): boolean {
    if (this.stage !== 'starting') return false;
    const { version, result, error, framing, bearer, firmware, hostName, vendor } = reply;
    this.note('the server introduced itself', { version, result, framing, bearer, firmware, hostName, vendor });
    if (!isSuccess(result)) {
      const cause: CloseReason['cause'] = result === StartResult.notAuthorized ? 'refused' : 'protocol';
      this.fail(cause, `the server refused the control connection: ${startFailure(result, error)}`);
    } else if (version >>> 8 !== VERSION >>> 8) {
      this.send({ kind: 'stopRequest', reason: StopReason.protocol });
      this.fail('protocol', `the server speaks version ${version >>> 8}.${version & 0xff} of PPTP`);
    } else {
      this.stage = 'started';
      this.send({
        kind: 'outgoingCallRequest',
        callId: this.#callId,
        serial: this.#serial,
        minSpeed: MIN_SPEED,
        maxSpeed: MAX_SPEED,
        bearer: BOTH,
        framing: BOTH,
        window: this.window,
        delay: 0,
        phoneNumber: '',
        subaddress: '',
      });
    }
    return true;
  }

  #connect(reply: MessageOf<'outgoingCallReply'>): boolean {
    if (this.stage !== 'started' || reply.peerCallId !== this.#callId) return false;
    const { callId, result, error, speed, window } = reply;
    if (!isSuccess(result)) {
      this.#stop();
      this.fail('refused', `the server refused the call: ${callFailure(result, error)}`);
      return true;
    }
    this.note('the server took the call', { callId, speed, window });
    // poptop says what it was told, which says nothing about it.
    this.callIsUp({ callId: this.#callId, peerCallId: callId }, window === this.window ? 0 : window);
    const accm = { sendAccm: ALL_CHARACTERS, receiveAccm: ALL_CHARACTERS };
    this.send({ kind: 'setLinkInfo', peerCallId: callId, ...accm });
    return true;
  }

  #disconnected({ result, error }: MessageOf<'callDisconnectNotify'>): boolean {
    if (this.stage === 'starting') return false;
    this.#stop();
    // In our own goodbye the server's answer to Stop-Control-Connection-Request is still to come.
    if (this.stage !== 'closing') {
      this.over({ cause: 'peer', detail: `the server disconnected the call: ${disconnection(result, error)}` });
    }
    return true;
  }

  #stop(): void {
    this.send({ kind: 'stopRequest', reason: StopReason.shutdown });
  }

  #refuseCall(peerCallId: number): void {
    const nothing = { callId: 0, cause: 0, speed: 0, window: 0, delay: 0, physicalChannel: 0 };
    this.send({ kind: 'outgoingCallReply', peerCallId, result: Result.generalError, error: 0, ...nothing });
  }
}
