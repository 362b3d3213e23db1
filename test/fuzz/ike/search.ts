/** Visits of an IKEv1 endpoint in one state each; what it may not do is an error. */
import { type SeededRandom, seededRandom } from '@culvert/testkit';
import { applyChanges, drawChanges, pick } from '../mutate.ts';
import type { Count, Tally, Target } from '../target.ts';
import type { Variant } from './bodies.ts';
import { fragments, type Part, Type } from './codec.ts';
import type { Draft, Forgery } from './peer.ts';
import { draft, type Kind, kindsOf, pilot } from './pilot.ts';
import { type State, states, World } from './world.ts';

export const ike: Target = { unit: 'datagrams', cells, visit };

const DATAGRAMS = 40;
/** To an endpoint that knows nobody any more. */
const DATAGRAMS_GONE = 8;
/** Packets that find what the first to leave a mark has left. */
const AFTERWARDS = 20;
const roles = ['responder', 'initiator'] as const;

/** Payloads that a message has in some variant, by their names. */
const payloads: Readonly<Record<Kind, readonly (keyof typeof Type)[]>> = {
  sa: ['sa', 'vendor'],
  aggressive: ['sa'],
  'key-exchange': ['ke', 'nonce', 'natd', 'certreq'],
  identity: ['id', 'cert', 'notify'],
  'quick-first': ['sa', 'nonce', 'ke', 'id', 'natoa'],
  'quick-second': ['sa', 'nonce', 'ke', 'id', 'natoa'],
  'quick-third': [],
  notify: ['notify'],
  'clear-notify': ['notify'],
  delete: ['delete'],
};
const notifyTypes = [14, 16, 18, 24, 24_576, 24_578, 36_136, 36_137, 1, 9, 0, 16_384, 40_000];
const forgeries: readonly Forgery[] = ['hash', 'key', 'bytes', 'clear'];

/** What is changed: a whole datagram, a fragment; of a message a payload, the chain of them, or the proof of its sender. */
type Cell = readonly [decoder: string, kind: Kind];

const cellsOf = new Map<string, readonly Cell[]>();
for (const role of roles) {
  for (const state of states[role]) {
    const kinds = kindsOf[role][state] ?? [];
    // A header is tried with each kind of message that its state takes; a state that takes none gets an SA.
    const list: Cell[] = (kinds.length > 0 ? kinds : (['sa'] as const)).map((kind) => ['header', kind]);
    if (state !== 'stranger' && state !== 'first' && state !== 'gone')
      list.push(...kinds.map((kind): Cell => ['fragment', kind]));
    for (const kind of kinds) {
      for (const decoder of [...payloads[kind], 'chain', ...(isProven(state, kind) ? ['forged'] : [])])
        list.push([decoder, kind]);
    }
    cellsOf.set(`${role} ${state}`, list);
  }
}

function nameOf(where: string, [decoder, kind]: Cell): string {
  return decoder === 'header' || decoder === 'fragment' ? `${where} ${decoder}` : `${where} ${kind} ${decoder}`;
}

function cells(): Tally {
  const tally: Tally = {};
  for (const [where, list] of cellsOf) for (const cell of list) tally[nameOf(where, cell)] = { sent: 0, reached: 0 };
  return tally;
}

/** Before phase 1 stands a notification under its keys only names the likely cause of what fails. */
function isProven(state: State, kind: Kind): boolean {
  if (kind === 'notify') return state !== 'keys' && state !== 'identified';
  return kind !== 'sa' && kind !== 'aggressive' && kind !== 'key-exchange' && kind !== 'clear-notify';
}

function visit(seed: number, tally: Tally): number {
  const random = seededRandom(seed);
  const role = pick(random, roles);
  const variant: Variant = {
    role,
    authentication: random.chance(0.3) ? 'ecdsa-256' : 'pre-shared-key',
    group: role === 'responder' && random.chance(0.3) ? 'curve25519' : 'ecp256',
    pfs: random.chance(0.3),
    nat: random.chance(0.5),
    tunnel: random.chance(0.3),
  };
  const state: State = pick(random, states[role]);
  const world = new World(variant, random.integer(2 ** 31));
  pilot(world, variant, state);
  let sent = 0;
  let rest = AFTERWARDS;
  const most = state === 'gone' ? DATAGRAMS_GONE : DATAGRAMS;
  while (sent < most && rest > 0) {
    if (world.touched) rest--;
    hit(random, world, state, world.touched ? {} : tally);
    sent++;
    if (random.chance(0.02)) world.pass(random.integer(2_000));
    world.bounds();
  }
  if (random.chance(0.2)) world.end();
  return sent;
}

