/**
 * A tunnel between a laptop and the office, of any subject:
 *
 *     client ── router ── gateway ── office      see test/interop/world.ts
 */
import assert from 'node:assert/strict';
import { eventually, type HostProcess } from '@culvert/testkit';
import { buildWorld, office, type World } from '../interop/world.ts';
import { MTU, startClient, startServer } from './ends.ts';
import type { Sample, Stage, Subject } from './scenario.ts';

export interface Tunnel {
  readonly world: World;
  readonly server: HostProcess;
  readonly client: HostProcess;
}

/** A stage that opens a tunnel for each measurement, and closes it after. */
export async function tunnelStage(measure: (tunnel: Tunnel) => Promise<Sample>, pathMtu?: number): Promise<Stage> {
  const world = await buildWorld();
  if (pathMtu !== undefined) await setPathMtu(world, pathMtu);
  return {
    measure: (subject) => withTunnel(world, subject, measure),
    close: () => world.lab.close(),
  };
}

/** Of the cable between router and gateway: the client learns of it by the router's answer. */
async function setPathMtu({ lab, gateway }: World, mtu: number): Promise<void> {
  const router = lab.hosts.find(({ label }) => label === 'router');
  assert.ok(router);
  await router.ip(`link set eth1 mtu ${mtu}`);
  await gateway.ip(`link set eth0 mtu ${mtu}`);
}

async function withTunnel(world: World, subject: Subject, work: (tunnel: Tunnel) => Promise<Sample>): Promise<Sample> {
  return withServer(world, subject, async (server) => {
    const client = await startClient(world, subject);
    const ping = async () => (await world.client.spawn('ping', ['-c1', '-W1', office.ipv4]).exited).code === 0;
    await eventually('the office answers', ping);
    // PPP and strongSwan take an MTU of their own, less than ours.
    if (!/pptp|l2tp|strongswan/.test(subject)) await assertMtu(world);
    return work({ world, server, client });
  });
}

/** The server alone; whatever was started on the hosts meanwhile is stopped after. */
export async function withServer<T>(
  world: World,
  subject: Subject,
  work: (server: HostProcess) => Promise<T>,
): Promise<T> {
  try {
    return await work(await startServer(world, subject));
  } finally {
    for (const host of [world.office, world.client, world.gateway]) {
      await Promise.all(host.processes.map((child) => child.stop()));
      host.processes.length = 0;
    }
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
