/** A whole run: shares it among processes, joins what they report, and keeps the visit that crashed one. */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { addTally, createTally, type Tally } from './cells.ts';
import { keepVisit, readVisit } from './corpus.ts';
import type { Memory, Report, Share } from './worker.ts';

export interface SearchOptions {
  readonly count: number;
  readonly seed: number;
  /** Processes. @default as many as the machine runs at once, at most 4 */
  readonly jobs?: number | undefined;
  readonly onProgress?: ((sent: number) => void) | undefined;
}

export interface Findings {
  readonly tally: Tally;
  /** A sentence each; none means that all went well. */
  readonly problems: readonly string[];
  readonly memory: readonly Memory[];
}

const MOST_JOBS = 4;
/** A process that says nothing for so long is stuck in a loop. */
const SILENCE_MILLIS = 120_000;

export async function search(options: SearchOptions): Promise<Findings> {
  const { count, seed, jobs = Math.min(MOST_JOBS, availableParallelism()), onProgress } = options;
  const folder = mkdtempSync(join(tmpdir(), 'culvert-fuzz-run-'));
  const sent = new Map<number, number>();
  try {
    const all = await Promise.all(
      Array.from({ length: jobs }, (_, n) => {
        const share = { count: Math.ceil(count / jobs), seed: seed * 1_000 + n, journal: join(folder, `${n}.json`) };
        return runShare(share, (done) => {
          sent.set(n, done);
          onProgress?.([...sent.values()].reduce((sum, one) => sum + one, 0));
        });
      }),
    );
    const tally = createTally();
    for (const one of all) addTally(tally, one.tally);
    return { tally, problems: all.flatMap(({ problems }) => problems), memory: all.flatMap(({ memory }) => memory) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function runShare(share: Share, onProgress: (sent: number) => void): Promise<Findings> {
  const child = fork(join(import.meta.dirname, 'worker.ts'), [], { execArgv: ['--expose-gc'] });
  let findings: Findings | undefined;
  let error = '';
  let watchdog: NodeJS.Timeout | undefined;
  const watch = (): void => {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => {
      error = `nothing was heard for ${SILENCE_MILLIS / 1_000} s`;
      child.kill('SIGKILL');
    }, SILENCE_MILLIS);
  };
  watch();
  child.on('message', (report: Report) => {
    watch();
    if (report.kind === 'progress') onProgress(report.sent);
    else if (report.kind === 'crash') error = report.error;
    else findings = { tally: report.tally, problems: report.problems, memory: [report.memory] };
  });
  child.send(share);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      clearTimeout(watchdog);
      resolve(
        findings ?? {
          tally: {},
          problems: [keep(share, error || `the process ended (${signal ?? code})`)],
          memory: [],
        },
      );
    });
  });
}

function keep({ seed, journal }: Share, error: string): string {
  const file = keepVisit(`crash-${seed}`, readVisit(journal));
  return `crash with seed ${seed}, kept as ${file}:\n${error}`;
}
