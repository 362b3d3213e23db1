/** A search for datagrams that break either end of OpenVPN. */
import { formatTally, summarize } from './cells.ts';
import { readVisit } from './corpus.ts';
import { Field } from './field.ts';
import { type LayerName, layers } from './layers.ts';
import { type Findings, search } from './search.ts';
import type { RunOptions } from './target.ts';
import { runVisit } from './visit.ts';

const DEFAULT_COUNT = 1_000_000;

/** Repeats one file of the corpus, or searches. */
export async function runOpenvpn({ count = DEFAULT_COUNT, seed, jobs, json, visit }: RunOptions): Promise<void> {
  if (visit !== undefined) return await repeat(visit);
  const started = performance.now();
  const findings = await search({
    count,
    seed,
    jobs,
    onProgress: json || !process.stderr.isTTY ? undefined : showProgress,
  });
  const seconds = (performance.now() - started) / 1_000;
  if (json) console.log(JSON.stringify(asJson(findings, seed, seconds)));
  else print(findings, seed, seconds);
  const { unreached } = summarize(findings.tally);
  if (findings.problems.length > 0 || unreached.length > 0) process.exitCode = 1;
}

async function repeat(file: string): Promise<void> {
  const field = await Field.open();
  try {
    await runVisit(readVisit(file), field);
    await field.quiet();
    for (const problem of field.problems()) console.log(`PROBLEM: ${problem}`);
    if (field.problems().length > 0) process.exitCode = 1;
  } finally {
    await field.close();
  }
}

function showProgress(sent: number): void {
  process.stderr.write(`\r${sent.toLocaleString('en')} datagrams `);
}

function print(findings: Findings, seed: number, seconds: number): void {
  const { sent, reached, inside, unreached } = summarize(findings.tally);
  const share = (part: number) => `${((100 * part) / sent).toFixed(1)} %`;
  console.log(`mutated datagrams that reached each decoder, by state (seed ${seed})\n`);
  console.log(formatTally(findings.tally));
  console.log(
    `\n${sent} datagrams in ${seconds.toFixed(0)} s; ${share(inside)} mutated inside valid protection; ${share(reached)} reached their decoder`,
  );
  for (const { warm, end } of findings.memory)
    console.log(`memory in use: ${mebibytes(warm)} when warm, ${mebibytes(end)} at the end`);
  for (const cell of unreached) console.log(`PROBLEM: nothing reached ${cell}`);
  for (const problem of findings.problems) console.log(`PROBLEM: ${problem}`);
  if (unreached.length + findings.problems.length === 0)
    console.log('no crash, no leak, no answer longer than its question');
}

function asJson(findings: Findings, seed: number, seconds: number) {
  const rows = Object.entries(findings.tally).map(([cell, count]) => {
    const [subject, state, layer] = cell.split(' ');
    return { subject, state, layer, decoder: layers[layer as LayerName].decoder, ...count };
  });
  const { sent, reached, inside, unreached } = summarize(findings.tally);
  return {
    seed,
    seconds,
    sent,
    reached,
    inside,
    unreached,
    problems: findings.problems,
    memory: findings.memory,
    rows,
  };
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
