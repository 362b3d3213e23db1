/** A visit: one session brought to one state, and mutated datagrams for it there. Drawn from a seed; a value, so that it can be kept and repeated. */
import { type SeededRandom, seededRandom } from '@culvert/testkit';
import { cellsOf, countIn, type State, type SubjectName, statesOf } from './cells.ts';
import { ClientSubject } from './client-subject.ts';
import { DialSubject } from './dial-subject.ts';
import type { Field } from './field.ts';
import { type LayerName, layers } from './layers.ts';
import { applyChanges, type Change, drawChanges, pick } from './mutate.ts';
import { ScriptedPeer, type Variant } from './peer/peer.ts';
import { converse, pilot } from './pilot.ts';
import { ServerSubject } from './server-subject.ts';
import { StreamSubject } from './stream-subject.ts';
import type { Counters, StreamEnd, Subject } from './subject.ts';

/** One mutated datagram. */
export interface Case {
  readonly layer: LayerName;
  readonly template: number;
  readonly changes: readonly Change[];
}

export interface Visit {
  readonly subject: SubjectName;
  readonly state: State;
  readonly variant: Variant;
  /** For the peer's own randomness. */
  readonly seed: number;
  readonly cases: readonly Case[];
}

/** How often each is drawn. */
const subjectWeights: Readonly<Record<SubjectName, number>> = {
  server: 20,
  'server-tcp': 2,
  client: 16,
  dial: 3,
  'dial-tcp': 1,
};
const stateWeights: Readonly<Partial<Record<State, number>>> = {
  stranger: 3,
  secure: 3,
  claimed: 2,
  up: 5,
  rekeying: 3,
};
/** Of layers inside valid protection, against those outside. */
const INSIDE_WEIGHT = 2;
/** Cases of one layer that are handed over together. */
const BATCH = 16;
/** A long visit first has cases that a session outlives: so many layers, and so many of each. A short one ends it at once. */
const LAYERS = 3;
const CASES = 64;
const LONG = 0.4;

export function drawVisit(random: SeededRandom): Visit {
  const subject = weighted(random, subjectWeights);
  const states = Object.fromEntries(statesOf(subject).map((state) => [state, stateWeights[state] ?? 1]));
  const state = weighted(random, states as Record<State, number>);
  const cells = cellsOf(subject, state);
  const once = cells.filter((cell) => cell.once);
  const many = cells
    .filter((cell) => !cell.once)
    .flatMap((cell) => Array.from({ length: layers[cell.layer].inside ? INSIDE_WEIGHT : 1 }, () => cell));
  const isLong = random.chance(LONG) || once.length === 0;
  const chosen = isLong && many.length > 0 ? Array.from({ length: LAYERS }, () => pick(random, many)) : [];
  const cases = chosen.flatMap(({ layer }) => Array.from({ length: CASES }, () => drawCase(random, layer)));
  if (once.length > 0) cases.push(drawCase(random, pick(random, once).layer));
  const needsV2 = cases.some(({ layer }) => layer === 'wrapped-key');
  const variant = drawVariant(random, subject, state, needsV2);
  return { subject, state, variant, seed: random.integer(2 ** 31), cases };
}

/** Throws what the end under test throws. */
export async function runVisit(visit: Visit, field: Field): Promise<void> {
  const { world } = field;
  field.visits++;
  const role = againstClient(visit.subject) ? 'server' : 'client';
  const random = seededRandom(visit.seed);
  const subject = await openSubject(visit, field, random);
  const time = Math.floor(Date.now() / 1_000);
  const peer = new ScriptedPeer({
    role,
    variant: visit.variant,
    keys: world.keys,
    tls: world.peerTls[role],
    random,
    time,
  });
  try {
    if (await pilot(subject, peer, visit.state)) await new Attack(visit, field, subject, peer).run();
    else field.stuck++;
  } finally {
    await subject.end(peer);
    peer.close();
  }
}

async function openSubject({ subject, state, variant }: Visit, field: Field, random: SeededRandom): Promise<Subject> {
  switch (subject) {
    case 'client':
      return new ClientSubject(field.world, variant, random);
    case 'dial':
      return await DialSubject.open(field.world, field.dialler, variant, 'udp');
    case 'dial-tcp':
      return await DialSubject.open(field.world, field.dialler, variant, 'tcp');
    case 'server-tcp':
      return await StreamSubject.open(field.streams);
    case 'server':
      return new ServerSubject(field.gateway, state === 'claimed');
  }
}

function againstClient(subject: SubjectName): boolean {
  return subject === 'client' || subject === 'dial' || subject === 'dial-tcp';
}

