/** Tables for people, JSON for programs, and the history of ratios. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { openvpnVersion } from '@culvert/testkit';
import { settings } from './ends.ts';
import type { Figure, Options, Row, Scenario } from './scenario.ts';
import { scenarios } from './scenarios/index.ts';

const historyFile = fileURLToPath(new URL('./history.jsonl', import.meta.url));
/** A figure that is worse by more than this share of its last is marked. */
const SLIDE = 0.15;
const root = fileURLToPath(new URL('../..', import.meta.url));

/** What all figures depend on. */
export async function conditions({ pathMtu = 1500 }: Options): Promise<string[]> {
  return [
    `machine: ${machine()}; both ends and the traffic's on it`,
    `openvpn ${await openvpnVersion()}, Node ${process.versions.node}, Linux ${release()}`,
    ...settings,
    `path MTU ${pathMtu}`,
  ];
}

export function table({ figures, what, reach }: Scenario, rows: readonly Row[]): string {
  const ratios = figures.filter(({ own }) => own !== true);
  const titles = [what, ...figures.map(title), ...ratios.map(({ ratio }) => ratio), 'spread'];
  const body = rows.map((row) => [
    row.name,
    ...figures.map(({ key, digits }) => Number(row[key]).toFixed(digits)),
    ...ratios.map(({ ratio }) => Number(row[ratio]).toFixed(2)),
    `${(row.spread * 100).toFixed(0)} %`,
  ]);
  const widths = titles.map((text, i) => Math.max(text.length, ...body.map((cells) => cells[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart((widths[i] ?? 0) + 2))).join('');
  const goals = Object.entries(reach).flatMap(([name, keys]) =>
    Object.entries(keys ?? {}).map(
      ([key, value]) => `${name} ${key} ${lessIsBetter(figures, key) ? '≤' : '≥'} ${value}`,
    ),
  );
  return [...[titles, ...body].map(line), `to reach: ${goals.join(', ')}`].join('\n');
}

/** By scenario and subject, then by key: what is kept of a run. */
type Ratios = Record<string, Record<string, number>>;

interface Entry {
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly runs: number;
  readonly seconds: number;
  readonly ratios: Ratios;
}

/** One line a run: whoever compares looks at the same machine's. */
export function keepHistory(rows: readonly Row[], { runs, seconds }: Options): void {
  const entry: Entry = {
    date: new Date().toISOString(),
    commit: commit(),
    machine: machine(),
    runs,
    seconds,
    ratios: ratiosOf(rows),
  };
  appendFileSync(historyFile, `${JSON.stringify(entry)}\n`);
}

/** Each figure beside the last that was kept of it on such a machine; what slid is marked. */
export function changes(rows: readonly Row[]): string[] {
  const past = readFileSync(historyFile, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry)
    .filter((entry) => entry.machine === machine())
    .reverse();
  return Object.entries(ratiosOf(rows)).flatMap(([subject, now]) => {
    const last = past.find(({ ratios }) => ratios[subject] !== undefined);
    const before = last?.ratios[subject];
    if (last === undefined || before === undefined) return [];
    const keys = Object.keys(now).filter((key) => before[key] !== undefined);
    const words = keys.map((key) => changeOf(subject, key, before[key] ?? Number.NaN, now[key] ?? Number.NaN));
    return [`${subject}, since ${last.date.slice(0, 10)} (${last.commit}): ${words.join(', ')}`];
  });
}

function changeOf(subject: string, key: string, before: number, now: number): string {
  const share = now / before - 1;
  const scenario = scenarios.find(({ name }) => subject.startsWith(`${name}:`));
  const worse = lessIsBetter(scenario?.figures ?? [], key) ? share : -share;
  const percent = `${share < 0 ? '−' : '+'}${Math.abs(share * 100).toFixed(0)} %`;
  return `${key} ${before} → ${now} (${percent}${worse > SLIDE ? ', A SLIDE' : ''})`;
}

function ratiosOf(rows: readonly Row[]): Ratios {
  const ratios: Ratios = {};
  for (const { scenario, name, ...cells } of rows) {
    const numbers = Object.entries(cells).filter((cell): cell is [string, number] => typeof cell[1] === 'number');
    const kept = numbers.filter(([key]) => /^ratio|^growth$|^kib$/.test(key));
    if (name !== 'openvpn') ratios[`${scenario}: ${name}`] = Object.fromEntries(kept);
  }
  return ratios;
}

function title({ key, unit }: Figure): string {
  return `${key}, ${unit}`;
}

function lessIsBetter(figures: readonly Figure[], key: string): boolean {
  return figures.find((it) => it.key === key || it.ratio === key)?.better === 'less';
}

function machine(): string {
  return `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`;
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { cwd: root, encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}
