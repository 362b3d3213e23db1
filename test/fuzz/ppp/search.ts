/** Visits of a session under test, each in one state; what it may not do is an error. */
import { isRouterMessage, type MppeWish } from '@culvert/ppp';
import { type SeededRandom, seededRandom } from '@culvert/testkit';
import { pick } from '../mutate.ts';
import type { Count, Tally, Target } from '../target.ts';
import { type Decoder, decoders, drawFrame } from './frames.ts';
import { type Method, methods } from './methods.ts';
import { type Role, type State, states, type Variant, World } from './world.ts';

const FRAMES = 32;
/** After its end a session has one decoder, which says no more. */
const FRAMES_AFTER_END = 4;
/** After a visit time goes on: retransmissions, echoes and ends. */
const AFTERWARDS = 150_000;
const roles: readonly Role[] = ['server', 'client'];
const wishes: readonly (MppeWish['need'] | undefined)[] = ['required', 'optional', undefined];

/** Decoders that a state has: what a session before its network phase drops unread is not there. */
export function decodersOf(state: State): readonly Decoder[] {
  switch (state) {
    case 'establish':
    case 'terminate':
      return ['frame', 'lcp'];
    case 'authenticate':
      return ['frame', 'lcp', 'auth'];
    case 'network':
      return ['frame', 'lcp', 'auth', 'ccp', 'ipcp', 'ipv6cp', 'unknown'];
    case 'up':
      return decoders;
    case 'closed':
      return ['frame'];
  }
}

export const ppp: Target = {
  unit: 'frames',
  cells: emptyTally,
  isInside: (cell) => !cell.endsWith(' frame'),
  visit,
};

/** One session in one state. */
function visit(seed: number, tally: Tally): number {
  const random = seededRandom(seed);
  const method = pick(random, methods);
  // The others have no key: such a link would not come up.
  const mppe = method.endsWith('mschapv2') || method === 'eap-tls' ? pick(random, wishes) : undefined;
  const variant: Variant = { role: pick(random, roles), method, mppe };
  // Most is to be seen where all protocols are open.
  const state = random.chance(0.5) ? 'up' : pick(random, states);
  const world = new World(variant, seed);
  if (!world.pilot(state)) throw new Error(`no way to ${state} for ${JSON.stringify(variant)}`);
  const frames = state === 'closed' ? FRAMES_AFTER_END : FRAMES;
  let sent = 0;
  for (let n = 0; n < frames && world.state === state; n++) {
    const decoder = drawDecoder(random, state);
    hit(random, world, decoder, countIn(tally, variant, state, decoder));
    sent++;
    if (random.chance(0.05)) world.pass(random.integer(2_000));
  }
  world.pass(AFTERWARDS);
  world.subject.carrierLost(world.now);
  world.drain(0);
  if (world.subject.pollTimeout() !== undefined) throw new Error('a session that has ended waits for something');
  return sent;
}

/** A frame that is broken itself shows least, so there are fewer of them. */
function drawDecoder(random: SeededRandom, state: State): Decoder {
  const first = pick(random, decodersOf(state));
  return first === 'frame' && random.chance(0.7) ? pick(random, decodersOf(state)) : first;
}

function hit(random: SeededRandom, world: World, decoder: Decoder, count: Count): void {
  const frame = drawFrame(random, decoder, world);
  const before = world.subject.stats;
  count.sent++;
  if (decoder === 'router') {
    world.hitPacket(frame);
    if (isRouterMessage(frame, 0, frame.length)) count.reached++;
    return;
  }
  world.hit(frame);
  const after = world.subject.stats;
  const refused = decoder === 'unknown' ? 0 : after.malformed - before.malformed + after.unexpected - before.unexpected;
  if (decoder === 'frame' || refused === 0) count.reached++;
}

function emptyTally(): Tally {
  const tally: Tally = {};
  for (const role of roles)
    for (const method of methods)
      for (const state of states)
        for (const decoder of decodersOf(state)) tally[key(role, method, state, decoder)] = { sent: 0, reached: 0 };
  return tally;
}

function countIn(tally: Tally, { role, method }: Variant, state: State, decoder: Decoder): Count {
  const name = key(role, method, state, decoder);
  const count = tally[name];
  if (count === undefined) throw new Error(`no cell ${name}`);
  return count;
}

function key(role: Role, method: Method, state: State, decoder: Decoder): string {
  return `${role} ${method} ${state} ${decoder}`;
}
