/** The values of the attributes (RFC 2661, section 4.4), by name: how each is read and written. */
import { Reader, WireError, Writer } from '@culvert/wire';

/** Result Code (section 4.4.2). */
export interface Outcome {
  readonly result: number;
  readonly error: number;
  readonly message: string;
}

interface Attribute<Value> {
  readonly type: number;
  /** The M bit that we send. */
  readonly mandatory: boolean;
  /** Throws WireError when the length is wrong. */
  read(value: Uint8Array): Value;
  write(value: Value): Uint8Array;
}

const decoder = new TextDecoder('latin1');
const CONTROL_CHARACTERS = /\p{Cc}+/gu;
/** Texts go into logs: longer ones are cut. */
const LONGEST_TEXT = 255;

export const attributes = {
  resultCode: { type: 1, mandatory: true, read: readOutcome, write: writeOutcome },
  protocolVersion: u16(2),
  framingCapabilities: u32(3),
  bearerCapabilities: u32(4),
  tieBreaker: octets(5, false, 8),
  firmware: u16(6, false),
  hostName: text(7),
  vendorName: text(8, false),
  assignedTunnelId: u16(9),
  receiveWindow: u16(10),
  challenge: octets(11),
  q931Cause: octets(12),
  challengeResponse: octets(13, true, 16),
  assignedSessionId: u16(14),
  callSerialNumber: u32(15),
  minimumBps: u32(16),
  maximumBps: u32(17),
  bearerType: u32(18),
  framingType: u32(19),
  calledNumber: text(21),
  callingNumber: text(22),
  subAddress: text(23),
  txSpeed: u32(24),
  physicalChannelId: u32(25, false),
  initialLcpRequest: octets(26, false),
  lastSentLcpRequest: octets(27, false),
  lastReceivedLcpRequest: octets(28, false),
  proxyAuthenType: u16(29, false),
  proxyAuthenName: text(30, false),
  proxyAuthenChallenge: octets(31, false),
  proxyAuthenId: u16(32, false),
  proxyAuthenResponse: octets(33, false),
  callErrors: octets(34, true, 26),
  accm: octets(35, true, 10),
  randomVector: octets(36),
  privateGroupId: octets(37, false),
  rxSpeed: u32(38, false),
  sequencingRequired: {
    type: 39,
    mandatory: true,
    read: (_: Uint8Array) => true as const,
    write: (_: true) => new Uint8Array(0),
  },
} as const;

export type AttributeName = keyof typeof attributes;
export type AttributeValue<Name extends AttributeName> = ReturnType<(typeof attributes)[Name]['read']>;

const names = new Map(Object.entries(attributes).map(([name, { type }]) => [type, name as AttributeName]));

/** Undefined: RFC 2661 does not define it. */
export function attributeNamed(type: number): AttributeName | undefined {
  return names.get(type);
}

function u16(type: number, mandatory = true): Attribute<number> {
  return {
    type,
    mandatory,
    read: (value) => new Reader(sized(type, value, 2)).u16('value'),
    write: (value) => new Writer(2).u16(value).finish(),
  };
}

function u32(type: number, mandatory = true): Attribute<number> {
  return {
    type,
    mandatory,
    read: (value) => new Reader(sized(type, value, 4)).u32('value'),
    write: (value) => new Writer(4).u32(value).finish(),
  };
}

function octets(type: number, mandatory = true, size?: number): Attribute<Uint8Array> {
  const check = (value: Uint8Array) => (size === undefined ? value : sized(type, value, size));
  return { type, mandatory, read: check, write: check };
}

/** Up to the first NUL, which Apple's peers send; control characters become spaces. */
function text(type: number, mandatory = true): Attribute<string> {
  return { type, mandatory, read: readText, write: (value) => Uint8Array.from(Buffer.from(value, 'latin1')) };
}

function readText(value: Uint8Array): string {
  const end = value.indexOf(0);
  const cut = (end < 0 ? value : value.subarray(0, end)).subarray(0, LONGEST_TEXT);
  return decoder.decode(cut).replace(CONTROL_CHARACTERS, ' ');
}

function readOutcome(value: Uint8Array): Outcome {
  const r = new Reader(value);
  const result = hostOrder(r.u16('result code'));
  const error = r.remaining >= 2 ? hostOrder(r.u16('error code')) : 0;
  return { result, error, message: readText(r.rest()) };
}

function writeOutcome({ result, error, message }: Outcome): Uint8Array {
  const w = new Writer().u16(result).u16(error);
  return w.bytes(Buffer.from(message, 'latin1')).finish();
}

/** Apple's peers send these codes little-endian (xl2tpd's avp.c says so too); no true code is above 255. */
function hostOrder(code: number): number {
  return (code & 0xff) === 0 ? code >>> 8 : code;
}

function sized(type: number, value: Uint8Array, size: number): Uint8Array {
  if (value.length !== size) {
    throw new WireError('CULVERT_WIRE_LENGTH', `attribute ${type} has ${value.length} bytes, not ${size}`);
  }
  return value;
}
