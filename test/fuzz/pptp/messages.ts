/** Bytes of a hostile peer on the control connection: each message changed behind a header that is right, or the whole changed. */
import type { SeededRandom } from '@culvert/testkit';
import { applyChanges, drawChanges, pick } from '../mutate.ts';

/** Ours and the peer's, in every visit. */
export const callIds = { subject: 0x1111, peer: 0x2222 } as const;

const name = '00'.repeat(64);
const introduction = `00000003 00000003 0000 0a28 ${name}${name}`;

/** By name (RFC 2637, section 2): control message type, and what follows the reserved word, as a peer of the subject sends it. */
const messages = {
  startRequest: [1, `0100 0000 ${introduction}`],
  startReply: [2, `0100 01 00 ${introduction}`],
  stopRequest: [3, '01 00 0000'],
  stopReply: [4, '01 00 0000'],
  echoRequest: [5, '00000001'],
  echoReply: [6, '00000001 01 00 0000'],
  outgoingCallRequest: [7, `2222 0007 0000012c 05f5e100 00000003 00000003 0040 0000 0000 0000 ${name}${name}`],
  outgoingCallReply: [8, '2222 1111 01 00 0000 05f5e100 0040 0000 00000000'],
  incomingCallRequest: [9, `2222 0007 00000003 00000000 0000 0000 ${name}${name}${name}`],
  incomingCallReply: [10, '2222 1111 01 00 0040 0000 0000'],
  incomingCallConnected: [11, '1111 0000 05f5e100 0040 0000 00000003'],
  callClearRequest: [12, '2222 0000'],
  callDisconnectNotify: [13, `2222 01 00 0000 0000 ${'00'.repeat(128)}`],
  wanErrorNotify: [14, `1111 0000 ${'00'.repeat(24)}`],
  setLinkInfo: [15, '1111 0000 ffffffff ffffffff'],
} as const;
type Message = keyof typeof messages;
const kinds = Object.keys(messages) as Message[];

export const controlDecoders = ['stream', 'foreign', ...kinds] as const;
export type ControlDecoder = (typeof controlDecoders)[number];

const HEADER = 12;
/** The longest that a stream takes. */
const LONGEST = 256;

export function drawMessage(random: SeededRandom, decoder: ControlDecoder): Uint8Array {
  if (decoder === 'stream') {
    const [type, fields] = messages[pick(random, kinds)];
    const whole = framed(type, bytesOf(fields));
    return applyChanges(whole, drawChanges(random, whole.length, { focus: [0, HEADER] }));
  }
  if (decoder === 'foreign') return framed(pick(random, [0, 16, 17, 255, 0xffff]), random.bytes(random.integer(60)));
  const [type, fields] = messages[decoder];
  const body = bytesOf(fields);
  if (random.chance(0.1)) return framed(type, body);
  const changed = applyChanges(body, drawChanges(random, body.length, { focus: [0, Math.min(body.length, 32)] }));
  // Nine of ten keep all their fields, so that what is in them is looked at.
  return framed(type, random.chance(0.9) && changed.length < body.length ? padded(changed, body.length) : changed);
}

function bytesOf(fields: string): Buffer {
  return Buffer.from(fields.replaceAll(' ', ''), 'hex');
}

function framed(type: number, body: Uint8Array): Buffer {
  const bytes = Buffer.alloc(Math.min(LONGEST, HEADER + body.length));
  bytes.writeUInt16BE(bytes.length, 0);
  bytes.write('00011a2b3c4d', 2, 'hex');
  bytes.writeUInt16BE(type, 8);
  bytes.set(body.subarray(0, bytes.length - HEADER), HEADER);
  return bytes;
}

function padded(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(bytes);
  return out;
}
