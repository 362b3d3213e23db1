/**
 * Searches for frames that break a PPP session: `scripts/node test/fuzz/ppp/run.ts [--count N] [--seed S] [--json]`.
 * `--visit SEED` repeats one visit.
 */
import { parseArgs } from 'node:util';
import { searchPpp, visit } from './search.ts';

const DEFAULT_COUNT = 1_000_000;

const { values } = parseArgs({
  options: {
    count: { type: 'string' },
    seed: { type: 'string' },
    visit: { type: 'string' },
    json: { type: 'boolean' },
  },
});
const number = (text: string | undefined) => (text === undefined ? undefined : Number(text.replaceAll('_', '')));

if (values.visit !== undefined) {
  const tally = new Proxy({}, { get: () => ({ sent: 0, reached: 0 }) });
  console.log(`${visit(Number(values.visit), tally)} frames, nothing wrong`);
} else {
  const seed = number(values.seed) ?? 1;
  const started = performance.now();
  const { tally, sent, problems } = searchPpp({ count: number(values.count) ?? DEFAULT_COUNT, seed });
  const seconds = (performance.now() - started) / 1_000;
  const unreached = Object.entries(tally).flatMap(([cell, { reached }]) => (reached === 0 ? [cell] : []));
  if (values.json === true) console.log(JSON.stringify({ seed, seconds, sent, problems, unreached, tally }));
  else {
    for (const [cell, count] of Object.entries(tally))
      console.log(`${cell.padEnd(40)} ${String(count.sent).padStart(9)} ${String(count.reached).padStart(9)}`);
    console.log(`\n${sent} frames in ${seconds.toFixed(0)} s (seed ${seed})`);
    for (const cell of unreached) console.log(`PROBLEM: nothing reached ${cell}`);
    for (const problem of problems) console.log(`PROBLEM: ${problem}`);
  }
  if (problems.length + unreached.length > 0) process.exitCode = 1;
}
