/** The two relays of the subject "bare": compiled where they are wanted, addressed as the other subjects' tunnels are. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HostProcess, Lab, TestHost } from '@culvert/testkit';
import { gatewayAddress, officeNetworks, type World } from '../../interop/world.ts';

const source = fileURLToPath(new URL('./relay.cc', import.meta.url));
const clientAddress = '192.0.2.2';
const PORT = 5_000;

export function startBareServer(world: World, mtu: number): Promise<HostProcess> {
  return start(world.lab, world.gateway, { remote: clientAddress, address: '10.99.0.1/16', mtu });
}

export async function startBareClient(world: World, mtu: number): Promise<HostProcess> {
  const relay = await start(world.lab, world.client, { remote: gatewayAddress[4], address: '10.99.0.2/16', mtu });
  await world.client.ip(`route add ${officeNetworks.ipv4} dev bare0`);
  return relay;
}

async function start(
  lab: Lab,
  host: TestHost,
  to: { readonly remote: string; readonly address: string; readonly mtu: number },
): Promise<HostProcess> {
  const program = join(lab.folder, 'relay');
  if (!existsSync(program)) execFileSync('g++', ['-std=c++17', '-O2', '-o', program, source]);
  const relay = host.spawn(program, ['bare0', String(PORT), to.remote, String(PORT)]);
  await relay.waitFor('up');
  await host.ip(`address add ${to.address} dev bare0`);
  await host.ip(`link set bare0 mtu ${to.mtu} up`);
  return relay;
}
