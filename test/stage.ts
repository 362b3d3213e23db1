/** Ways to run a stage: test files of node:test, a command, a program with cases. Each ends in the same counts. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { run, type TestsStream } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inLanes } from './lanes.ts';

export interface Failure {
  /** Of the test. */
  readonly name: string;
  /** What its error says, and after it the test's own diagnostics. */
  reason: string;
}

export interface Outcome {
  readonly pass: number;
  readonly failures: readonly Failure[];
  /** Passed at the second try alone, with what the first one said. */
  readonly unstable: readonly Failure[];
  /** Names of the tests, each with its reason. */
  readonly skips: readonly string[];
  readonly seconds: number;
}

/** One test file may take so long, on a busy machine too. */
const FILE_LIMIT_MILLIS = 1_800_000;
/** Most files wait more than they work: four keep two cores busy. */
const LANES = 4;
/**
 * Beside three others, and on a machine that is slow just then, a peer's kernel in a process loses a packet or a second. So few failures of
 * a stage are tried again, once, each alone: what fails then failed. More are no accident.
 */
const MOST_AGAIN = 2;

const root = fileURLToPath(new URL('..', import.meta.url));
/** Node keeps what it compiled: tests start our programs some hundred times, which is half of what those do. */
const env = { ...process.env, NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/node') };

/** Names of test files. */
export interface Order {
  /** They measure time, and have the machine to themselves, at the end. */
  readonly alone: readonly string[];
  /** They take longest, and begin: later nothing would run beside the last of them. */
  readonly first: readonly string[];
}

const nothing: Outcome = { pass: 0, failures: [], unstable: [], skips: [], seconds: 0 };

interface Counts {
  pass: number;
  readonly failures: FileFailure[];
  readonly skips: string[];
}

interface FileFailure extends Failure {
  readonly file: string;
  /** Undefined: a part of one, or the file as a whole, which ended before its tests did. */
  readonly test: string | undefined;
}

export interface FileOptions {
  /** Environment variables for the tests. */
  readonly more?: Readonly<Record<string, string>>;
  /** A few failures get a second try. Of tests without real peers the first counts. @default false */
  readonly again?: boolean;
}

/** No file at all is a failure. */
export async function runTestFiles(
  files: readonly string[],
  { alone, first }: Order,
  { more = {}, again = false }: FileOptions = {},
): Promise<Outcome> {
  const started = performance.now();
  if (files.length === 0) return { ...nothing, failures: [{ name: 'no test file is there', reason: '' }] };
  const runOne = (file: string) => runTestFile(file, more);
  const shared = files.filter((file) => !alone.includes(file));
  const begin = first.filter((file) => shared.includes(file));
  const all = [
    ...(await inLanes([...begin, ...shared.filter((file) => !begin.includes(file))], LANES, runOne)),
    ...(await inLanes(
      files.filter((file) => alone.includes(file)),
      1,
      runOne,
    )),
  ];
  const failed = all.flatMap((counts) => counts.failures);
  const passes = async ({ file, test }: FileFailure) => {
    const counts = await runTestFile(file, more, test);
    return counts.failures.length === 0 && (test === undefined ? counts.pass > 0 : counts.pass === 1);
  };
  const { failures, unstable } = await tryAgain(failed, again ? passes : undefined);
  return {
    pass: all.reduce((sum, { pass }) => sum + pass, 0) + unstable.length,
    failures,
    unstable,
    skips: all.flatMap(({ skips }) => skips),
    seconds: (performance.now() - started) / 1000,
  };
}

/** Each alone, one after another, when nothing else runs. */
async function tryAgain<Failed extends Failure>(
  failed: readonly Failed[],
  passes: ((failure: Failed) => Promise<boolean>) | undefined,
): Promise<Pick<Outcome, 'failures' | 'unstable'>> {
  if (passes === undefined || failed.length > MOST_AGAIN) return { failures: failed, unstable: [] };
  const [failures, unstable]: [Failure[], Failure[]] = [[], []];
  for (const failure of failed) {
    console.log(`once more, alone: ${failure.name}`);
    if (await passes(failure)) unstable.push(failure);
    else failures.push(failure);
  }
  return { failures, unstable };
}

/** @param only the name of the one test that is meant */
async function runTestFile(file: string, more: Readonly<Record<string, string>>, only?: string): Promise<Counts> {
  const counts: Counts = { pass: 0, failures: [], skips: [] };
  const began = performance.now();
  const what = {
    files: [`${root}${file}`],
    ...(only !== undefined && { testNamePatterns: [new RegExp(exactly(only))] }),
  };
  await count(
    run({ ...what, concurrency: 1, timeout: FILE_LIMIT_MILLIS, cwd: root, env: { ...env, ...more } }),
    file,
    counts,
  );
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  const { pass, failures, skips } = counts;
  const extra = `${failures.length > 0 ? `, ${failures.length} FAILED` : ''}${skips.length > 0 ? `, ${skips.length} skipped` : ''}`;
  console.log(`${file}: ${pass} passed${extra} (${seconds} s)`);
  if (pass + failures.length + skips.length === 0)
    failures.push({ name: `${file}: has no test`, reason: '', file, test: undefined });
  return counts;
}

async function count(stream: TestsStream, file: string, counts: Counts): Promise<void> {
  /** A test's diagnostics come after its end. */
  let failed: FileFailure | undefined;
  /** What went wrong outside of its tests: it fails the file at its end. */
  let outside = '';
  for await (const { type, data } of stream) {
    if (type === 'test:stdout' || type === 'test:stderr') process.stderr.write(data.message);
    if (type === 'test:diagnostic' && data.file !== undefined && failed !== undefined) {
      failed.reason += `\n${data.message}`;
      console.log(indent(data.message));
    }
    if (type === 'test:diagnostic' && data.message.startsWith('Error: ')) outside += `\n${data.message}`;
    if (type === 'test:fail' || type === 'test:pass') failed = undefined;
    // A parent fails with its subtests, which have been counted.
    if (type === 'test:fail' && failureType(data.details.error) !== 'subtestsFailed') {
      const test = data.nesting > 0 || data.name.endsWith(file) ? undefined : data.name;
      const reason = `${reasonOf(data.details.error)}${test === undefined ? outside : ''}`;
      failed = { name: `${file}: ${data.name}`, reason, file, test };
      counts.failures.push(failed);
      console.log(`FAILED: ${failed.name}\n${indent(failed.reason)}`);
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
  if (code === 0) return { ...nothing, pass: 1, seconds };
  return { ...nothing, failures: [{ name: `${command}: exit code ${code}`, reason: '' }], seconds };
}

/** A regular expression for this text alone. */
function exactly(text: string): string {
  return `^${text.replace(/[^\w ]/g, '\\$&')}$`;
}

/**
 * A program that prints one JSON object with a list of cases, each of which counts as a test: the interop matrix, the benchmarks.
 *
 * @param again arguments for a second try of the cases whose id matches a pattern
 */
export async function runCases(
  list: string,
  script: string,
  args: readonly string[] = [],
  again?: (pattern: string) => readonly string[],
): Promise<Outcome> {
  const started = performance.now();
  const { code, stdout } = await execute('scripts/node', [script, ...args, '--json'], 'pipe');
  const seconds = (performance.now() - started) / 1000;
  try {
    const cases = (JSON.parse(stdout) as Record<string, { id: string; result: string; detail: string }[]>)[list] ?? [];
    const having = (result: string) => cases.filter((it) => it.result === result);
    const failed = having('fail').map(({ id, detail }) => ({ name: id, reason: detail }));
    if (code !== 0 && failed.length === 0) failed.push({ name: `${script}: exit code ${code}`, reason: '' });
    const passes =
      again &&
      (async ({ name }: Failure) => {
        const { pass, failures: left } = await runCases(list, script, again(exactly(name)));
        return pass === 1 && left.length === 0;
      });
    const { failures, unstable } = await tryAgain(failed, passes);
    const skips = having('skip').map(({ id, detail }) => `${id}: ${detail}`);
    return { pass: having('pass').length + unstable.length, failures, unstable, skips, seconds };
  } catch {
    return { ...nothing, failures: [{ name: `${script}: exit code ${code}, and no cases`, reason: '' }], seconds };
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

export function indent(text: string): string {
  return text.replace(/^/gm, '    ');
}
