/**
 * Two ends of a tunnel in the interop world (drawn in test/interop/world.ts), traffic through it, and what the kernels counted.
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { eventually, type HostProcess, type TestHost } from '@culvert/testkit';
import type { ClientEnd, End, Program, Scenario } from '../interop/end.ts';
import { usualScenario } from '../interop/end.ts';
import { culvert as culvertProgram } from '../interop/ends/culvert.ts';
import { losslessPing } from '../interop/ping.ts';
import { buildWorld, office, type World } from '../interop/world.ts';
import type { Echo, Transfer } from './traffic.ts';

const PORT = 7_000;
const UP_MILLIS = 90_000;
/** For what is done in seconds on a machine that does nothing else. */
const TRAFFIC_MILLIS = 180_000;
const root = fileURLToPath(new URL('../..', import.meta.url));
const node = `${root}scripts/node`;
const trafficProgram = fileURLToPath(new URL('traffic.ts', import.meta.url));
const culvertd = `${root}packages/gateway/bin/culvertd`;
const culvert = `${root}packages/client/bin/culvert`;

export type Family = 4 | 6;

/** Programs that the tests run on the hosts. */
export const labTools = ['openvpn', 'openssl', 'ping', 'sysctl', 'nft'] as const;

export class TrainLab implements AsyncDisposable {
  readonly world: World;
  #server: End | undefined;
  #client: ClientEnd | undefined;

  private constructor(world: World) {
    this.world = world;
  }

  static async open(): Promise<TrainLab> {
    const world = await buildWorld();
    const lab = new TrainLab(world);
    await serveTraffic(world.office);
    return lab;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world.lab.close();
  }

  /** What both ends said. */
  get log(): string {
    return `--- server\n${this.#server?.log()}\n--- client\n${this.#client?.log()}`;
  }

