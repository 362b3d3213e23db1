/**
 * Searches for packets that break L2TP: `npm run fuzz -- --target l2tp [--count N] [--seed S] [--json]`, or this file by itself.
 * `--visit SEED` repeats one visit.
 */
import { parseArgs } from 'node:util';
import { searchL2tp, visit } from './search.ts';

const DEFAULT_COUNT = 1_000_000;

const text = { type: 'string' } as const;
const options = { target: text, count: text, seed: text, visit: text, jobs: text, json: { type: 'boolean' } } as const;
const { values } = parseArgs({ options });
const number = (value: string | undefined) => (value === undefined ? undefined : Number(value.replaceAll('_', '')));

if (values.visit !== undefined) console.log(`${visit(Number(values.visit), {})} packets, nothing wrong`);
else {
  const seed = number(values.seed) ?? 1;
  const started = performance.now();
  const { tally, sent, problems, unreached } = searchL2tp({ count: number(values.count) ?? DEFAULT_COUNT, seed });
  const seconds = (performance.now() - started) / 1_000;
  if (values.json === true) console.log(JSON.stringify({ seed, seconds, sent, problems, unreached, tally }));
  else {
    for (const [cell, count] of Object.entries(tally))
      console.log(`${cell.padEnd(30)} ${String(count.sent).padStart(9)} ${String(count.reached).padStart(9)}`);
    console.log(`\n${sent} packets in ${seconds.toFixed(0)} s (seed ${seed})`);
    for (const cell of unreached) console.log(`PROBLEM: nothing reached ${cell}`);
    for (const problem of problems) console.log(`PROBLEM: ${problem}`);
  }
  if (problems.length + unreached.length > 0) process.exitCode = 1;
}
