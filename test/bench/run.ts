/**
 * Benchmarks beside the peers, in one run, as ratios.
 *
 *   npm run bench -- throughput [--json] [--seconds N] [--runs N] [--only NAME]...
 */
import { parseArgs } from 'node:util';
import { missingForLab } from '@culvert/testkit';
import { conditions, measureThroughput, type ThroughputRow } from './throughput.ts';

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '5' },
      runs: { type: 'string', default: '3' },
      only: { type: 'string', multiple: true },
    },
    allowPositionals: true,
  });
  if (positionals.join() !== 'throughput') {
    console.error('bench: which benchmark? There is: throughput');
    process.exitCode = 2;
    return;
  }
  const missing = missingForLab(['openvpn', 'iperf3', 'openssl', 'ping']);
  if (missing.length > 0) throw new Error(missing.join('; '));
  const settings = await conditions();
  for (const line of settings) console.error(line);
  const rows = await measureThroughput({
    seconds: Number(values.seconds),
    runs: Number(values.runs),
    only: values.only,
    onProgress: (line) => console.error(line),
  });
  if (values.json) console.log(JSON.stringify({ conditions: settings, rows }, null, 2));
  else printRows(rows);
}

function printRows(rows: readonly ThroughputRow[]): void {
  const line = (cells: readonly unknown[]) =>
    console.log(cells.map((cell, i) => (i === 0 ? String(cell).padEnd(20) : String(cell).padStart(10))).join(''));
  line(['', 'up', 'down', 'ratio up', 'ratio down', 'spread']);
  for (const { name, up, down, ratioUp, ratioDown, spread } of rows) {
    line([
      name,
      up.toFixed(0),
      down.toFixed(0),
      ratioUp.toFixed(2),
      ratioDown.toFixed(2),
      `${(spread * 100).toFixed(0)} %`,
    ]);
  }
  console.log('Mbit/s; ratios against openvpn with itself, in this run.');
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
await main();
