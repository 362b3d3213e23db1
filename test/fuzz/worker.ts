/**
 * One process of a run: visits until its share of datagrams is sent, then the balance. The visit under way is in a file, so that it
 * outlives a crash of native code; the parent (run.ts) keeps it.
 */
import { writeFileSync } from 'node:fs';
import { seededRandom } from '@culvert/testkit';
import { summarize, type Tally } from './cells.ts';
import { Field } from './field.ts';
import { drawVisit, runVisit } from './visit.ts';

export interface Share {
  readonly count: number;
  readonly seed: number;
  /** The file of the visit under way. */
  readonly journal: string;
}

export type Report =
  | { readonly kind: 'progress'; readonly sent: number }
  | { readonly kind: 'crash'; readonly error: string }
  | { readonly kind: 'done'; readonly tally: Tally; readonly problems: readonly string[]; readonly memory: Memory };

/** In bytes, after a collection and with no session left: when the run was warm, and at its end. */
export interface Memory {
  readonly warm: number;
  readonly end: number;
}

/** Of the share: sockets, code and caches are there by then. */
const WARM = 0.1;
/** What may stay: the engine's own caches go up and down by about as much. */
const GROWTH_BYTES = 8 * 1_024 * 1_024;
const PROGRESS_VISITS = 25;

async function run({ count, seed, journal }: Share): Promise<void> {
  const random = seededRandom(seed);
  const field = await Field.open();
  let warm: number | undefined;
  let timers = 0;
  for (let sent = 0; sent < count; sent = summarize(field.tally).sent) {
    if (field.visits % PROGRESS_VISITS === 0) tell({ kind: 'progress', sent });
    if (warm === undefined && sent > count * WARM) {
      await field.quiet();
      [warm, timers] = [memoryInUse(), timersInUse()];
    }
    const visit = drawVisit(random);
    writeFileSync(journal, JSON.stringify(visit));
    await runVisit(visit, field);
  }
  await field.quiet();
  const memory = { warm: warm ?? 0, end: memoryInUse() };
  const problems = field.problems();
  if (timersInUse() > timers) problems.push(`${timersInUse() - timers} timers were never cleared`);
  if (memory.end - memory.warm > GROWTH_BYTES)
    problems.push(`memory in use grew from ${memory.warm} to ${memory.end} bytes`);
  await field.close();
  tell({ kind: 'done', tally: field.tally, problems, memory });
}

function memoryInUse(): number {
  // Twice: what a finalizer lets go is free at the second.
  for (let n = 0; n < 2; n++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function timersInUse(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

function tell(report: Report): void {
  process.send?.(report);
}

function crash(error: unknown): void {
  process.send?.(
    { kind: 'crash', error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
    () => process.exit(1),
  );
}

process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);
process.once('message', (share: Share) => {
  run(share).then(() => process.disconnect(), crash);
});
