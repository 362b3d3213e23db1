/** Ways to run a stage: test files of node:test, a command, a program with cases. Each ends in the same counts. */
import { spawn } from 'node:child_process';
import { run, type TestsStream } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inLanes } from './lanes.ts';

export interface Outcome {
  readonly pass: number;
  /** Names of the tests. */
  readonly failures: readonly string[];
  /** Names of the tests, each with its reason. */
  readonly skips: readonly string[];
  readonly seconds: number;
}

/** One test file may take so long. */
const FILE_LIMIT_MILLIS = 600_000;
const LANES = 2;

const root = fileURLToPath(new URL('..', import.meta.url));

interface Counts {
  pass: number;
  readonly failures: string[];
  readonly skips: string[];
}

/**
 * Runs two files at once: most wait more than they work. Those that measure time (`alone`) have the machine to themselves, at the end.
 * No file at all is a failure.
 */
export async function runTestFiles(files: readonly string[], alone: (file: string) => boolean): Promise<Outcome> {
  const started = performance.now();
  if (files.length === 0) return { pass: 0, failures: ['no test file is there'], skips: [], seconds: 0 };
  const together = await inLanes(
    files.filter((file) => !alone(file)),
    LANES,
    runTestFile,
  );
  const all = [...together, ...(await inLanes(files.filter(alone), 1, runTestFile))];
  return {
    pass: all.reduce((sum, { pass }) => sum + pass, 0),
    failures: all.flatMap(({ failures }) => failures),
    skips: all.flatMap(({ skips }) => skips),
    seconds: (performance.now() - started) / 1000,
  };
}

async function runTestFile(file: string): Promise<Counts> {
  const counts: Counts = { pass: 0, failures: [], skips: [] };
  const began = performance.now();
  await count(run({ files: [`${root}${file}`], concurrency: 1, timeout: FILE_LIMIT_MILLIS, cwd: root }), file, counts);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const { pass, failures, skips } = counts;
  const extra = `${failures.length > 0 ? `, ${failures.length} FAILED` : ''}${skips.length > 0 ? `, ${skips.length} skipped` : ''}`;
  console.log(`${file}: ${pass} passed${extra} (${seconds} s)`);
  if (pass + failures.length + skips.length === 0) failures.push(`${file}: has no test`);
  return counts;
}

async function count(stream: TestsStream, file: string, counts: Counts): Promise<void> {
  for await (const { type, data } of stream) {
    if (type === 'test:stdout' || type === 'test:stderr') process.stderr.write(data.message);
    // A parent fails with its subtests, which have been counted.
    if (type === 'test:fail' && failureType(data.details.error) !== 'subtestsFailed') {
      counts.failures.push(`${file}: ${data.name}`);
      console.log(`FAILED: ${file}: ${data.name}\n${indent(reasonOf(data.details.error))}`);
    }
    if (type !== 'test:pass' || data.details.type === 'suite') continue;
    if (data.skip !== undefined && data.skip !== false) {
      counts.skips.push(`${data.name}${typeof data.skip === 'string' ? `: ${data.skip}` : ''}`);
    } else {
      counts.pass++;
    }
  }
}

/** A stage that is one command: it passes or fails as a whole. */
export async function runCommand(command: string, args: readonly string[] = []): Promise<Outcome> {
  const started = performance.now();
  const { code } = await execute(command, args, 'inherit');
  const seconds = (performance.now() - started) / 1000;
  return {
    pass: code === 0 ? 1 : 0,
    failures: code === 0 ? [] : [`${command}: exit code ${code}`],
    skips: [],
    seconds,
  };
}

/** A program that prints one JSON object with a list of cases, each of which counts as a test: the interop matrix, the benchmarks. */
export async function runCases(list: string, script: string, args: readonly string[] = []): Promise<Outcome> {
  const started = performance.now();
  const { code, stdout } = await execute('scripts/node', [script, ...args, '--json'], 'pipe');
  const seconds = (performance.now() - started) / 1000;
  try {
    const cases = (JSON.parse(stdout) as Record<string, { id: string; result: string; detail: string }[]>)[list] ?? [];
    const named = (result: string) =>
      cases.filter((it) => it.result === result).map(({ id, detail }) => `${id}: ${detail}`);
    const failures = named('fail');
    if (code !== 0 && failures.length === 0) failures.push(`${script}: exit code ${code}`);
    return { pass: named('pass').length, failures, skips: named('skip'), seconds };
  } catch {
    return { pass: 0, failures: [`${script}: exit code ${code}, and no cases`], skips: [], seconds };
  }
}

/** Its diagnostics go to our stderr. */
function execute(command: string, args: readonly string[], output: 'inherit' | 'pipe') {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', output, 'inherit'] });
  let stdout = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  return new Promise<{ code: number | null; stdout: string }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout }));
  });
}

function failureType(error: Error): unknown {
  return (error as { failureType?: unknown }).failureType;
}

function reasonOf(error: Error): string {
  const cause = error.cause instanceof Error ? error.cause : error;
  return cause.stack ?? cause.message;
}

function indent(text: string): string {
  return text.replace(/^/gm, '    ');
}
