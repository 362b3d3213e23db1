/** Which states there are, which decoders a hostile peer can reach in each, and how many mutated datagrams did. */
import { type LayerName, layers } from './layers.ts';

/** What is under test. */
export type SubjectName =
  | 'server' // the gateway over UDP, real sockets
  | 'server-tcp' // the same over TCP
  | 'client' // the client's session in memory, where its counters are in sight
  | 'dial' // the client over UDP, real sockets
  | 'dial-tcp'; // the same over TCP

export type State =
  | 'stranger' // nothing has been proved
  | 'cookie' // a server: the peer answered from its address
  | 'handshake' // TLS has begun
  | 'secure' // TLS is done, the peer's key method 2 is awaited
  | 'claimed' // a server: admission has not answered; a client: it asks for its configuration
  | 'admitted' // a server: let in, the client has not asked for its configuration
  | 'up'
  | 'rekeying' // a soft reset is under way
  | 'closing' // goodbye was said, and not acknowledged
  | 'closed';

export interface Cell {
  readonly layer: LayerName;
  /** A session seldom outlives it: one to a session. */
  readonly once: boolean;
}

type Plan = Readonly<Partial<Record<State, string>>>;

/** Layers by state; `!` marks those of which one ends the session. What is not here cannot be reached. */
const plans: Readonly<Record<SubjectName, Plan>> = {
  server: {
    stranger: 'outer-control outer-data control wrapped-key',
    cookie: 'outer-control outer-data control tls!',
    handshake: 'outer-control outer-data control wrapped-key tls!',
    secure: 'outer-control outer-data control tls! key-method! options! peer-info!',
    claimed: 'outer-control outer-data control command tls!',
    admitted: 'outer-control outer-data control command tls!',
    up: 'outer-control outer-data control command data inner tls!',
    rekeying: 'outer-control outer-data control command data inner tls! key-method! peer-info!',
    closing: 'outer-control outer-data control command tls!',
    closed: 'outer-control outer-data control',
  },
  'server-tcp': {
    stranger: 'frame! control!',
    handshake: 'control frame! tls!',
    up: 'control command data inner frame! tls!',
  },
  client: {
    stranger: 'outer-control outer-data control early-negotiation!',
    handshake: 'outer-control outer-data control tls!',
    secure: 'outer-control outer-data control tls! key-method! options!',
    claimed: 'outer-control outer-data control command tls! push!',
    up: 'outer-control outer-data control command push data inner tls!',
    rekeying: 'outer-control outer-data control command push data inner tls! key-method!',
    closing: 'outer-control outer-data control command tls!',
    closed: 'outer-control outer-data',
  },
  dial: {
    stranger: 'outer-control outer-data early-negotiation!',
    handshake: 'outer-control outer-data tls!',
    secure: 'outer-control tls! key-method!',
    claimed: 'outer-control command push!',
    up: 'outer-control command push data inner tls!',
    rekeying: 'outer-control command data inner tls! key-method!',
    closing: 'outer-control outer-data tls!',
  },
  'dial-tcp': {
    stranger: 'frame!',
    handshake: 'frame! tls!',
    up: 'command data inner frame! tls!',
  },
};

export const subjects = Object.keys(plans) as readonly SubjectName[];

export function statesOf(subject: SubjectName): readonly State[] {
  return Object.keys(plans[subject]) as State[];
}

export function cellsOf(subject: SubjectName, state: State): readonly Cell[] {
  const words = plans[subject][state]?.split(' ') ?? [];
  return words.map((word) => ({ layer: word.replace('!', '') as LayerName, once: word.endsWith('!') }));
}

export interface Count {
  sent: number;
  /** Those that got as far as the decoder they aim at. */
  reached: number;
}

/** Counts of every cell; plain data, so that it passes between processes. */
export type Tally = Record<string, Count>;

export function createTally(): Tally {
  const tally: Tally = {};
  for (const subject of subjects)
    for (const state of statesOf(subject))
      for (const { layer } of cellsOf(subject, state)) tally[key(subject, state, layer)] = { sent: 0, reached: 0 };
  return tally;
}

export function countIn(tally: Tally, subject: SubjectName, state: State, layer: LayerName): Count {
  return (tally[key(subject, state, layer)] ??= { sent: 0, reached: 0 });
}

export function addTally(to: Tally, from: Tally): void {
  for (const [cell, { sent, reached }] of Object.entries(from)) {
    const sum = (to[cell] ??= { sent: 0, reached: 0 });
    sum.sent += sent;
    sum.reached += reached;
  }
}

export interface Summary {
  readonly sent: number;
  readonly reached: number;
  /** Mutated inside valid protection. */
  readonly inside: number;
  /** Cells that nothing reached. */
  readonly unreached: readonly string[];
}

export function summarize(tally: Tally): Summary {
  let [sent, reached, inside] = [0, 0, 0];
  for (const [cell, count] of Object.entries(tally)) {
    sent += count.sent;
    reached += count.reached;
    if (layers[cell.split(' ')[2] as LayerName].inside) inside += count.sent;
  }
  const unreached = Object.keys(tally).filter((cell) => tally[cell]?.reached === 0);
  return { sent, reached, inside, unreached };
}

/** One table for each subject: decoders down, states across, how many reached. */
export function formatTally(tally: Tally): string {
  return subjects.map((subject) => formatSubject(tally, subject)).join('\n\n');
}

function formatSubject(tally: Tally, subject: SubjectName): string {
  const states = statesOf(subject);
  const rows = (Object.keys(layers) as LayerName[]).filter((layer) =>
    states.some((state) => tally[key(subject, state, layer)] !== undefined),
  );
  const cell = (state: State, layer: LayerName) => String(tally[key(subject, state, layer)]?.reached ?? '');
  const line = (head: string, cells: readonly string[]) => head.padEnd(34) + cells.map((c) => c.padStart(10)).join('');
  return [
    line(subject, states),
    ...rows.map((layer) =>
      line(
        `  ${layers[layer].decoder}`,
        states.map((state) => cell(state, layer)),
      ),
    ),
  ].join('\n');
}

function key(subject: SubjectName, state: State, layer: LayerName): string {
  return `${subject} ${state} ${layer}`;
}
