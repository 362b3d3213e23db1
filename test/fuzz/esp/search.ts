/** Visits of a pair of SAs in one state each; what it may not do, or does otherwise than RFC 4303 has it, is an error. */
import { EspReport } from '@culvert/cipher';
import { type SeededRandom, seededRandom } from '@culvert/testkit';
import { espSuites } from '../../../packages/cipher/test/esp-peer.ts';
import { applyChanges, drawChanges, pick } from '../mutate.ts';
import type { Tally, Target } from '../target.ts';
import { type Outcome, payloadOf, WINDOW } from './model.ts';
import { blockOf, padded, type State, states, udp, World } from './world.ts';

export const esp: Target = { unit: 'datagrams', cells, visit };

/** Changed outside of protection; and inside, sealed again. */
const outside = ['datagram', 'head', 'iv', 'ciphertext', 'icv', 'length'] as const;
const inside = ['sequence', 'padding', 'pad-length', 'next-header', 'udp', 'payload'] as const;
const decoders = [...outside, ...inside];
type Decoder = (typeof decoders)[number];

/** A datagram, and what is to come of it; `unsorted`: it does not get as far as a key. */
interface Shot {
  readonly decoder: Decoder;
  readonly datagram: Uint8Array;
  readonly expected: Outcome | 'unsorted';
  readonly payload: Uint8Array;
}

const CALLS = 24;
const MOST_AT_ONCE = 5;
const HALF = 2 ** 32;
const encryptions = ['aes-gcm-16', 'aes-cbc', '3des-cbc'] as const;

function cells(): Tally {
  const tally: Tally = {};
  for (const encryption of encryptions)
    for (const esn of [false, true])
      for (const state of states)
        for (const decoder of decoders) tally[nameOf(encryption, esn, state, decoder)] = { sent: 0, reached: 0 };
  return tally;
}

function nameOf(encryption: string, esn: boolean, state: State, decoder: Decoder): string {
  return `${encryption} ${esn ? 'esn ' : ''}${state} ${decoder}`;
}

function visit(seed: number, tally: Tally): number {
  const random = seededRandom(seed);
  const encryption = pick(random, encryptions);
  const algorithms = pick(
    random,
    espSuites.filter((suite) => suite.encryption === encryption),
  );
  const [esn, state] = [random.chance(0.5), pick(random, states)];
  const world = new World(algorithms, esn, random);
  world.pilot(state);
  let sent = 0;
  for (let call = 0; call < CALLS; call++) {
    const shots = Array.from({ length: 1 + random.integer(MOST_AT_ONCE) }, () => draw(random, world));
    check(world, shots);
    for (const { decoder, expected } of shots) {
      sent++;
      const cell = tally[nameOf(encryption, esn, state, decoder)];
      if (cell === undefined) continue;
      cell.sent++;
      if (isReached(decoder, expected)) cell.reached++;
    }
  }
  world.close();
  return sent;
}

/** Outside: a key was asked whether it is authentic. Inside: it was. */
function isReached(decoder: Decoder, expected: Shot['expected']): boolean {
  if (decoder === 'datagram' || decoder === 'length') return true;
  if (outside.some((name) => name === decoder)) return expected === 'failed';
  return expected !== 'failed' && expected !== 'unsorted' && (decoder === 'sequence' || expected !== 'replayed');
}

/** The receivers do what the model says, one packet after the other. */
function check(world: World, shots: readonly Shot[]): void {
  const received = world.receive(shots.map(({ datagram }) => datagram));
  const report = new Array<number>(EspReport.words).fill(0);
  const accepted = shots.filter(({ expected }) => expected === 'accepted');
  for (const { expected } of shots)
    if (expected !== 'unsorted') report[EspReport[expected]] = (report[EspReport[expected]] ?? 0) + 1;
  report[EspReport.bytes] = accepted.reduce((sum, { payload }) => sum + payload.length, 0);
  const expected = {
    report,
    payloads: accepted.map(({ payload }) => Buffer.from(payload).toString('latin1')),
    selected: accepted.map(({ payload }) => isL2tp(Buffer.from(payload))),
    highest: world.model.highest,
  };
  const { sorted: _, ...found } = received;
  const [one, two] = [found, expected].map((value) => JSON.stringify(value, Object.keys(expected).sort()));
  if (one !== two) throw new Error(`${one} instead of ${two} for ${shots.map(({ decoder }) => decoder)}`);
}

function isL2tp(payload: Buffer): boolean {
  if (payload.length < 8 || payload.readUInt16BE(4) !== payload.length) return false;
  return payload.readUInt16BE(0) === 1701 && payload.readUInt16BE(2) === 1701;
}

