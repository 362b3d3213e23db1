/**
 * The messages of the control connection (RFC 2637, section 2), all of one frame:
 *
 *   | length 2 | message type 2 (1) | magic cookie 4 | control message type 2 | reserved 2 | fields ...
 *
 * Fields of fixed place come first, texts of fixed size last. Peers that send a message without its texts, or a longer one, are
 * understood: a text ends at its first NUL, whatever follows (Windows 95 and 98 leave old bytes there).
 */
import { Reader, WireError, Writer } from '@culvert/wire';
import { readText, writeText } from './text.ts';

/** Control message types (RFC 2637, section 2). */
export const MessageType = {
  startRequest: 1,
  startReply: 2,
  stopRequest: 3,
  stopReply: 4,
  echoRequest: 5,
  echoReply: 6,
  outgoingCallRequest: 7,
  outgoingCallReply: 8,
  incomingCallRequest: 9,
  incomingCallReply: 10,
  incomingCallConnected: 11,
  callClearRequest: 12,
  callDisconnectNotify: 13,
  wanErrorNotify: 14,
  setLinkInfo: 15,
} as const;

export const HEADER_BYTES = 12;
export const MAGIC_COOKIE = 0x1a2b3c4d;
/** The only PPTP message type that there is; 2, management, was never defined. */
export const CONTROL = 1;
/** Protocol version 1, revision 0. */
export const VERSION = 0x0100;

const NAME_BYTES = 64;
const STATISTICS_BYTES = 128;

/** Who a peer says it is: the common part of Start-Control-Connection-Request and -Reply. */
export interface Introduction {
  readonly version: number;
  readonly framing: number;
  readonly bearer: number;
  readonly maxChannels: number;
  readonly firmware: number;
  readonly hostName: string;
  readonly vendor: string;
}

/** Result and general error codes of a reply (RFC 2637, section 2.16 for the latter). */
export interface Outcome {
  readonly result: number;
  readonly error: number;
}

/** Call ids are 16-bit numbers, and 0 is one of them. `serial` numbers are for logs; speeds are bits a second. */
export type ControlMessage =
  | ({ readonly kind: 'startRequest' } & Introduction)
  | ({ readonly kind: 'startReply' } & Introduction & Outcome)
  | { readonly kind: 'stopRequest'; readonly reason: number }
  | ({ readonly kind: 'stopReply' } & Outcome)
  | { readonly kind: 'echoRequest'; readonly identifier: number }
  | ({ readonly kind: 'echoReply'; readonly identifier: number } & Outcome)
  | {
      readonly kind: 'outgoingCallRequest';
      readonly callId: number;
      readonly serial: number;
      readonly minSpeed: number;
      readonly maxSpeed: number;
      readonly bearer: number;
      readonly framing: number;
      /** Packets that the sender takes before it acknowledges. */
      readonly window: number;
      /** Tenths of a second. */
      readonly delay: number;
      readonly phoneNumber: string;
      readonly subaddress: string;
    }
  | ({
      readonly kind: 'outgoingCallReply';
      readonly callId: number;
      readonly peerCallId: number;
      readonly cause: number;
      readonly speed: number;
      readonly window: number;
      readonly delay: number;
      readonly physicalChannel: number;
    } & Outcome)
  | {
      readonly kind: 'incomingCallRequest';
      readonly callId: number;
      readonly serial: number;
      readonly bearer: number;
      readonly physicalChannel: number;
      readonly dialledNumber: string;
      readonly diallingNumber: string;
      readonly subaddress: string;
    }
  | ({
      readonly kind: 'incomingCallReply';
      readonly callId: number;
      readonly peerCallId: number;
      readonly window: number;
      readonly delay: number;
    } & Outcome)
  | {
      readonly kind: 'incomingCallConnected';
      readonly peerCallId: number;
      readonly speed: number;
      readonly window: number;
      readonly delay: number;
      readonly framing: number;
    }
  | { readonly kind: 'callClearRequest'; readonly callId: number }
  | ({
      readonly kind: 'callDisconnectNotify';
      readonly callId: number;
      readonly cause: number;
      readonly statistics: string;
    } & Outcome)
  | {
      readonly kind: 'wanErrorNotify';
      readonly peerCallId: number;
      readonly crcErrors: number;
      readonly framingErrors: number;
      readonly hardwareOverruns: number;
      readonly bufferOverruns: number;
      readonly timeouts: number;
      readonly alignmentErrors: number;
    }
  | {
      readonly kind: 'setLinkInfo';
      readonly peerCallId: number;
      readonly sendAccm: number;
      readonly receiveAccm: number;
    };

