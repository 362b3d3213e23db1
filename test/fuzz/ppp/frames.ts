/** Frames of a hostile peer: what an honest one says, and packets of every code, changed; answers fit the question that waits. */
import { decodeControlPacket, decodeFrame, encodeControlPacket, encodeFrame } from '@culvert/ppp';
import { type SeededRandom, seededRandom } from '@culvert/testkit';
import { applyChanges, drawChanges, pick } from '../mutate.ts';
import { type Variant, World } from './world.ts';

export const decoders = ['frame', 'lcp', 'auth', 'ccp', 'ipcp', 'ipv6cp', 'router', 'unknown'] as const;
export type Decoder = (typeof decoders)[number];

const protocols: Readonly<Record<Exclude<Decoder, 'router' | 'frame'>, readonly number[]>> = {
  lcp: [0xc021],
  auth: [0xc023, 0xc223, 0xc227],
  ccp: [0x80fd],
  ipcp: [0x8021],
  ipv6cp: [0x8057],
  unknown: [0x8235, 0x0021, 0x0057, 0x00fd, 0xc025, 0x802b],
};

/** Options that peers send, whole, by decoder. */
const options: Readonly<Partial<Record<Decoder, readonly string[]>>> = {
  lcp: [
    '01040578',
    '020600000000',
    '0305c22381',
    '0304c023',
    '0304c227',
    '0506aabbccdd',
    '0702',
    '0802',
    '0d0306',
    '1104064e',
    '17040001',
  ],
  ccp: ['120601000040', '120601000001', '1206010000e0', '120600000040', '1a047800', '15032f'],
  ipcp: ['030600000000', '03060a630007', '810600000000', '83060a630035', '0206002d0f01', '820600000000'],
  ipv6cp: ['010ae46bb66e8d8c76a6', '010a0000000000000000', '0204004f'],
};

/** What a draw knows of the session that it aims at. */
export type Aim = Pick<World, 'variant' | 'subjectSaid'>;

/** A frame or router packet that aims at `decoder`. */
export function drawFrame(random: SeededRandom, decoder: Decoder, world: Aim): Uint8Array {
  const changes = drawChanges(random, 40, {});
  if (decoder === 'router') return applyChanges(pick(random, routerPackets), changes);
  if (decoder === 'frame') return applyChanges(pick(random, honestFrames(world.variant)), changes);
  const protocol = pick(
    random,
    decoder === 'auth' ? [...protocols.auth, ...Array(5).fill(protocolOf(world))] : protocols[decoder],
  );
  const packet = drawPacket(random, decoder, protocol, world);
  return encodeFrame(protocol, random.chance(0.3) ? applyChanges(packet, changes) : packet);
}

function drawPacket(random: SeededRandom, decoder: Decoder, protocol: number, world: Aim): Uint8Array {
  const honest = honestFrames(world.variant).filter((frame) => decodeFrame(frame)?.protocol === protocol);
  if (honest.length > 0 && random.chance(0.4)) return applyInside(random, pick(random, honest).subarray(4));
  const code = random.chance(0.9) ? 1 + random.integer(15) : random.integer(256);
  const asked = questionOf(world, protocol);
  const body = drawBody(random, decoder, code, asked?.body);
  const id = asked !== undefined && random.chance(0.8) ? asked.id : random.integer(256);
  return encodeControlPacket(code, id, body);
}

/** An answer speaks of what was asked, a request of options as peers send them; either way something is wrong. */
function drawBody(random: SeededRandom, decoder: Decoder, code: number, asked: Uint8Array | undefined): Uint8Array {
  if (asked !== undefined && code >= 2 && code <= 4 && random.chance(0.5)) {
    return random.chance(0.3) ? asked : applyChanges(asked, drawChanges(random, asked.length, {}));
  }
  const known = options[decoder] ?? [];
  if (known.length === 0 || random.chance(0.2)) return random.bytes(random.integer(60));
  const many = Array.from({ length: random.integer(6) }, () => Buffer.from(pick(random, known), 'hex'));
  const body = Uint8Array.from(Buffer.concat(many));
  return random.chance(0.5) ? applyChanges(body, drawChanges(random, body.length, {})) : body;
}

/** Changes the body and puts the length right, so that what lies inside is reached. */
function applyInside(random: SeededRandom, packet: Uint8Array): Uint8Array {
  const decoded = decodeControlPacket(packet);
  if (decoded === undefined) return packet;
  const body = applyChanges(decoded.body, drawChanges(random, decoded.body.length, {}));
  return encodeControlPacket(decoded.code, random.chance(0.7) ? decoded.id : random.integer(256), body);
}

/** The request of the subject that waits for an answer. */
function questionOf(world: Aim, protocol: number): { readonly id: number; readonly body: Uint8Array } | undefined {
  for (const frame of world.subjectSaid.toReversed()) {
    const decoded = decodeFrame(frame);
    const packet = decoded?.protocol === protocol ? decodeControlPacket(decoded.payload) : undefined;
    if (packet?.code === 1) return packet;
  }
  return undefined;
}

function protocolOf({ variant }: Aim): number {
  if (variant.method === 'pap') return 0xc023;
  return variant.method.startsWith('eap') ? 0xc227 : 0xc223;
}

const known = new Map<string, readonly Uint8Array[]>();
/** What an honest peer says until the link is up. */
function honestFrames(variant: Variant): readonly Uint8Array[] {
  const key = JSON.stringify(variant);
  let frames = known.get(key);
  if (frames === undefined) {
    const world = new World(variant, 7);
    if (!world.pilot('up')) throw new Error(`${key} does not come up`);
    frames = world.peerSaid;
    known.set(key, frames);
  }
  return frames;
}

/** A solicitation and an advertisement with a prefix, an MTU and a name server; their checksums are right. */
export const routerPackets: readonly Uint8Array[] = [
  '6000000000083afffe80000000000000e46bb66e8d8c76a6ff0200000000000000000000000000028500de2900000000',
  '6000000000503afffe8000000000000021caf073f31da6e9ff0200000000000000000000000000018600571b400007080000000000000000' +
    '030440c000278d0000093a8000000000fd00009900000007000000000000000005010000000005781903000000000708' +
    'fd000099000000000000000000000053',
].map((text) => Uint8Array.from(Buffer.from(text, 'hex')));

/** For a test: the same every time. */
export function sampleFrames(decoder: Decoder, count: number): Uint8Array[] {
  const random = seededRandom(1);
  const world = new World({ role: 'server', method: 'mschapv2', mppe: 'required' }, 1);
  return Array.from({ length: count }, () => drawFrame(random, decoder, world));
}
