/** Runs the cases for each role and protocol. A case without a result is a fail. */
import { missingForLab } from '@culvert/testkit';
import { inLanes } from '../lanes.ts';
import { type Case, cases, type Stage } from './cases.ts';
import { type End, type Program, type Protocol, type Scenario, usualScenario } from './end.ts';
import { culvert } from './ends/culvert.ts';
import { openvpn } from './ends/openvpn.ts';
import type { Setting } from './settings.ts';
import { buildWorld, type World } from './world.ts';

/** What Culvert is; "none" shows that the harness itself works, with the peer at both ends. */
export type Role = 'server' | 'client' | 'none';

export interface Plan {
  /** case/role/transport/protocol, and the setting where it is not the usual. */
  readonly id: string;
  readonly transport: string;
  readonly role: Role;
  readonly protocol: Protocol;
  readonly theCase: Case;
  readonly setting: Setting;
}

export interface Row {
  readonly id: string;
  readonly peer: string;
  readonly version: string;
  readonly transport: string;
  readonly protocol: Protocol;
  readonly role: Role;
  readonly case: string;
  /** Its name; undefined: the usual. */
  readonly setting: string | undefined;
  readonly result: 'pass' | 'fail' | 'skip';
  readonly detail: string;
  readonly seconds: number;
}

const TRANSPORT = 'openvpn';

/** Of each end's log, in the report of a failure. */
const LOG_LINES = 40;

export function plans(options: {
  readonly roles: readonly Role[];
  readonly only: string | undefined;
  readonly settings: readonly Setting[];
}): Plan[] {
  const plansOf = (setting: Setting, role: Role, protocol: Protocol) =>
    cases
      .filter(({ moves }) => moves || !setting.short)
      .map((theCase) => {
        const id = [theCase.name, role, TRANSPORT, protocol, ...(setting.name === undefined ? [] : [setting.name])];
        return { id: id.join('/'), transport: TRANSPORT, role, protocol, theCase, setting };
      });
  const all = options.settings.flatMap((setting) =>
    options.roles.flatMap((role) => (['udp', 'tcp'] as const).flatMap((protocol) => plansOf(setting, role, protocol))),
  );
  return all.filter(({ id }) => options.only === undefined || new RegExp(options.only).test(id));
}

/** Runs the plans, in as many worlds at once as there are lanes; `onRow` hears of each result as it comes. */
export async function runPlans(
  todo: readonly Plan[],
  onRow: (row: Row, log: string) => void,
  lanes = 1,
): Promise<Row[]> {
  const version = (await openvpn.version()) ?? 'not installed';
  const missing = missingForLab(['openvpn', 'openssl', 'ping', 'sysctl']);
  const worlds: World[] = [];
  try {
    while (missing.length === 0 && worlds.length < lanes) worlds.push(await buildWorld());
    return await inLanes(todo, lanes, async (plan, lane) => {
      const world = worlds[lane];
      const { log, ...result } = world === undefined ? withoutLab(missing) : await runOne(world, plan);
      const { id, transport, protocol, role, theCase, setting } = plan;
      const kind = { transport, protocol, role, case: theCase.name, setting: setting.name };
      const row = { id, peer: 'openvpn', version, ...kind, ...result };
      onRow(row, log);
      return row;
    });
  } finally {
    await Promise.all(worlds.map(({ lab }) => lab.close()));
  }
}

interface Result extends Pick<Row, 'result' | 'detail' | 'seconds'> {
  /** What both ends said. */
  readonly log: string;
}

function withoutLab(missing: readonly string[]): Result {
  const onCi = process.env['CI'] === '1';
  return { result: onCi ? 'fail' : 'skip', detail: missing.join('; '), seconds: 0, log: '' };
}

async function runOne(world: World, plan: Plan): Promise<Result> {
  const started = performance.now();
  const ends: [string, End][] = [];
  const stage = stageFor(world, plan, ends);
  const logs = () => ends.map(([name, end]) => `--- ${name}\n${lastLines(end.log())}`).join('\n');
  try {
    await setPathMtu(world, stage.usual.pathMtu);
    const detail = await plan.theCase.run(stage);
    return { result: 'pass', detail, seconds: secondsSince(started), log: logs() };
  } catch (error) {
    const detail = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
    return { result: 'fail', detail, seconds: secondsSince(started), log: `${logs()}\n--- ${String(error)}` };
  } finally {
    for (const [, end] of ends.reverse()) await end.stop('SIGTERM');
    for (const host of [world.client, world.gateway, world.office]) {
      await Promise.all(host.processes.splice(0).map((child) => child.stop('SIGKILL')));
    }
  }
}

/** Behind the client's router, so that it learns from that. */
async function setPathMtu({ lab, gateway }: World, mtu: number): Promise<void> {
  const router = lab.hosts.find(({ label }) => label === 'router');
  await router?.ip(`link set eth1 mtu ${mtu}`);
  await gateway.ip(`link set eth0 mtu ${mtu}`);
}

function stageFor(world: World, { role, protocol, setting }: Plan, ends: [string, End][]): Stage {
  const server: Program = role === 'server' ? culvert : openvpn;
  const client: Program = role === 'client' ? culvert : openvpn;
  const usual: Scenario = { ...usualScenario, ...setting.changes, protocol };
  const kept = <E extends End>(name: string, end: E): E => {
    ends.push([name, end]);
    return end;
  };
  return {
    world,
    server,
    client,
    usual,
    serve: async (changes = {}) =>
      kept(`server: ${server.name}`, await server.startServer(world, { ...usual, ...changes })),
    dial: async (changes = {}) =>
      kept(`client: ${client.name}`, await client.startClient(world, { ...usual, ...changes })),
  };
}

function lastLines(log: string): string {
  return log.trimEnd().split('\n').slice(-LOG_LINES).join('\n');
}

function secondsSince(started: number): number {
  return Math.round((performance.now() - started) / 100) / 10;
}