export type MessageOf<Kind extends ControlMessage['kind']> = Extract<ControlMessage, { kind: Kind }>;

/** A type that RFC 2637 does not define: to be passed over. */
export interface UnknownMessage {
  readonly kind: 'unknown';
  readonly type: number;
}

/** `bytes` is one whole message, as `MessageStream` gives it. Throws WireError where fixed fields are missing. */
export function decodeMessage(bytes: Uint8Array): ControlMessage | UnknownMessage {
  const r = new Reader(bytes);
  r.bytes(HEADER_BYTES - 4, 'header');
  const type = r.u16('control message type');
  r.u16('reserved');
  switch (type) {
    case MessageType.startRequest:
      return { kind: 'startRequest', ...decodeIntroduction(r, false) };
    case MessageType.startReply:
      return { kind: 'startReply', ...decodeIntroduction(r, true) };
    case MessageType.stopRequest:
      return { kind: 'stopRequest', reason: r.u8('reason') };
    case MessageType.stopReply:
      return { kind: 'stopReply', ...decodeOutcome(r) };
    case MessageType.echoRequest:
      return { kind: 'echoRequest', identifier: r.u32('identifier') };
    case MessageType.echoReply:
      return { kind: 'echoReply', identifier: r.u32('identifier'), ...decodeOutcome(r) };
    case MessageType.outgoingCallRequest:
      return decodeOutgoingCallRequest(r);
    case MessageType.outgoingCallReply:
      return {
        kind: 'outgoingCallReply',
        callId: r.u16('call id'),
        peerCallId: r.u16("peer's call id"),
        ...decodeOutcome(r),
        cause: r.u16('cause code'),
        speed: r.u32('connect speed'),
        window: r.u16('receive window'),
        delay: r.u16('processing delay'),
        physicalChannel: r.u32('physical channel'),
      };
    case MessageType.incomingCallRequest:
      return decodeIncomingCallRequest(r);
    case MessageType.incomingCallReply:
      return {
        kind: 'incomingCallReply',
        callId: r.u16('call id'),
        peerCallId: r.u16("peer's call id"),
        ...decodeOutcome(r),
        window: r.u16('receive window'),
        delay: r.u16('transmit delay'),
      };
    case MessageType.incomingCallConnected:
      return decodeIncomingCallConnected(r);
    case MessageType.callClearRequest:
      return { kind: 'callClearRequest', callId: r.u16('call id') };
    case MessageType.callDisconnectNotify:
      return decodeCallDisconnectNotify(r);
    case MessageType.wanErrorNotify:
      return decodeWanErrorNotify(r);
    case MessageType.setLinkInfo:
      return decodeSetLinkInfo(r);
    default:
      return { kind: 'unknown', type };
  }
}

/** Throws RangeError for a text that does not fit its field. */
export function encodeMessage(message: ControlMessage): Uint8Array {
  const w = new Writer(224);
  w.u16(0).u16(CONTROL).u32(MAGIC_COOKIE).u16(MessageType[message.kind]).u16(0);
  encodeFields(w, message);
  const bytes = w.finish();
  new DataView(bytes.buffer).setUint16(0, bytes.length);
  return bytes;
}

