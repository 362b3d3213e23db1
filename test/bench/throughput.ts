/**
 * TCP through the tunnel, both ways, of each pair of programs in one run.
 *
 *     client (iperf3) ── router ── gateway ── office (iperf3 server)      see test/interop/world.ts
 *
 * Pairs take turns, so that a noisy moment of the machine hits all of them. Reported is the median of the runs.
 */
import assert from 'node:assert/strict';
import { cpus } from 'node:os';
import { eventually } from '@culvert/testkit';
import { type Program, usualScenario } from '../interop/end.ts';
import { culvert } from '../interop/ends/culvert.ts';
import { fastSettings, openvpn } from '../interop/ends/openvpn.ts';
import { buildWorld, office, type World } from '../interop/world.ts';

export interface ThroughputRow {
  readonly name: string;
  /** Mbit/s from the client to the office, and back. */
  readonly up: number;
  readonly down: number;
  /** Against openvpn with itself, in the same run. */
  readonly ratioUp: number;
  readonly ratioDown: number;
  /** (largest - smallest) / median, the larger of both directions. */
  readonly spread: number;
}

export interface ThroughputOptions {
  readonly seconds: number;
  readonly runs: number;
  /** Names of the pairs to measure; openvpn is always among them. Undefined: all. */
  readonly only: readonly string[] | undefined;
  /** Hears of each measurement as it comes. */
  onProgress(line: string): void;
}

/** Inner packets of this size plus any overhead stay below the path's 1500 bytes, so that nobody fragments. */
const MTU = 1420;

const pairs: readonly { readonly name: string; readonly server: Program; readonly client: Program }[] = [
  { name: 'openvpn', server: openvpn, client: openvpn },
  { name: 'culvert', server: culvert, client: culvert },
  { name: 'culvertd+openvpn', server: culvert, client: openvpn },
];

/** What the figures depend on. */
export async function conditions(): Promise<string[]> {
  return [
    `machine: ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}; both ends and iperf3 on it`,
    `openvpn ${await openvpn.version()}: ${fastSettings.join(', ')}`,
    `all: UDP, AES-256-GCM, inner MTU ${MTU}, path MTU 1500, one TCP stream`,
  ];
}

export async function measureThroughput(options: ThroughputOptions): Promise<ThroughputRow[]> {
  const world = await buildWorld();
  const chosen = pairs.filter(({ name }) => name === 'openvpn' || (options.only?.includes(name) ?? true));
  const figures = new Map(chosen.map(({ name }) => [name, { up: [] as number[], down: [] as number[] }]));
  try {
    for (let run = 1; run <= options.runs; run++) {
      for (const pair of chosen) {
        const { up, down } = await measurePair(world, pair, options.seconds);
        figures.get(pair.name)?.up.push(up);
        figures.get(pair.name)?.down.push(down);
        options.onProgress(`run ${run}: ${pair.name}: ${up.toFixed(0)} Mbit/s up, ${down.toFixed(0)} Mbit/s down`);
      }
    }
  } finally {
    await world.lab.close();
  }
  return rowsOf(figures);
}

async function measurePair(
  world: World,
  { server, client }: (typeof pairs)[number],
  seconds: number,
): Promise<{ up: number; down: number }> {
  const scenario = { ...usualScenario, mtu: MTU, fast: true };
  const serving = await server.startServer(world, scenario);
  const dialled = await client.startClient(world, scenario);
  try {
    await dialled.up(20_000);
    const ping = async () => (await world.client.spawn('ping', ['-c1', '-W1', office.ipv4]).exited).code === 0;
    await eventually('the office answers', ping);
    await assertMtu(world);
    const listener = world.office.spawn('iperf3', ['--server', '--forceflush']);
    await listener.waitFor('Server listening');
    const up = await iperf(world, seconds, []);
    const down = await iperf(world, seconds, ['--reverse']);
    await listener.stop();
    return { up, down };
  } finally {
    await dialled.stop();
    await serving.stop();
    world.client.processes.length = 0;
    world.gateway.processes.length = 0;
  }
}

/** Both ends' devices have the MTU that the figures are said to be for. */
async function assertMtu({ client, gateway }: World): Promise<void> {
  for (const host of [client, gateway]) {
    const links = JSON.parse(await host.ip('-json -details link show type tun')) as { ifname: string; mtu: number }[];
    assert.deepEqual(
      links.map(({ mtu }) => mtu),
      [MTU],
      `one tunnel device of MTU ${MTU} on the ${host.label}`,
    );
  }
}

/** Mbit/s that the receiving end saw, after a second of warm-up. */
async function iperf(world: World, seconds: number, extra: readonly string[]): Promise<number> {
  const words = ['--client', office.ipv4, '--time', String(seconds), '--omit', '1', '--json', ...extra];
  const report = JSON.parse(await world.client.exec('iperf3', words)) as {
    end: { sum_received: { bits_per_second: number } };
  };
  return report.end.sum_received.bits_per_second / 1e6;
}

function rowsOf(figures: ReadonlyMap<string, { up: readonly number[]; down: readonly number[] }>): ThroughputRow[] {
  const base = figures.get('openvpn') ?? { up: [], down: [] };
  return [...figures].map(([name, { up, down }]) => ({
    name,
    up: round(median(up), 1),
    down: round(median(down), 1),
    ratioUp: round(median(up) / median(base.up), 3),
    ratioDown: round(median(down) / median(base.down), 3),
    spread: round(Math.max(spread(up), spread(down)), 3),
  }));
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  return (low + high) / 2;
}

function spread(numbers: readonly number[]): number {
  return (Math.max(...numbers) - Math.min(...numbers)) / median(numbers);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
