/** What is searched by visits in memory and virtual time: an end in one state each, its packets and its driver drawn from the visit's seed. */
import { setImmediate as turn } from 'node:timers/promises';
import { seededRandom } from '@culvert/testkit';

export interface Count {
  sent: number;
  /** Those that their decoder took apart: nothing before it refused them. */
  reached: number;
}

/** By cell: which end, in which state, and which decoder. */
export type Tally = Record<string, Count>;

export interface Target {
  /** What it counts, for people. */
  readonly unit: 'frames' | 'packets' | 'datagrams';
  /** Every cell that must be reached, at zero. */
  cells(): Tally;
  /** Whether what the cell counts was changed inside valid protection, or behind headers that are right where there is none. */
  isInside?(cell: string): boolean;
  /** One visit; its seed says all. Counts in `tally`, returns how many packets there were, throws what is wrong. */
  visit(seed: number, tally: Tally): number;
}

export interface Findings {
  readonly tally: Tally;
  readonly sent: number;
  /** Those that reached their decoder inside of valid protection, or of right headers. */
  readonly inside: number;
  /** A sentence each, with the seed of its visit. */
  readonly problems: readonly string[];
  /** Cells that nothing reached. */
  readonly unreached: readonly string[];
}

export interface RunOptions {
  readonly count: number | undefined;
  readonly seed: number;
  readonly jobs: number | undefined;
  readonly json: boolean;
  /** What to repeat instead. */
  readonly visit: string | undefined;
}

const DEFAULT_COUNT = 1_000_000;
const MOST_PROBLEMS = 10;
/** Native objects are freed when the event loop turns, and not before: a million packets of PPTP without a turn hold gigabytes. */
const VISITS_A_TURN = 16;

/** Visits until so many packets are sent, or so much is wrong that the rest would say no more. */
export async function searchTarget(
  target: Target,
  { count, seed }: { readonly count: number; readonly seed: number },
): Promise<Findings> {
  const random = seededRandom(seed);
  const tally = target.cells();
  const problems: string[] = [];
  let sent = 0;
  for (let visits = 1; sent < count && problems.length < MOST_PROBLEMS; visits++) {
    const visit = random.integer(2 ** 31);
    try {
      sent += target.visit(visit, tally);
    } catch (error) {
      problems.push(`seed ${visit}: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
    }
    if (visits % VISITS_A_TURN === 0) await turn();
  }
  const cells = Object.entries(tally);
  const unreached = cells.flatMap(([cell, { reached }]) => (reached === 0 ? [cell] : []));
  const inside = cells.reduce((sum, [cell, { reached }]) => sum + (target.isInside?.(cell) === true ? reached : 0), 0);
  return { tally, sent, inside, problems, unreached };
}

/** Prints what a search found; the process fails where that is anything. */
export async function runTarget(
  target: Target,
  { count = DEFAULT_COUNT, seed, json, visit }: RunOptions,
): Promise<void> {
  if (visit !== undefined) {
    console.log(`${target.visit(Number(visit), target.cells())} ${target.unit}, nothing wrong`);
    return;
  }
  const started = performance.now();
  const { tally, sent, inside, problems, unreached } = await searchTarget(target, { count, seed });
  const seconds = (performance.now() - started) / 1_000;
  if (json) console.log(JSON.stringify({ seed, seconds, sent, inside, problems, unreached, tally }));
  else {
    for (const [cell, { sent, reached }] of Object.entries(tally))
      console.log(`${cell.padEnd(46)} ${String(sent).padStart(9)} ${String(reached).padStart(9)}`);
    console.log(`\n${sent} ${target.unit} in ${seconds.toFixed(0)} s (seed ${seed})`);
    if (target.isInside !== undefined)
      console.log(`${((100 * inside) / sent).toFixed(1)} % changed inside, and reached what is there`);
    for (const cell of unreached) console.log(`PROBLEM: nothing reached ${cell}`);
    for (const problem of problems) console.log(`PROBLEM: ${problem}`);
  }
  if (problems.length + unreached.length > 0) process.exitCode = 1;
}