function encodeFields(w: Writer, message: ControlMessage): void {
  switch (message.kind) {
    case 'startRequest':
      encodeIntroduction(w, message, undefined);
      return;
    case 'startReply':
      encodeIntroduction(w, message, message);
      return;
    case 'stopRequest':
      w.u8(message.reason).u8(0).u16(0);
      return;
    case 'stopReply':
      encodeOutcome(w, message).u16(0);
      return;
    case 'echoRequest':
      w.u32(message.identifier);
      return;
    case 'echoReply':
      encodeOutcome(w.u32(message.identifier), message).u16(0);
      return;
    case 'outgoingCallRequest':
      encodeOutgoingCallRequest(w, message);
      return;
    case 'outgoingCallReply':
      encodeOutcome(w.u16(message.callId).u16(message.peerCallId), message).u16(message.cause);
      w.u32(message.speed).u16(message.window).u16(message.delay).u32(message.physicalChannel);
      return;
    case 'incomingCallRequest':
      encodeIncomingCallRequest(w, message);
      return;
    case 'incomingCallReply':
      encodeOutcome(w.u16(message.callId).u16(message.peerCallId), message);
      w.u16(message.window).u16(message.delay).u16(0);
      return;
    case 'incomingCallConnected':
      w.u16(message.peerCallId).u16(0).u32(message.speed).u16(message.window).u16(message.delay).u32(message.framing);
      return;
    case 'callClearRequest':
      w.u16(message.callId).u16(0);
      return;
    case 'callDisconnectNotify':
      encodeOutcome(w.u16(message.callId), message).u16(message.cause).u16(0);
      writeText(w, message.statistics, STATISTICS_BYTES);
      return;
    case 'wanErrorNotify':
      w.u16(message.peerCallId).u16(0).u32(message.crcErrors).u32(message.framingErrors);
      w.u32(message.hardwareOverruns).u32(message.bufferOverruns).u32(message.timeouts).u32(message.alignmentErrors);
      return;
    case 'setLinkInfo':
      w.u16(message.peerCallId).u16(0).u32(message.sendAccm).u32(message.receiveAccm);
  }
}

function decodeIntroduction(r: Reader, reply: true): Introduction & Outcome;
function decodeIntroduction(r: Reader, reply: false): Introduction;
function decodeIntroduction(r: Reader, reply: boolean): Introduction & Partial<Outcome> {
  const version = r.u16('protocol version');
  const outcome = decodeOutcome(r);
  return {
    version,
    ...(reply && outcome),
    framing: r.u32('framing capabilities'),
    bearer: r.u32('bearer capabilities'),
    maxChannels: r.u16('maximum channels'),
    firmware: r.u16('firmware revision'),
    hostName: readText(r, NAME_BYTES),
    vendor: readText(r, NAME_BYTES),
  };
}

function encodeIntroduction(w: Writer, from: Introduction, outcome: Outcome | undefined): void {
  encodeOutcome(w.u16(from.version), outcome ?? { result: 0, error: 0 });
  w.u32(from.framing).u32(from.bearer).u16(from.maxChannels).u16(from.firmware);
  writeText(w, from.hostName, NAME_BYTES);
  writeText(w, from.vendor, NAME_BYTES);
}

function decodeOutcome(r: Reader): Outcome {
  return { result: r.u8('result code'), error: r.u8('error code') };
}

function encodeOutcome(w: Writer, { result, error }: Outcome): Writer {
  return w.u8(result).u8(error);
}

function decodeOutgoingCallRequest(r: Reader): MessageOf<'outgoingCallRequest'> {
  const fixed = {
    callId: r.u16('call id'),
    serial: r.u16('call serial number'),
    minSpeed: r.u32('minimum speed'),
    maxSpeed: r.u32('maximum speed'),
    bearer: r.u32('bearer type'),
    framing: r.u32('framing type'),
    window: r.u16('receive window'),
    delay: r.u16('processing delay'),
  };
  const length = textLength(r.u16('phone number length'));
  r.u16('reserved');
  const phoneNumber = readText(r, NAME_BYTES, length);
  return { kind: 'outgoingCallRequest', ...fixed, phoneNumber, subaddress: readText(r, NAME_BYTES) };
}

