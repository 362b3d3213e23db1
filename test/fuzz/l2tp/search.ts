/** Visits of an endpoint in one state each; what it may not do is an error. */
import { seededRandom } from '@culvert/testkit';
import { pick } from '../mutate.ts';
import type { Tally, Target } from '../target.ts';
import { type Decoder, decoders, drawPacket } from './packets.ts';
import { type Role, type State, states, World } from './world.ts';

const PACKETS = 12;
/** After a visit time goes on: retransmissions, Hello, ends. */
const AFTERWARDS = 600_000;
/** Of one carrier, those included that acknowledge after their end. */
const MOST_TUNNELS = 16;
const roles: readonly Role[] = ['lns', 'lac'];

/** Decoders that a state has: without a tunnel only SCCRQ is read, after its end only headers are. */
function decodersOf(state: State): readonly Decoder[] {
  if (state === 'idle') return ['control', 'data', 'SCCRQ'];
  if (state === 'lingering') return ['control', 'data'];
  return decoders;
}

export const l2tp: Target = { unit: 'packets', cells, visit };

function cells(): Tally {
  const tally: Tally = {};
  for (const role of roles)
    for (const state of states[role])
      for (const decoder of decodersOf(state)) tally[`${role} ${state} ${decoder}`] = { sent: 0, reached: 0 };
  return tally;
}

/** One endpoint in one state. */
function visit(seed: number, tally: Tally): number {
  const random = seededRandom(seed);
  const role = pick(random, roles);
  const state: State = pick(random, states[role]);
  const secret = random.chance(0.3) ? Buffer.from('tiger') : undefined;
  const world = new World(role, secret, seed);
  world.pilot(role, state);
  let sent = 0;
  // The first packet finds the state; those behind it find what it left.
  for (; sent < PACKETS; sent++) {
    const decoder = pick(random, decodersOf(state));
    const packet = drawPacket(random, decoder, world);
    const { stats } = world.subject;
    const before = { ...stats };
    if (random.chance(0.1) && decoder !== 'control' && decoder !== 'SCCRQ') world.stray(packet);
    world.hit(packet);
    if (stats.messagesIn > before.messagesIn && world.next.tunnelId !== 0) {
      world.next.ns = (world.next.ns + stats.messagesIn - before.messagesIn) & 0xffff;
    }
    const cell = sent === 0 ? tally[`${role} ${state} ${decoder}`] : undefined;
    if (cell !== undefined) {
      cell.sent++;
      const header = decoder === 'control' || decoder === 'data';
      if (header ? stats.malformed === before.malformed : stats.messagesRead > before.messagesRead) cell.reached++;
    }
    if (random.chance(0.1)) world.pass(random.integer(2_000));
    if (world.subject.tunnelCount > MOST_TUNNELS) throw new Error('more tunnels than a carrier may have');
  }
  world.pass(AFTERWARDS);
  if (world.subject.tunnelCount > 0) throw new Error('a tunnel outlives its peer');
  if (world.subject.pollTimeout() !== undefined) throw new Error('an endpoint without tunnels waits for something');
  return sent;
}
