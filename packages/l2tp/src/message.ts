/** The messages of the control connection (RFC 2661, section 6): a Message Type AVP, and attributes by name. */
import { WireError, Writer } from '@culvert/wire';
import { type AttributeName, type AttributeValue, attributeNamed, attributes } from './attribute.ts';
import { type Avp, decodeAvps, encodeAvp } from './avp.ts';
import { GeneralError } from './result.ts';

const MESSAGE_TYPE = 0;
const MICROSOFT = 311;

/** Message types (section 3.2), and the attributes that we cannot do without; others that the RFC demands may be missing. */
const kinds = {
  SCCRQ: { type: 1, needs: ['assignedTunnelId'] },
  SCCRP: { type: 2, needs: ['assignedTunnelId'] },
  SCCCN: { type: 3, needs: [] },
  StopCCN: { type: 4, needs: [] },
  HELLO: { type: 6, needs: [] },
  OCRQ: { type: 7, needs: ['assignedSessionId'] },
  OCRP: { type: 8, needs: ['assignedSessionId'] },
  OCCN: { type: 9, needs: [] },
  ICRQ: { type: 10, needs: ['assignedSessionId'] },
  ICRP: { type: 11, needs: ['assignedSessionId'] },
  ICCN: { type: 12, needs: [] },
  CDN: { type: 14, needs: [] },
  WEN: { type: 15, needs: [] },
  SLI: { type: 16, needs: [] },
} as const;

export type MessageKind = keyof typeof kinds;
export const messageKinds = Object.keys(kinds) as MessageKind[];
export type Attributes = { readonly [Name in AttributeName]?: AttributeValue<Name> };
type Needs<Kind extends MessageKind> = {
  readonly [Name in (typeof kinds)[Kind]['needs'][number]]: AttributeValue<Name>;
};
export type MessageOf<Kind extends MessageKind> = { readonly kind: Kind } & Attributes & Needs<Kind>;
export type ControlMessage = { [Kind in MessageKind]: MessageOf<Kind> }[MessageKind];

/** Why a message ends its session or tunnel: a general error code (section 4.4.2) and a text. */
export interface Problem {
  readonly error: number;
  readonly text: string;
}

export interface Decoded {
  /** Undefined: a message type that RFC 2661 does not define, or one whose attributes are not what it needs. */
  readonly message: ControlMessage | undefined;
  /** True for messages of one session. */
  readonly ofSession: boolean;
  readonly problem: Problem | undefined;
}

const ofSession: ReadonlySet<MessageKind> = new Set(messageKinds.filter((kind) => kinds[kind].type >= kinds.OCRQ.type));
const byType = new Map(messageKinds.map((kind) => [kinds[kind].type as number, kind]));

/** `secret` opens hidden AVPs. Throws WireError when the AVPs cannot be told apart or the first is no Message Type. */
export function decodeMessage(body: Uint8Array, secret?: Uint8Array): Decoded {
  const [first, ...avps] = decodeAvps(body, secret);
  if (first?.vendor !== 0 || first.type !== MESSAGE_TYPE || first.value?.length !== 2) {
    throw new WireError('CULVERT_WIRE_VALUE', 'the first AVP is no Message Type');
  }
  const type = ((first.value[0] ?? 0) << 8) | (first.value[1] ?? 0);
  const kind = byType.get(type);
  if (kind === undefined) {
    const problem = first.mandatory ? refusal(GeneralError.unknownMandatory, `message type ${type}`) : undefined;
    return { message: undefined, ofSession: false, problem };
  }
  const { values, problem } = readAttributes(avps);
  const missing = kinds[kind].needs.find((name) => values[name] === undefined || values[name] === 0);
  const whole = missing === undefined ? ({ kind, ...values } as ControlMessage) : undefined;
  const lacks = missing && refusal(GeneralError.value, `${kind} has no ${missing}`);
  return { message: whole, ofSession: ofSession.has(kind), problem: problem ?? lacks };
}

export function encodeMessage(message: ControlMessage): Uint8Array {
  const w = new Writer();
  encodeAvp(w, MESSAGE_TYPE, true, new Writer(2).u16(kinds[message.kind].type).finish());
  for (const [name, attribute] of Object.entries(attributes)) {
    const value = message[name as AttributeName];
    if (value === undefined) continue;
    encodeAvp(w, attribute.type, attribute.mandatory, (attribute.write as (value: unknown) => Uint8Array)(value));
  }
  return w.finish();
}

/** The first of two equal attributes counts. */
function readAttributes(avps: readonly Avp[]): { values: Attributes; problem: Problem | undefined } {
  const values: Record<string, unknown> = {};
  let problem: Problem | undefined;
  for (const { mandatory, vendor, type, value } of avps) {
    const name = vendor === 0 ? attributeNamed(type) : undefined;
    if (name === undefined || value === undefined) {
      // Windows sends its correlation id (MS-L2TPIE 2.2.1.1) to anyone.
      if (mandatory && vendor !== MICROSOFT) {
        problem ??= refusal(GeneralError.unknownMandatory, `attribute ${vendor}/${type}`);
      }
      continue;
    }
    try {
      values[name] ??= attributes[name].read(value);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      if (mandatory) problem ??= refusal(GeneralError.length, error.message);
    }
  }
  return { values, problem };
}

function refusal(error: number, text: string): Problem {
  return { error, text };
}

/** Who begins a tunnel with this SCCRQ, by the id that it gave the tunnel; undefined for anything else. Never throws. */
export function starterOf(body: Uint8Array, secret: Uint8Array | undefined): number | undefined {
  // The Message Type comes first, so what is no SCCRQ costs no more than this look.
  if (body.length < 8 || body[6] !== 0 || body[7] !== kinds.SCCRQ.type) return undefined;
  try {
    const { message } = decodeMessage(body, secret);
    return message?.kind === 'SCCRQ' ? message.assignedTunnelId : undefined;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
