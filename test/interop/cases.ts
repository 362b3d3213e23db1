/** The cases: what an administrator would try, one by one, with every peer in every role over every protocol. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { Millis } from '@culvert/base';
import { eventually, type TestHost } from '@culvert/testkit';
import type { ClientEnd, End, Misdeed, Program, Scenario } from './end.ts';
import { losslessPing } from './ping.ts';
import { office, password, type World } from './world.ts';

export interface Stage {
  readonly world: World;
  readonly server: Program;
  readonly client: Program;
  /** Without the changes of a case. */
  readonly usual: Scenario;
  /** Starts it and waits until it listens. */
  serve(changes?: Partial<Scenario>): Promise<End>;
  /** Starts it; the case waits for what it expects. */
  dial(changes?: Partial<Scenario>): Promise<ClientEnd>;
}

export interface Case {
  readonly name: string;
  /** For readers of the matrix. */
  readonly shows: string;
  /** Whether offloads and the path's MTU can matter to it: it moves many packets, or large ones, or over the other IP version. */
  readonly moves?: true;
  /** Returns a detail worth reading. */
  run(stage: Stage): Promise<string>;
}

const UP_WITHIN: Millis = 90_000;
const REFUSED_WITHIN: Millis = 90_000;
/** Beside others on two cores. */
const TRANSFER_WITHIN: Millis = 180_000;
const TRANSFER_PORT = 7000;
const node = fileURLToPath(new URL('../../scripts/node', import.meta.url));
const transferProgram = fileURLToPath(new URL('transfer.ts', import.meta.url));

export const cases: readonly Case[] = [
  {
    name: 'ping4',
    shows: 'twenty pings over IPv4 through the tunnel, none lost',
    run: (stage) => pings(stage, office.ipv4),
  },
  { name: 'ping6', shows: 'the same over IPv6', run: (stage) => pings(stage, office.ipv6) },
  {
    name: 'outer6',
    shows: 'the tunnel itself runs over IPv6',
    moves: true,
    run: (stage) => pings(stage, office.ipv4, { outer: 6 }),
  },
  {
    name: 'big-packets',
    shows: 'pings as large as the tunnel takes, and larger, in fragments',
    moves: true,
    run: bigPackets,
  },
  {
    name: 'download',
    shows: '100 MB from the office over TCP, checked by SHA-256',
    moves: true,
    run: (stage) => transfers(stage, 'get'),
  },
  {
    name: 'upload',
    shows: '100 MB to the office over TCP, checked by SHA-256',
    moves: true,
    run: (stage) => transfers(stage, 'put'),
  },
  {
    name: 'rekey-under-traffic',
    shows: 'new keys every three seconds under 1200 pings, none lost; both logs tell of them',
    moves: true,
    run: rekeysUnderTraffic,
  },
  {
    name: 'server-restarts',
    shows: 'the server is killed and started; the client comes back by itself',
    run: serverRestarts,
  },
  {
    name: 'client-restarts',
    shows: 'the client is killed, and asked to end; it gets in again both times',
    run: clientRestarts,
  },
  {
    name: 'right-password',
    shows: 'certificate and password',
    run: (stage) => pings(stage, office.ipv4, { password: password.right }),
  },
  {
    name: 'wrong-password',
    shows: 'refused, with the reason in both logs',
    run: (stage) => isRefused(stage, 'wrong-password', { password: password.wrong }),
  },
  ...(
    [
      ['foreign', 'a certificate of another CA'],
      ['expired', 'an expired certificate'],
      ['revoked', 'a revoked certificate'],
    ] as const
  ).map(([who, what]) => ({
    name: `${who}-certificate`,
    shows: `${what} is refused, with the reason in both logs`,
    run: (stage: Stage) => isRefused(stage, who, { who }),
  })),
];

/** Both ends up, and the first packet through. */
async function connect(stage: Stage, changes: Partial<Scenario> = {}): Promise<{ server: End; client: ClientEnd }> {
  const server = await stage.serve(changes);
  const client = await stage.dial(changes);
  await client.up(UP_WITHIN);
  await reachOffice(stage.world.client, office.ipv4);
  return { server, client };
}

async function reachOffice(from: TestHost, address: string, within: Millis = 60_000): Promise<void> {
  const ping = async () => (await from.spawn('ping', ['-c', '1', '-W', '1', address]).exited).code === 0;
  await eventually(`an answer from ${address}`, ping, within);
}