class Attack {
  readonly #visit: Visit;
  readonly #field: Field;
  readonly #subject: Subject;
  readonly #peer: ScriptedPeer;

  constructor(visit: Visit, field: Field, subject: Subject, peer: ScriptedPeer) {
    this.#visit = visit;
    this.#field = field;
    this.#subject = subject;
    this.#peer = peer;
  }

  async run(): Promise<void> {
    const { cases, state } = this.#visit;
    for (let at = 0; at < cases.length; ) {
      if (!this.#subject.alive && state !== 'closed' && state !== 'stranger') return;
      const layer = cases[at]?.layer ?? 'control';
      const size = layers[layer].proof === 'acknowledged' || layer === 'frame' ? 1 : BATCH;
      let end = at + 1;
      while (end < cases.length && end < at + size && cases[end]?.layer === layer) end++;
      await this.#hit(layer, cases.slice(at, end));
      at = end;
    }
  }

  /** One batch of one layer; all of it counts as sent, and as reached what the end under test did not refuse before. */
  async #hit(name: LayerName, cases: readonly Case[]): Promise<void> {
    const { subject, state } = this.#visit;
    const layer = layers[name];
    const peer = this.#peer;
    const before = this.#subject.counters();
    const exchange = name === 'command' || name === 'push' ? peer.exchange : (peer.next ?? peer.exchange);
    // Whatever we send would acknowledge the goodbye, and end the state.
    if (state === 'closing') exchange.owed = [];
    const datagrams: Uint8Array[] = [];
    let sent = 0;
    for (const { template, changes } of cases) {
      const made = layer.protect(peer, applyChanges(layer.template(peer, template), changes));
      if (made.some(({ length }) => length > 0)) sent++;
      datagrams.push(...made);
    }
    const lastId = exchange.nextId - 1;
    await this.#deliver(name, datagrams);
    const count = countIn(this.#field.tally, subject, state, name);
    count.sent += sent;
    if (layer.proof === 'acknowledged') count.reached += sent > 0 && exchange.acknowledged.has(lastId) ? 1 : 0;
    else count.reached += Math.max(0, sent - refusedBetween(layer.proof, before, this.#subject.counters(), sent));
  }

  async #deliver(name: LayerName, datagrams: readonly Uint8Array[]): Promise<void> {
    const { subject, state } = this.#visit;
    if (name === 'frame' && isStream(this.#subject)) {
      await this.#subject.deliverLast(Buffer.concat(datagrams));
    } else if (subject === 'server' && state === 'stranger') await this.#field.gateway.deliverApart(datagrams);
    else if (state === 'closing' || state === 'closed' || state === 'stranger') {
      for (const answer of await this.#subject.deliver(datagrams)) this.#peer.handle(answer);
    } else await converse(this.#subject, this.#peer, datagrams);
  }
}

function isStream(subject: Subject): subject is Subject & StreamEnd {
  return 'deliverLast' in subject;
}

function refusedBetween(
  proof: (typeof layers)[LayerName]['proof'],
  before: Counters,
  after: Counters,
  sent: number,
): number {
  switch (proof) {
    case 'control':
      return after.controlRefused - before.controlRefused;
    case 'data':
      return after.dataRefused - before.dataRefused;
    case 'inner':
      return sent - (after.inner - before.inner);
    default:
      return 0;
  }
}

function drawCase(random: SeededRandom, layer: LayerName): Case {
  const { templates, length, mutate } = layers[layer];
  return { layer, template: random.integer(templates), changes: drawChanges(random, length, mutate) };
}

function drawVariant(random: SeededRandom, subject: SubjectName, state: State, needsV2: boolean): Variant {
  const framings = againstClient(subject)
    ? (['none', 'none', 'lzo-framing', 'stub', 'stub-v2'] as const)
    : (['none', 'none', 'lzo-framing'] as const);
  return {
    wrap: needsV2 || random.chance(0.5) ? 'tls-crypt-v2' : 'tls-crypt',
    dataV2: random.chance(0.75),
    dynamic: random.chance(0.5),
    unasked: state !== 'admitted' && random.chance(0.5),
    framing: pick(random, framings),
    cipher: pick(random, ['AES-256-GCM', 'AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'] as const),
  };
}

function weighted<Name extends string>(random: SeededRandom, weights: Readonly<Record<Name, number>>): Name {
  const names = Object.keys(weights) as Name[];
  let at = random.real() * names.reduce((sum, name) => sum + weights[name], 0);
  return names.find((name) => (at -= weights[name]) < 0) ?? (names[0] as Name);
}
