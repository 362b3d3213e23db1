/** Visits of a call in one state each; what it may not do is an error. */
import { Join } from '@culvert/cipher';
import { type SeededRandom, seededRandom } from '@culvert/testkit';
import { MppePeer, type StatefulMppePeer } from '../../../packages/cipher/test/mppe-peer.ts';
import { pick } from '../mutate.ts';
import { drawFrame, type Decoder as PppDecoder, decoders as pppDecoders } from '../ppp/frames.ts';
import type { Role } from '../ppp/world.ts';
import type { Count, Tally, Target } from '../target.ts';
import { countAt, type Sealed } from './deliveries.ts';
import { type ControlDecoder, controlDecoders, drawMessage } from './messages.ts';
import {
  drawInner,
  grePacket,
  honestPacket,
  type InnerDecoder,
  innerDecoders,
  sealInner,
  spoilGre,
  spoilSealed,
} from './packets.ts';
import { type State, states, type Variant, World } from './world.ts';

/** gre: the header; mppe: what stands before the secret, and the secret; the others what lies inside. */
type Decoder = ControlDecoder | 'gre' | 'mppe' | Exclude<PppDecoder, 'frame' | 'router'> | InnerDecoder;

/** A visit of a call that is up is longer: there is more to be seen. */
const HITS: Readonly<Partial<Record<State, number>>> = { up: 200 };
const DEFAULT_HITS = 12;
/** After a visit time goes on: echoes, goodbyes, ends. */
const AFTERWARDS = 600_000;
const MOST_IN_A_TRAIN = 16;
/** At the end of some visits sequence numbers jump ahead, so often and each time so far at the most. */
const JUMPS = 4;
const FARTHEST = 300_000;
/** As often a message comes that comes again and again, before the subject can have sent its answers. */
const FLOOD = 100;
/** Counts that a visit leaves out in all. A receiver takes what is half of them ahead for old. */
const MOST_SKIPPED = 1_500;
const roles: readonly Role[] = ['server', 'client'];
const ppp = pppDecoders.filter((decoder) => decoder !== 'frame' && decoder !== 'router');

function decodersOf(state: State): readonly Decoder[] {
  switch (state) {
    case 'closed':
      return ['stream'];
    case 'starting':
    case 'started':
      return controlDecoders;
    case 'establish':
      return [...controlDecoders, 'gre', 'mppe', 'lcp'];
    case 'authenticate':
      return [...controlDecoders, 'gre', 'mppe', 'lcp', 'auth'];
    case 'network':
      return [...controlDecoders, 'gre', 'mppe', ...ppp];
    case 'up':
      return [...controlDecoders, 'gre', 'mppe', ...ppp, ...innerDecoders];
    case 'terminate':
      return [...controlDecoders, 'gre', 'mppe', 'lcp', ...innerDecoders];
    case 'closing':
      return [...controlDecoders, 'gre', 'mppe', ...innerDecoders];
  }
}

export const pptp: Target = { unit: 'packets', cells, isInside: (cell) => cell.includes(' inner-'), visit };

function cells(): Tally {
  const tally: Tally = {};
  for (const role of roles)
    for (const state of states)
      for (const decoder of decodersOf(state)) tally[`${role} ${state} ${decoder}`] = { sent: 0, reached: 0 };
  return tally;
}

/** One call in one state. */
function visit(seed: number, tally: Tally): number {
  const random = seededRandom(seed);
  const state: State = random.chance(0.15) ? 'up' : pick(random, states);
  const variant: Variant = {
    role: pick(random, roles),
    method: random.chance(0.8) ? 'mschapv2' : 'eap-mschapv2',
    settings: {
      join: random.chance(0.2) ? Join.tcp : 0,
      cipherImplementation: random.chance(0.8) ? 'native' : 'portable',
    },
    stateful: random.chance(0.15),
  };
  const world = new World(variant, seed);
  world.pilot(state);
  const sent = new Visit(random, world, tally, state).run();
  world.pass(AFTERWARDS);
  if (world.state !== 'closed') throw new Error(`a call outlives its peer: ${world.state}`);
  if (world.subject.pollTimeout() !== undefined) throw new Error('a call that has ended waits for something');
  return sent;
}