  /** New keys that culvertd's log tells of. */
  keyExchanges(): number {
    return culvertProgram.keyExchanges(this.#server?.log() ?? '');
  }

  /** Both ends up, and the office in reach over both IP versions. Ends what ran before. */
  async connect(server: Program, client: Program, changes: Partial<Scenario>): Promise<void> {
    await this.disconnect();
    const scenario = { ...usualScenario, ...changes };
    this.#server = await server.startServer(this.world, scenario);
    this.#client = await client.startClient(this.world, scenario);
    await this.#client.up(UP_MILLIS);
    for (const address of [office.ipv4, office.ipv6]) {
      await eventually(`an answer from ${address}`, () => pings(this.world.client, address), UP_MILLIS);
    }
  }

  async disconnect(): Promise<void> {
    await this.#client?.stop('SIGTERM');
    await this.#server?.stop('SIGTERM');
  }

  /** TCP between client and office, checked by hash: `get` comes down, `put` goes up. */
  transfer(what: 'get' | 'put', family: Family, bytes: number): Promise<Transfer> {
    return transfer(this.world.client, what, addressOf(family), bytes);
  }

  /** Datagrams from the client to the office and back. */
  echo(family: Family, burst: number, sizes: readonly number[]): Promise<Echo> {
    return echo(this.world.client, addressOf(family), burst, sizes);
  }

  /** Pings with this many bytes of payload; fails when one is lost. */
  async ping(family: Family, size: number): Promise<void> {
    await losslessPing(this.world.client, addressOf(family), { count: 3, interval: 0.02, size });
  }

  host(label: 'client' | 'router' | 'gateway' | 'office'): TestHost {
    const host = this.world.lab.hosts.find((one) => one.label === label);
    assert.ok(host, `there is no host ${label}`);
    return host;
  }

  /** culvertd's counters of its sockets and peers. */
  async listenerStats(): Promise<Readonly<Record<string, number>>> {
    return (await this.gatewayStatus()).listeners[0]?.stats ?? {};
  }

  /** culvert's counters of its socket. */
  async clientWire(): Promise<Readonly<Record<string, number>>> {
    const env = { CULVERT_RUN: `${this.world.lab.folder}/run` };
    const status = await this.world.client.exec(culvert, ['status', 'office', '--json'], { env });
    return (JSON.parse(status) as { wire: Readonly<Record<string, number>> }).wire;
  }

  async gatewayStatus(): Promise<GatewayReport> {
    const config = `${this.world.lab.folder}/culvertd.yaml`;
    return JSON.parse(await this.world.gateway.exec(culvertd, ['status', '--json', '--config', config]));
  }
}

export interface GatewayReport {
  readonly listeners: readonly { readonly stats: Readonly<Record<string, number>> }[];
  readonly deviceStats: Readonly<Record<string, number>>;
}

/**
 * Changes something once a tenth of a transfer is through. Where it was over by then, on a fast machine or one that held us up, the
 * change comes in the middle of a longer one.
 *
 * @param moved bytes that went through some device, both ways
 * @param check what became of each transfer
 */
export async function inTheMiddle(
  lab: TrainLab,
  what: 'get' | 'put',
  moved: () => Promise<number>,
  change: () => Promise<void>,
  check: (transfer: Transfer) => Promise<void>,
): Promise<void> {
  for (const bytes of [80_000_000, 320_000_000, 1_280_000_000]) {
    let isInTheMiddle = false;
    const transfer = await withinTransfer(lab, { what, family: 4, bytes }, moved, async (end) => {
      await change();
      isInTheMiddle = (await moved()) < end;
    });
    await check(transfer);
    if (isInTheMiddle) return;
  }
  assert.fail('each transfer was over before the change');
}

/**
 * Does something once a tenth of a transfer is through.
 *
 * @param moved bytes that went through some device, both ways
 * @param act is told up to which count of those the transfer surely goes on
 */
export async function withinTransfer(
  lab: TrainLab,
  { what, family, bytes }: { readonly what: 'get' | 'put'; readonly family: Family; readonly bytes: number },
  moved: () => Promise<number>,
  act: (end: number) => Promise<void>,
): Promise<Transfer> {
  const before = await moved();
  const acts = async () => {
    await eventually('the transfer is under way', async () => (await moved()) > before + bytes / 10, UP_MILLIS);
    await act(before + bytes);
  };
  const [transfer] = await Promise.all([lab.transfer(what, family, bytes), acts()]);
  return transfer;
}

/** Starts the other end of `transfer` and `echo` on a host. */
export async function serveTraffic(host: TestHost): Promise<HostProcess> {
  const child = host.spawn(node, [trafficProgram, 'serve', String(PORT)]);
  await child.waitFor('serving');
  return child;
}

export async function transfer(from: TestHost, what: 'get' | 'put', address: string, bytes: number): Promise<Transfer> {
  return await said(from, [what, address, String(PORT), String(bytes)]);
}

export async function echo(from: TestHost, address: string, burst: number, sizes: readonly number[]): Promise<Echo> {
  return await said(from, ['echo', address, String(PORT), String(burst), ...sizes.map(String)]);
}

async function said<T>(from: TestHost, words: readonly string[]): Promise<T> {
  const { stdout } = await from.spawn(node, [trafficProgram, ...words]).succeeded(TRAFFIC_MILLIS);
  return JSON.parse(stdout) as T;
}

/** The average packet that a device's kernel side sent into it and got out of it since it was made, in bytes. */
export async function averagePackets(host: TestHost, device: string): Promise<{ sent: number; received: number }> {
  const [link] = JSON.parse(await host.ip(`-s -json link show dev ${device}`));
  const { rx, tx } = link.stats64;
  return { sent: tx.bytes / tx.packets, received: rx.bytes / rx.packets };
}

const checksumErrors = [
  'Ip.InHdrErrors',
  'Tcp.InCsumErrors',
  'Udp.InCsumErrors',
  'Icmp.InCsumErrors',
  'Ip6InHdrErrors',
  'Udp6InCsumErrors',
  'Icmp6InCsumErrors',
];

/** The kernel's counters of packets with bad checksums or headers that are not zero. */
export async function badPackets(host: TestHost): Promise<string[]> {
  const counts = await kernelCounts(host, checksumErrors);
  return checksumErrors.flatMap((name, i) => (counts[i] === '0' ? [] : [`${host.label}: ${name} ${counts[i]}`]));
}

const fragmentsMade = ['Ip.FragCreates', 'Ip6FragCreates'];

/** Fragments that a host cut its packets into, of both IP versions. */
export async function fragmentsOf(host: TestHost): Promise<number> {
  const counts = await kernelCounts(host, fragmentsMade);
  return counts.reduce((sum, count) => sum + Number(count), 0);
}

/** Of /proc/net: those of IPv4 have their protocol before them ("Tcp.InCsumErrors"). */
async function kernelCounts(host: TestHost, names: readonly string[]): Promise<string[]> {
  const text = await host.exec('cat', ['/proc/net/snmp', '/proc/net/snmp6']);
  const counts = new Map<string, string>();
  const lines = text.split('\n').map((line) => line.split(/\s+/));
  lines.forEach((words, i) => {
    const [head = ''] = words;
    if (!head.endsWith(':')) counts.set(head, words[1] ?? '');
    else if (lines[i - 1]?.[0] === head) {
      for (const [at, name] of (lines[i - 1] ?? []).entries())
        counts.set(`${head.slice(0, -1)}.${name}`, words[at] ?? '');
    }
  });
  return names.map((name) => counts.get(name) ?? assert.fail(`the kernel does not count ${name}`));
}

async function pings(from: TestHost, address: string): Promise<boolean> {
  return (await from.spawn('ping', ['-c', '1', '-W', '1', address]).exited).code === 0;
}

function addressOf(family: Family): string {
  return family === 4 ? office.ipv4 : office.ipv6;
}