async function pings(stage: Stage, address: string, changes: Partial<Scenario> = {}): Promise<string> {
  await connect(stage, changes);
  await reachOffice(stage.world.client, address);
  return losslessPing(stage.world.client, address, { count: 20, interval: 0.05 });
}

/** Larger than the tunnel, so that they go through it in fragments. */
async function bigPackets(stage: Stage): Promise<string> {
  await connect(stage);
  await learnPath(stage);
  for (const size of [1_472, 1_400, 4_000]) {
    await losslessPing(stage.world.client, office.ipv4, { count: 3, interval: 0.1, size });
  }
  return '1472, 1400 and 4000 bytes of payload';
}

/** What is longer than a path takes is lost once at a router: its sender learns from that how long it may be, and cuts the next. */
async function learnPath({ usual, world }: Stage): Promise<void> {
  if (usual.pathMtu >= usual.mtu) return;
  const ping = async () =>
    (await world.client.spawn('ping', ['-c', '1', '-W', '1', '-s', '1400', office.ipv4]).exited).code === 0;
  await eventually('a large ping is answered', ping);
}

async function transfers(stage: Stage, what: 'get' | 'put'): Promise<string> {
  const { bulk } = stage.usual;
  await connect(stage);
  await stage.world.office.spawn(node, [transferProgram, 'serve', String(TRANSFER_PORT)]).waitFor('serving');
  const words = [transferProgram, what, office.ipv4, String(TRANSFER_PORT), String(bulk)];
  const { stdout } = await stage.world.client.spawn(node, words).succeeded(TRANSFER_WITHIN);
  const [bytes, seconds] = stdout.split(' ').map(Number);
  assert.equal(bytes, bulk);
  return `${bulk / 1e6} MB, sha256 right, ${Math.round((bulk * 8) / (seconds ?? 1) / 1e6)} Mbit/s`;
}

/** Both ends' logs tell of at least three key exchanges, and no packet is lost over them. */
async function rekeysUnderTraffic(stage: Stage): Promise<string> {
  const { server, client } = await connect(stage, { renegotiateAfter: 3 });
  const summary = await losslessPing(stage.world.client, office.ipv4, { count: 1_200, interval: 0.01, size: 1_000 });
  const exchanges = Math.min(stage.server.keyExchanges(server.log()), stage.client.keyExchanges(client.log()));
  assert.ok(exchanges >= 3, `the ends tell of ${exchanges} key exchanges only`);
  return `${exchanges} key exchanges, ${summary}`;
}

async function serverRestarts(stage: Stage): Promise<string> {
  const { server } = await connect(stage);
  await server.stop('SIGKILL');
  await stage.serve();
  const started = performance.now();
  await reachOffice(stage.world.client, office.ipv4, 60_000);
  return `killed; back after ${((performance.now() - started) / 1000).toFixed(1)} s`;
}

async function clientRestarts(stage: Stage): Promise<string> {
  const { client } = await connect(stage);
  await client.stop('SIGKILL');
  const second = await stage.dial();
  await second.up(UP_WITHIN);
  await reachOffice(stage.world.client, office.ipv4);
  await second.stop('SIGTERM');
  const third = await stage.dial();
  await third.up(UP_WITHIN);
  await reachOffice(stage.world.client, office.ipv4);
  return 'killed, and asked to end; up again both times';
}

async function isRefused(stage: Stage, misdeed: Misdeed, changes: Partial<Scenario>): Promise<string> {
  const server = await stage.serve(changes);
  const client = await stage.dial(changes);
  await client.refused(REFUSED_WITHIN);
  const code = (await stage.world.client.spawn('ping', ['-c', '1', '-W', '1', office.ipv4]).exited).code;
  assert.notEqual(code, 0, 'the office is out of reach');
  const atServer = await loggedReason(
    `the server (${stage.server.name})`,
    server,
    stage.server.reasons.server[misdeed],
  );
  const expected = stage.client.reasons.client(stage.server.name)[misdeed];
  const atClient = await loggedReason(`the client (${stage.client.name})`, client, expected);
  return `server: ${atServer}; client: ${atClient}`;
}

async function loggedReason(who: string, end: End, reason: RegExp): Promise<string> {
  const line = await eventually(`${who} logs ${reason}`, () =>
    end
      .log()
      .split('\n')
      .find((line) => reason.test(line)),
  );
  return line.replace(/^\S+ \S+ /, '').slice(0, 160);
}
