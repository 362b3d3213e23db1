/** Runs the stages of the whole test suite and prints closing counts. See scripts/test for how to call it. */
import { existsSync, globSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runSanitized } from './sanitized.ts';
import { type FileOptions, indent, type Order, type Outcome, runCases, runCommand, runTestFiles } from './stage.ts';

interface Stage {
  readonly name: string;
  readonly why: string;
  run(patterns: readonly string[]): Promise<Outcome>;
}

/** Of a failure's reason, at the very end. */
const LAST_LINES = 30;

const isCompliance = (file: string) => /compliance\.test\.ts$|memory-transport\.test\.ts$/.test(file);
const isWire = (file: string) =>
  /^test\/sim\/|^packages\/openvpn\/src\/(?:session|session-life|reliable|noisy-wire)\.test\.ts$/.test(file);
const order: Order = {
  alone: ['test/e2e/fairness.test.ts', 'test/e2e/threads.test.ts', 'packages/store/src/password-hash.test.ts'],
  first: [
    ...[
      'pptp-linux',
      'pptpd',
      'l2tp-client',
      'l2tp-server',
      'gateway',
      'l2tp-gateway',
      'ike-life',
      'client',
      'client-l2tp',
    ].map((name) => `test/e2e/${name}.test.ts`),
    ...[
      'ppp/test/pppd',
      'client/src/client',
      'gateway/src/culvertd',
      'ca/src/openvpn',
      'gateway/src/commands/user',
    ].map((name) => `packages/${name}.test.ts`),
    'packages/transport/src/openvpn/sharded-compliance.test.ts',
  ],
};
const unitFiles = 'packages/*/{src,test}/**/*.test.ts';

/** Names of test files that a stage takes; every test file belongs to exactly one. */
function files(glob: string, belongs: (file: string) => boolean, options: FileOptions = {}) {
  return (patterns: readonly string[]) =>
    runTestFiles(
      globSync(glob)
        .sort()
        .filter(
          (file) => belongs(file) && (patterns.length === 0 || patterns.some((pattern) => file.includes(pattern))),
        ),
      order,
      options,
    );
}

const stages: readonly Stage[] = [
  { name: 'check', why: 'types, lint, unused code, architecture, documents', run: () => runCommand('scripts/check') },
  { name: 'unit', why: 'tests beside the code', run: files(unitFiles, (file) => !isCompliance(file) && !isWire(file)) },
  { name: 'sanitized', why: 'the packet path under AddressSanitizer and UBSan', run: runSanitized },
  { name: 'compliance', why: 'the suite that every transport passes', run: files(unitFiles, isCompliance) },
  { name: 'wire', why: 'protocols over a noisy wire', run: files(`{${unitFiles},test/sim/**/*.test.ts}`, isWire) },
  {
    name: 'interop',
    why: 'real peers in network namespaces',
    run: () => runCases('rows', 'test/interop/run.ts', ['--all', '--lanes', '4'], (only) => ['--all', '--only', only]),
  },
  { name: 'e2e', why: 'the programs, end to end', run: files('test/e2e/**/*.test.ts', () => true, { again: true }) },
  { name: 'fuzz', why: 'the committed corpus, and a short search', run: files('test/fuzz/**/*.test.ts', () => true) },
  {
    name: 'bench',
    why: 'figures against the peer, short',
    run: () => runCases('checks', 'test/bench/run.ts', ['short']),
  },
];

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { only: { type: 'string' }, list: { type: 'boolean' } },
    allowPositionals: true,
  });
  if (values.list === true) {
    for (const { name, why } of stages) console.log(`${name.padEnd(12)}${why}`);
    return;
  }
  const stale = [...order.alone, ...order.first].filter((file) => !existsSync(file));
  if (stale.length > 0) throw new Error(`no test file is called ${stale.join(', ')}`);
  const chosen = values.only?.split(',') ?? stages.map(({ name }) => name);
  const unknown = chosen.filter((name) => !stages.some((stage) => stage.name === name));
  if (unknown.length > 0) {
    console.error(
      `test: no stage is called ${unknown.join(', ')}; there are ${stages.map(({ name }) => name).join(', ')}`,
    );
    process.exitCode = 2;
    return;
  }
  const outcomes = new Map<string, Outcome>();
  for (const stage of stages.filter(({ name }) => chosen.includes(name))) {
    console.log(`\n== ${stage.name}: ${stage.why}`);
    outcomes.set(stage.name, await stage.run(positionals));
  }
  report(outcomes);
}

function report(outcomes: ReadonlyMap<string, Outcome>): void {
  console.log('\n== counts');
  const line = (name: string, pass: unknown, fail: unknown, skip: unknown, seconds: unknown) =>
    console.log([name.padEnd(12), ...[pass, fail, skip, seconds].map((cell) => String(cell).padStart(9))].join(''));
  line('stage', 'pass', 'fail', 'skip', 'seconds');
  const total = { pass: 0, fail: 0, skip: 0, seconds: 0 };
  for (const [name, { pass, failures, skips, seconds }] of outcomes) {
    line(name, pass, failures.length, skips.length, seconds.toFixed(0));
    total.pass += pass;
    total.fail += failures.length;
    total.skip += skips.length;
    total.seconds += seconds;
  }
  line('total', total.pass, total.fail, total.skip, total.seconds.toFixed(0));
  for (const [name, { skips }] of outcomes) for (const skip of skips) console.log(`skipped: ${name}: ${skip}`);
  for (const [name, { unstable }] of outcomes)
    for (const failure of unstable)
      console.log(`UNSTABLE, passed alone at the second try: ${name}: ${failure.name}${endOf(failure.reason)}`);
  for (const [name, { failures }] of outcomes)
    for (const failure of failures) console.log(`FAILED: ${name}: ${failure.name}${endOf(failure.reason)}`);
  if (total.fail > 0) process.exitCode = 1;
}

/** What went before it is far above, where the test failed. */
function endOf(reason: string): string {
  const lines = reason.split('\n').filter((line) => line.trim() !== '' && !/^ +at /.test(line));
  return lines
    .map((line) => `\n${indent(line)}`)
    .slice(-LAST_LINES)
    .join('');
}

await main();