function encodeOutgoingCallRequest(w: Writer, message: MessageOf<'outgoingCallRequest'>): void {
  w.u16(message.callId).u16(message.serial).u32(message.minSpeed).u32(message.maxSpeed);
  w.u32(message.bearer).u32(message.framing).u16(message.window).u16(message.delay);
  w.u16(message.phoneNumber.length).u16(0);
  writeText(w, message.phoneNumber, NAME_BYTES);
  writeText(w, message.subaddress, NAME_BYTES);
}

function decodeIncomingCallRequest(r: Reader): MessageOf<'incomingCallRequest'> {
  const fixed = {
    callId: r.u16('call id'),
    serial: r.u16('call serial number'),
    bearer: r.u32('bearer type'),
    physicalChannel: r.u32('physical channel'),
  };
  const dialled = textLength(r.u16('dialled number length'));
  const dialling = textLength(r.u16('dialling number length'));
  const dialledNumber = readText(r, NAME_BYTES, dialled);
  const diallingNumber = readText(r, NAME_BYTES, dialling);
  return { kind: 'incomingCallRequest', ...fixed, dialledNumber, diallingNumber, subaddress: readText(r, NAME_BYTES) };
}

function encodeIncomingCallRequest(w: Writer, message: MessageOf<'incomingCallRequest'>): void {
  w.u16(message.callId).u16(message.serial).u32(message.bearer).u32(message.physicalChannel);
  w.u16(message.dialledNumber.length).u16(message.diallingNumber.length);
  writeText(w, message.dialledNumber, NAME_BYTES);
  writeText(w, message.diallingNumber, NAME_BYTES);
  writeText(w, message.subaddress, NAME_BYTES);
}

function decodeIncomingCallConnected(r: Reader): MessageOf<'incomingCallConnected'> {
  const peerCallId = r.u16("peer's call id");
  r.u16('reserved');
  return {
    kind: 'incomingCallConnected',
    peerCallId,
    speed: r.u32('connect speed'),
    window: r.u16('receive window'),
    delay: r.u16('transmit delay'),
    framing: r.u32('framing type'),
  };
}

function decodeCallDisconnectNotify(r: Reader): MessageOf<'callDisconnectNotify'> {
  const callId = r.u16('call id');
  const outcome = decodeOutcome(r);
  const cause = r.u16('cause code');
  r.u16('reserved');
  return { kind: 'callDisconnectNotify', callId, ...outcome, cause, statistics: readText(r, STATISTICS_BYTES) };
}

function decodeWanErrorNotify(r: Reader): MessageOf<'wanErrorNotify'> {
  const peerCallId = r.u16("peer's call id");
  r.u16('reserved');
  return {
    kind: 'wanErrorNotify',
    peerCallId,
    crcErrors: r.u32('CRC errors'),
    framingErrors: r.u32('framing errors'),
    hardwareOverruns: r.u32('hardware overruns'),
    bufferOverruns: r.u32('buffer overruns'),
    timeouts: r.u32('time-out errors'),
    alignmentErrors: r.u32('alignment errors'),
  };
}

function decodeSetLinkInfo(r: Reader): MessageOf<'setLinkInfo'> {
  const peerCallId = r.u16("peer's call id");
  r.u16('reserved');
  return { kind: 'setLinkInfo', peerCallId, sendAccm: r.u32('send ACCM'), receiveAccm: r.u32('receive ACCM') };
}

function textLength(length: number): number {
  if (length > NAME_BYTES) throw new WireError('CULVERT_WIRE_LENGTH', `a number of ${length} bytes in ${NAME_BYTES}`);
  return length;
}
