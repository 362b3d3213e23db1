/** Packets of a hostile peer: each kind of message as peers send it, changed inside a header that is right; or the whole changed. */
import type { SeededRandom } from '@culvert/testkit';
import { applyChanges, drawChanges, pick } from '../mutate.ts';
import type { World } from './world.ts';

/** By message type (RFC 2661, section 3.2): AVPs after the first, as hexadecimal. */
const messages = {
  SCCRQ: [
    1,
    '8008000000020100 800a0000000300000003 80070000000763 8008000000091234 80080000000a0004 800e0000000b1122334455667788',
  ],
  SCCRP: [2, '8008000000020100 800a0000000300000003 8008000000095678 80080000000a0008'],
  SCCCN: [3, '80160000000d00112233445566778899aabbccddeeff'],
  StopCCN: [4, '8008000000091234 800a0000000100020008'],
  HELLO: [6, ''],
  OCRQ: [7, '80080000000e0007 800a0000000f00000001 800a0000001000000001 800a0000001200000002'],
  OCRP: [8, '80080000000e0007'],
  OCCN: [9, '800a0000001800000001 800a0000001300000001'],
  ICRQ: [10, '80080000000e0007 800a0000000f00000001 0016013700010123456789abcdef0123456789abcdef'],
  ICRP: [11, '80080000000e0009'],
  ICCN: [12, '800a0000001805f5e100 800a0000001300000001 800600000027 00080000001d0004'],
  CDN: [14, '8008000000010003 80080000000e0007'],
  WEN: [15, `802000000022${'00'.repeat(26)}`],
  SLI: [16, '8010000000230000ffffffffffffffff'],
  unknown: [99, '0008000000630001'],
} as const;
type Message = keyof typeof messages;
const kinds = Object.keys(messages) as Message[];

export const decoders = ['control', 'data', ...kinds] as const;
export type Decoder = (typeof decoders)[number];

/** Where a tunnel begins. */
const nothing = { tunnelId: 0, sessionId: 0, ns: 0, nr: 0 };

/** A packet that aims at `decoder`. */
export function drawPacket(random: SeededRandom, decoder: Decoder, world: World): Uint8Array {
  if (decoder === 'data') return drawData(random, world);
  if (decoder === 'SCCRQ' && random.chance(0.5)) return framed({ next: nothing }, drawBody(random, decoder));
  if (decoder !== 'control') return framed(world, drawBody(random, decoder));
  const whole = framed(world, bodyOf(pick(random, kinds)));
  return applyChanges(whole, drawChanges(random, whole.length, { focus: [0, 12] }));
}

/** The Message Type stays, and nine of ten bodies are AVPs to their end. */
function drawBody(random: SeededRandom, kind: Message): Uint8Array {
  const body = bodyOf(kind);
  if (random.chance(0.2)) return body;
  const rest = body.subarray(8);
  const changed = random.chance(0.1) ? applyChanges(rest, drawChanges(random, rest.length, {})) : spoiled(random, rest);
  return Buffer.concat([body.subarray(0, 8), changed]);
}

/** Values, flags, vendors and types change, lengths do not; or AVPs of chance are put in. */
function spoiled(random: SeededRandom, avps: Uint8Array): Buffer {
  const out = Buffer.from(avps);
  for (let at = 0; at + 6 <= out.length; ) {
    const length = Math.max(6, out.readUInt16BE(at) & 0x3ff);
    if (random.chance(0.2)) out[at] = (out[at] ?? 0) ^ pick(random, [0x80, 0x40, 0x80, 0x20, 0xc0]);
    if (random.chance(0.1)) out[at + 5] = random.integer(48);
    if (length > 6 && random.chance(0.4)) out[at + 6 + random.integer(length - 6)] = random.integer(256);
    at += length;
  }
  if (random.chance(0.6)) return out;
  const value = random.bytes(random.integer(40));
  const head = Buffer.from([pick(random, [0x80, 0, 0xc0, 0x40]), 6 + value.length, 0, 0, 0, random.integer(48)]);
  return Buffer.concat([out, head, value]);
}

function drawData(random: SeededRandom, { next }: World): Uint8Array {
  const flags = pick(random, [0x0002, 0x4002, 0x0802, 0x4802, 0x0202, 0x4b02, 0x0102]);
  const parts = [flags];
  if ((flags & 0x4000) !== 0) parts.push(0);
  parts.push(next.tunnelId, next.sessionId);
  if ((flags & 0x0800) !== 0) parts.push(random.integer(random.chance(0.5) ? 8 : 65_536), 0);
  if ((flags & 0x0200) !== 0) parts.push(random.integer(12));
  const packet = Buffer.concat([words(parts), random.bytes(random.integer(60))]);
  if ((flags & 0x4000) !== 0) packet.writeUInt16BE(packet.length, 2);
  return random.chance(0.5) ? packet : applyChanges(packet, drawChanges(random, packet.length, { focus: [0, 12] }));
}

function bodyOf(kind: Message): Uint8Array {
  const [type, avps] = messages[kind];
  return Buffer.concat([words([0x8008, 0, 0, type]), Buffer.from(avps.replaceAll(' ', ''), 'hex')]);
}

function framed({ next }: Pick<World, 'next'>, body: Uint8Array): Uint8Array {
  const { tunnelId, sessionId, ns, nr } = next;
  return Buffer.concat([words([0xc802, 12 + body.length, tunnelId, sessionId, ns, nr & 0xffff]), body]);
}

function words(values: readonly number[]): Buffer {
  const out = Buffer.alloc(2 * values.length);
  for (const [n, value] of values.entries()) out.writeUInt16BE(value, 2 * n);
  return out;
}