class Visit {
  readonly #random: SeededRandom;
  readonly #world: World;
  readonly #tally: Tally;
  readonly #state: State;
  readonly #decoders: readonly Decoder[];
  /** Where the state has no keys. */
  readonly #noKey: MppePeer;
  #skipped = 0;
  /** Nothing was sent that moves GRE's or MPPE's place: what is honest comes out. */
  #clean = true;
  /** With state: the receiver was given its place in our keystream. */
  #isFlushed = false;

  constructor(random: SeededRandom, world: World, tally: Tally, state: State) {
    this.#random = random;
    this.#world = world;
    this.#tally = tally;
    this.#state = state;
    this.#decoders = decodersOf(state);
    this.#noKey = new MppePeer(random.bytes(16));
  }

  run(): number {
    const random = this.#random;
    const world = this.#world;
    const hits = HITS[this.#state] ?? DEFAULT_HITS;
    const spoils = random.chance(0.3);
    let sent = 0;
    while (sent < hits && world.state === this.#state) {
      const decoder = this.#pick(spoils);
      sent += this.#hit(decoder);
      if (random.chance(0.02)) world.pass(random.integer(2_000));
    }
    if (this.#state === 'up' && world.state === 'up' && random.chance(0.02)) this.#jump();
    return sent;
  }

  /** Pairs of packets whose numbers are far ahead, which makes GRE believe them. The frames are too short to be anything. */
  #jump(): void {
    const random = this.#random;
    const world = this.#world;
    for (let n = 0; n < JUMPS; n++) {
      world.sequence += 256 + random.integer(FARTHEST);
      const frames = [1, 2].map((count) => Buffer.from([0xff, 0x03, 0x00, 0xfd, 0x90, count, 0x5a, 0x5a]));
      world.hitGre(frames.map((frame) => grePacket(frame, world.sequence++, undefined)));
      world.pass(random.integer(1_000));
    }
  }

  /** Most of what comes to a link that is up lies inside MPPE. What spoils the place of the link has visits of its own. */
  #pick(spoils: boolean): Decoder {
    const random = this.#random;
    if (this.#state === 'up' && random.chance(spoils ? 0.5 : 0.93)) return pick(random, innerDecoders);
    const decoder = pick(random, this.#decoders);
    return this.#state === 'up' && !spoils && (decoder === 'gre' || decoder === 'mppe') ? 'inner-other' : decoder;
  }

  #hit(decoder: Decoder): number {
    if (isControl(decoder)) {
      this.#hitStream(decoder);
      return 1;
    }
    if (decoder === 'gre') {
      this.#hitGre();
      return 1;
    }
    const frames = isInner(decoder) ? 1 + this.#random.integer(MOST_IN_A_TRAIN) : 1;
    const packets = Array.from({ length: frames }, () => this.#packet(decoder));
    this.#send(packets, decoder);
    return frames;
  }

  #hitStream(decoder: ControlDecoder): void {
    const random = this.#random;
    const world = this.#world;
    const count = this.#count(decoder);
    const { stats } = world.subject.control;
    const before = { ...stats };
    const once = drawMessage(random, decoder);
    const message = random.chance(0.03) ? Buffer.concat(Array.from({ length: FLOOD }, () => once)) : once;
    for (let at = 0; at < message.length; ) {
      const size = random.chance(0.6) ? message.length : 1 + random.integer(message.length);
      world.hitStream(message.subarray(at, at + size));
      at += size;
    }
    count.sent++;
    if (decoder === 'stream' || (stats.messagesIn > before.messagesIn && stats.malformed === before.malformed))
      count.reached++;
  }

  #hitGre(): void {
    const count = this.#count('gre');
    const world = this.#world;
    const good = this.#random.chance(0.5)
      ? this.#packet('mppe')
      : grePacket(this.#clearFrame('lcp'), world.sequence++, world.acknowledgement);
    const packet = spoilGre(this.#random, good);
    this.#spoil();
    count.sent++;
    this.#expect(packet, undefined);
    count.reached += world.hitGre([packet]);
  }

  /** A packet in its place, whose frame is for `decoder`. */
  #packet(decoder: Exclude<Decoder, ControlDecoder | 'gre'>): Uint8Array {
    const random = this.#random;
    const world = this.#world;
    const mppe = world.sealing ?? this.#noKey;
    const isFirst = !this.#isFlushed;
    this.#isFlushed = true;
    let sealed: Sealed | undefined;
    let frame: Uint8Array;
    if (decoder === 'mppe') {
      frame = spoilSealed(random, sealInner(random, mppe, honestPacket, '0021').frame);
      this.#spoil();
    } else if (isInner(decoder)) {
      this.#skip(mppe);
      const { packet, protocol } = drawInner(random, decoder);
      ({ frame, sealed } = sealInner(random, mppe, packet, protocol, isFirst || undefined));
    } else {
      frame = this.#clearFrame(decoder);
      if (countAt(frame) !== undefined) this.#spoil();
    }
    const acknowledgement = random.chance(0.3) ? world.acknowledgement : undefined;
    const packet = grePacket(frame, world.sequence++, acknowledgement);
    this.#expect(packet, sealed);
    return packet;
  }

  #clearFrame(decoder: PppDecoder): Uint8Array {
    const { variant, subjectSaid } = this.#world;
    return drawFrame(this.#random, decoder, { variant: { ...variant, mppe: 'required' }, subjectSaid });
  }

  #skip(mppe: MppePeer | StatefulMppePeer): void {
    const random = this.#random;
    if (!random.chance(0.1) || !(mppe instanceof MppePeer)) return;
    const skipped = Math.min(MOST_SKIPPED - this.#skipped, random.integer(random.chance(0.02) ? 1_000 : 8));
    this.#skipped += skipped;
    mppe.skip(skipped);
  }

  /** Tells the model what is on its way. */
  #expect(packet: Uint8Array, sealed: Sealed | undefined): void {
    const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
    if (packet.length < 16 || (view.getUint16(0) & 0x1000) === 0) return;
    const front = (view.getUint16(0) & 0x80) === 0 ? 12 : 16;
    const frame = packet.subarray(front, front + view.getUint16(4));
    this.#world.deliveries?.sent(frame, view.getInt32(8), sealed);
  }

