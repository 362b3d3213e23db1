/** Benchmarks beside the peers, in one run, as ratios. `npm run bench -- --help` tells how to call it. */
import { parseArgs } from 'node:util';
import { missingForLab, onCi } from '@culvert/testkit';
import { changes, conditions, keepHistory, table } from './report.ts';
import { measure, type Options, type Row, rowsOf, type Samples, type Scenario, shortfalls } from './scenario.ts';
import { scenarios } from './scenarios/index.ts';

const help = `npm run bench -- SCENARIO... [options]

${scenarios.map(({ name, what }) => `  ${name.padEnd(13)}${what}`).join('\n')}
  ${'all'.padEnd(13)}each of them
  ${'short'.padEnd(13)}all, or those named beside it, with small loads; what falls below half of its goal is measured up to
               twice more, and fails where it stays there

  --runs N      measurements of each subject, of which the median is shown (default 3; short: 1, the best)
  --seconds N   length of each transfer (default 5)
  --links N     links of the scenario memory
  --only NAME   subjects to measure beside openvpn (culvert, culvertd+openvpn, culvert+threads, bare: a relay without a cipher)
  --transport NAME  between our ends instead of openvpn: pptp (--only culvert+pptp), or l2tp-ipsec with what it is measured against
                (--only culvert --only culvert+l2tp --only culvert+l2tp-cbc --only strongswan)
  --path-mtu N  of the cable between router and gateway, in throughput and streams (default 1500; another keeps no history)
  --json        one object whose rows have the figures
  --history     keep the ratios in test/bench/history.jsonl (default: with 3 runs or more)
`;

/** Those that `--path-mtu` applies to. */
const PATH_MTU_SCENARIOS = ['throughput', 'streams'];

/** A short run is shorter than the machine's bad moments: what falls short is measured again, and the best of each subject counts. */
const SHORT_TRIES = 3;

/** As the stage of scripts/test counts them. */
interface Check {
  readonly id: string;
  readonly result: 'pass' | 'fail' | 'skip';
  readonly detail: string;
}

interface Command {
  readonly chosen: readonly Scenario[];
  readonly options: Options;
  readonly json: boolean;
  readonly history: boolean;
}

async function main(): Promise<void> {
  const command = readCommand();
  if (command === undefined) return;
  const { chosen, options, json, history } = command;
  const missing = missingForLab(['openvpn', 'iperf3', 'openssl', 'ping']).join('; ');
  if (missing !== '') {
    if (onCi() || !options.short) throw new Error(missing);
    const checks: Check[] = chosen.map(({ name }) => ({ id: name, result: 'skip', detail: missing }));
    console.log(JSON.stringify({ conditions: [], rows: [], checks }, null, 2));
    return;
  }
  const general = await conditions(options);
  if (!json) console.log(general.join('\n'));
  const rows: Row[] = [];
  const checks: Check[] = [];
  for (const scenario of chosen) {
    const { measured, check } = await runChecked(scenario, options);
    rows.push(...measured);
    checks.push(check);
    if (!json) console.log(`\n${scenario.conditions(options).join('\n')}\n${table(scenario, measured)}`);
  }
  // Standard output has the one object alone.
  if (options.pathMtu === undefined) for (const line of changes(rows)) (json ? console.error : console.log)(line);
  if (history) keepHistory(rows, options);
  if (json) {
    const particular = chosen.flatMap((scenario) =>
      scenario.conditions(options).map((line) => `${scenario.name}: ${line}`),
    );
    console.log(JSON.stringify({ conditions: [...general, ...particular], rows, checks }, null, 2));
  }
  if (options.short) report(checks);
}

function readCommand(): Command | undefined {
  const { values, positionals } = parseArgs({
    options: {
      help: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      history: { type: 'boolean' },
      seconds: { type: 'string' },
      runs: { type: 'string' },
      links: { type: 'string' },
      only: { type: 'string', multiple: true },
      transport: { type: 'string' },
      'path-mtu': { type: 'string' },
    },
    allowPositionals: true,
    allowNegative: true,
  });
  const short = positionals.includes('short');
  const every = positionals.includes('all') || positionals.every((word) => word === 'short');
  const unknown = positionals.filter((word) => !['all', 'short', ...scenarios.map(({ name }) => name)].includes(word));
  if (values.help || positionals.length === 0 || unknown.length > 0) {
    if (unknown.length > 0) console.error(`bench: no scenario is called ${unknown.join(', ')}\n`);
    (values.help ? console.log : console.error)(help);
    process.exitCode = values.help ? 0 : 2;
    return undefined;
  }
  const runs = count('runs', values.runs) ?? (short ? 1 : 3);
  const pathMtu = count('path-mtu', values['path-mtu']);
  if (pathMtu !== undefined && (every || positionals.some((word) => !PATH_MTU_SCENARIOS.includes(word))))
    throw new Error(`--path-mtu is for ${PATH_MTU_SCENARIOS.join(' and ')}`);
  if (pathMtu !== undefined && values.history === true) throw new Error('--path-mtu keeps no history');
  return {
    chosen: scenarios.filter(({ name }) => every || positionals.includes(name)),
    options: {
      seconds: count('seconds', values.seconds) ?? (short ? 1 : 5),
      runs,
      links: count('links', values.links),
      short,
      pathMtu,
      only: values.only ?? onlyOf(values.transport),
      onProgress: (line) => console.error(line),
    },
    json: values.json,
    history: values.history ?? (runs >= 3 && pathMtu === undefined),
  };
}

/** The subjects of `--transport`. */
function onlyOf(transport: string | undefined): readonly string[] | undefined {
  if (transport === undefined || transport === 'openvpn') return undefined;
  if (transport === 'pptp') return ['culvert+pptp'];
  if (transport === 'l2tp-ipsec') return ['culvert', 'culvert+l2tp', 'culvert+l2tp-cbc', 'strongswan'];
  throw new Error('--transport takes openvpn, pptp or l2tp-ipsec');
}

function count(name: string, text: string | undefined): number | undefined {
  if (text === undefined || /^[1-9]\d{0,5}$/.test(text)) return text === undefined ? undefined : Number(text);
  throw new Error(`--${name} takes a number from 1 on`);
}

async function runChecked(scenario: Scenario, options: Options): Promise<{ measured: Row[]; check: Check }> {
  const samples: Samples = new Map();
  const again: string[] = [];
  for (let tries = 1; ; tries++) {
    const mayTryAgain = options.short && tries < SHORT_TRIES;
    const failure = await measure(scenario, options, samples).then(
      () => undefined,
      (error: Error) => error,
    );
    if (failure !== undefined && !mayTryAgain) throw failure;
    const measured = failure === undefined ? rowsOf(scenario, samples, options) : [];
    const short =
      failure === undefined ? shortfalls(scenario, measured, options) : [failure.message.split('\n')[0] ?? ''];
    if (short.length > 0 && mayTryAgain) {
      again.push(...short);
      options.onProgress(`${scenario.name}: measured again, for ${short.join('; ')}`);
      continue;
    }
    const times = tries === 1 ? [] : [`measured ${tries} times, for ${again.join('; ')}`];
    const result = short.length === 0 ? 'pass' : 'fail';
    return { measured, check: { id: scenario.name, result, detail: [...short, ...times].join('; ') } };
  }
}

function report(checks: readonly Check[]): void {
  for (const { id, result, detail } of checks)
    if (detail !== '') console.error(`${result === 'fail' ? 'FAILED: ' : ''}${id}: ${detail}`);
  if (checks.some(({ result }) => result === 'fail')) process.exitCode = 1;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
await main();