function draw(random: SeededRandom, world: World): Shot {
  const decoder = pick(random, decoders);
  const plain = drawPlain(random, world, decoder);
  const sequence = drawSequence(random, world, decoder);
  const whole = world.seal(plain, sequence, random.integer(256));
  if (outside.every((name) => name !== decoder)) {
    const payload = payloadOf(plain) ?? new Uint8Array();
    return { decoder, datagram: whole, expected: world.model.open(sequence, plain), payload };
  }
  const datagram = changed(random, world, decoder, whole);
  if (Buffer.compare(datagram, whole) === 0) {
    const payload = payloadOf(plain) ?? new Uint8Array();
    return { decoder, datagram, expected: world.model.open(sequence, plain), payload };
  }
  return { decoder, datagram, expected: outcomeOf(world, datagram), payload: new Uint8Array() };
}

/** Of a datagram that no key stands behind. */
function outcomeOf({ sa, model }: World, datagram: Buffer): Shot['expected'] {
  if (datagram.length <= 8 || datagram.readUInt32BE(0) !== sa.inbound.spi) return 'unsorted';
  const { head, icv } = formOf(sa.algorithms);
  const size = datagram.length - head - icv;
  if (size <= 0 || size % blockOf(sa.algorithms) !== 0) return 'malformed';
  return model.refuse(datagram.readUInt32BE(4));
}

/** Bytes before and behind the ciphertext. */
function formOf(algorithms: World['sa']['algorithms']): { readonly head: number; readonly icv: number } {
  if (algorithms.encryption === 'aes-gcm-16') return { head: 16, icv: 16 };
  const icvs = { 'sha1-96': 12, 'sha2-256-128': 16, 'sha2-256-96': 12, 'sha2-384-192': 24, 'sha2-512-256': 32 };
  return { head: 8 + blockOf(algorithms), icv: icvs[algorithms.integrity.slice(5) as keyof typeof icvs] };
}

function changed(random: SeededRandom, world: World, decoder: Decoder, whole: Buffer): Buffer {
  const { head, icv } = formOf(world.sa.algorithms);
  const end = whole.length - icv;
  const flipped = (from: number, to: number) => {
    const out = Buffer.from(whole);
    for (let n = 1 + random.integer(3); n > 0; n--) {
      const at = from + random.integer(to - from);
      out[at] = (out[at] ?? 0) ^ (1 << random.integer(8));
    }
    return out;
  };
  switch (decoder) {
    case 'head':
      return flipped(4, 8);
    case 'iv':
      return flipped(8, head);
    case 'ciphertext':
      return flipped(head, end);
    case 'icv':
      return flipped(end, whole.length);
    case 'length':
      return random.chance(0.5)
        ? whole.subarray(0, random.integer(whole.length))
        : Buffer.concat([whole, random.bytes(1 + random.integer(40))]);
    default:
      return applyChanges(whole, drawChanges(random, whole.length));
  }
}

/** Numbers at every edge: those that were used, the ends of the window, the last of all, what comes next. */
function drawSequence(random: SeededRandom, { model, esn }: World, decoder: Decoder): number {
  const { highest } = model;
  const most = esn ? 2 ** 50 : HALF - 1;
  const near = Math.min(most, highest + 1 + random.integer(3));
  if (decoder !== 'sequence' && random.chance(0.9)) return near;
  const edges = [highest, highest - 1, highest - WINDOW, highest - WINDOW + 1, highest - random.integer(2 * WINDOW)];
  const ends = [0, 1, HALF - 1, near + random.integer(2 * WINDOW), ...(esn ? [HALF, highest + HALF - WINDOW] : [])];
  return Math.min(most, Math.max(0, pick(random, [...edges, ...ends])));
}

function drawPlain(random: SeededRandom, world: World, decoder: Decoder): Buffer {
  const { algorithms } = world.sa;
  const right = udp(Buffer.from(random.bytes(random.integer(random.chance(0.1) ? 1_200 : 60))));
  const block = blockOf(algorithms);
  switch (decoder) {
    case 'padding': {
      const plain = padded(algorithms, right, random.integer(4));
      const length = plain.at(-2) ?? 0;
      if (length > 0) plain[plain.length - 3 - random.integer(length)] = random.integer(256);
      return plain;
    }
    case 'pad-length': {
      const plain = padded(algorithms, right, random.integer(3));
      plain[plain.length - 2] =
        pick(random, [0, 1, 254, 255, random.integer(256), plain.length - 2, plain.length - 1]) & 0xff;
      return plain;
    }
    case 'next-header': {
      const plain = padded(algorithms, right);
      plain[plain.length - 1] = pick(random, [0, 4, 6, 17, 41, 50, 59, random.integer(256)]);
      return plain;
    }
    case 'udp':
      return padded(algorithms, applyChanges(right, drawChanges(random, right.length, { focus: [0, 8] })));
    case 'payload':
      return Buffer.from(random.bytes(block * (1 + random.integer(8))));
    default:
      return padded(algorithms, right, random.chance(0.1) ? random.integer(15) : 0);
  }
}