  /** All of them in one read, in this order or another, one of them perhaps twice. */
  #send(packets: Uint8Array[], decoder: Exclude<Decoder, ControlDecoder | 'gre'>): void {
    const random = this.#random;
    const world = this.#world;
    const count = this.#count(decoder);
    if (packets.length > 1 && random.chance(0.15)) packets.reverse();
    const first = packets[0];
    if (first !== undefined && random.chance(0.05)) packets.push(first);
    const { ppp, data } = world.subject;
    const before = ppp.stats;
    const framesIn = data?.tunnel.stats.framesIn ?? 0;
    world.hitGre(packets);
    const given = (data?.tunnel.stats.framesIn ?? 0) - framesIn;
    const after = ppp.stats;
    const isRead = decoder !== 'mppe' && decoder !== 'unknown' && !isInner(decoder);
    const refused = !isRead ? 0 : after.malformed - before.malformed + after.unexpected - before.unexpected;
    count.sent += packets.length;
    count.reached += refused === 0 ? given : 0;
    if (isInner(decoder)) this.#checkLiveness();
  }

  /** After whatever came inside of valid protection an honest packet gets through. */
  #checkLiveness(): void {
    const world = this.#world;
    const { sealing } = world;
    const isPlain = (world.variant.settings.join ?? 0) === 0;
    if (!this.#clean || this.#state !== 'up' || world.state !== 'up' || sealing === undefined || !isPlain) return;
    if (!this.#random.chance(0.1)) return;
    const { frame, sealed } = sealInner(this.#random, sealing, honestPacket, '0021', true);
    const packet = grePacket(frame, world.sequence++, undefined);
    this.#expect(packet, sealed);
    const before = world.delivered;
    world.hitGre([packet]);
    if (world.delivered === before) throw new Error('an honest packet did not get through');
  }

  #spoil(): void {
    this.#clean = false;
    const { deliveries } = this.#world;
    if (deliveries !== undefined) deliveries.isBlind = true;
  }

  #count(decoder: Decoder): Count {
    const { role } = this.#world.variant;
    return (this.#tally[`${role} ${this.#state} ${decoder}`] ??= { sent: 0, reached: 0 });
  }
}

function isControl(decoder: Decoder): decoder is ControlDecoder {
  return (controlDecoders as readonly string[]).includes(decoder);
}

function isInner(decoder: Decoder): decoder is InnerDecoder {
  return decoder.startsWith('inner-');
}