function hit(random: SeededRandom, world: World, state: State, tally: Tally): void {
  const where = `${world.variant.role} ${state}`;
  const cell = pick(random, cellsOf.get(where) ?? []);
  const [decoder, kind] = cell;
  world.hold = random.chance(0.05);
  const message = draft(world, kind, pick(random, notifyTypes));
  const run = { header: stray, fragment: fragmented, forged }[decoder];
  if (run !== undefined) count(world, tally[nameOf(where, cell)], decoder, () => run(random, world, message));
  else inside(random, world, message, decoder, (of, act) => count(world, tally[nameOf(where, [of, kind])], of, act));
}

/** The whole datagram is changed, after it was sealed; half of them come from elsewhere, under cookies of nobody. */
function stray(random: SeededRandom, world: World, message: Draft): void {
  const whole = world.peer.finish(message);
  const changed = applyChanges(whole, drawChanges(random, whole.length, { focus: [0, 28] }));
  if (random.chance(0.5)) world.hit(changed);
  else {
    changed.set(random.bytes(8).subarray(0, changed.length));
    if (random.chance(0.5)) changed.subarray(8, 16).fill(0);
    world.asStranger(changed, `203.0.113.${1 + random.integer(200)}`);
  }
}

function fragmented(random: SeededRandom, world: World, message: Draft): void {
  const whole = world.peer.finish(message);
  const pieces = fragments(whole, random.integer(3), 1 + random.integer(whole.length));
  for (const piece of pieces.slice(0, 6)) {
    const changed = random.chance(0.5)
      ? piece
      : applyChanges(piece, drawChanges(random, piece.length, { focus: [28, 40] }));
    world.hit(changed);
  }
}

/** No key stands behind it: nothing comes of it. */
function forged(random: SeededRandom, world: World, message: Draft): void {
  world.settle();
  const before = world.proven;
  world.hit(world.peer.finish(message, { forged: pick(random, forgeries) }));
  if (world.proven > before) throw new Error('it believes what no key stands behind');
}

/** A payload, or the chain of all, is changed and then hashed and sealed as it ought to be. Not every variant has each payload. */
function inside(
  random: SeededRandom,
  world: World,
  message: Draft,
  wanted: string,
  counted: (decoder: string, act: () => void) => void,
): void {
  const fitting = message.parts.flatMap(([type], n) => (Type[wanted as keyof typeof Type] === type ? [n] : []));
  if (fitting.length === 0) {
    const change = (plain: Buffer) => applyChanges(plain, drawChanges(random, plain.length));
    counted('chain', () => world.hit(world.peer.finish(message, { change })));
    return;
  }
  const at = pick(random, fitting);
  const parts = message.parts.map((part, n): Part => (n === at ? [part[0], spoiled(random, part[1])] : part));
  counted(wanted, () => world.hit(world.peer.finish({ ...message, parts })));
}

/** Half of them keep their length, so that what is inside still has its shape. */
function spoiled(random: SeededRandom, body: Uint8Array): Uint8Array {
  if (random.chance(0.1)) return random.bytes(random.integer(80));
  if (random.chance(0.4)) return applyChanges(body, drawChanges(random, body.length));
  const out = Uint8Array.from(body);
  for (let n = 1 + random.integer(3); n > 0 && out.length > 0; n--)
    out[random.integer(out.length)] = random.integer(256);
  return out;
}

/** A payload is reached when its message was neither refused before nor malformed, a forgery when its proof was looked at. */
function count(world: World, cell: Count | undefined, decoder: string, act: () => void): void {
  const before = { ...world.subject.stats };
  act();
  if (cell === undefined) return;
  const { unknown, unauthenticated, malformed } = world.subject.stats;
  const isMalformed = malformed > before.malformed;
  const isForged = unauthenticated > before.unauthenticated;
  cell.sent++;
  if (decoder === 'header' || decoder === 'fragment') cell.reached++;
  else if (decoder === 'forged' ? isForged || isMalformed : !isForged && !isMalformed && unknown === before.unknown)
    cell.reached++;
}
