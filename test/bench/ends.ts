/** Both programs as either end, at the best settings known; the server of each takes many links of few users. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type HostProcess, type Identity, pem, startOpenvpn } from '@culvert/testkit';
import { gatewayAddress, officeNetworks, type World } from '../interop/world.ts';
import { startBareClient, startBareServer } from './bare/relays.ts';
import { startL2tpClient, startL2tpServer, startPptpClient, startPptpServer } from './ppp-ends.ts';
import type { Subject } from './scenario.ts';
import { startStrongswanClient, startStrongswanServer } from './strongswan/ends.ts';

/** Inner packets of this size plus any overhead stay below the path's 1500 bytes, so that nobody fragments. */
export const MTU = 1420;
export const PORT = 1194;
const MAX_LINKS = 20_000;
/** Of one user; culvertd takes no more. */
export const LINKS_A_USER = 1024;

/** What its users recommend; the kernel here allows buffers of 4 MiB. */
const openvpnSettings: readonly string[] = ['sndbuf 4194304', 'rcvbuf 4194304', 'fast-io', 'txqueuelen 1000', 'verb 1'];

const packages = fileURLToPath(new URL('../../packages', import.meta.url));
const programs = { culvertd: `${packages}/gateway/bin/culvertd`, culvert: `${packages}/client/bin/culvert` };

export const settings: readonly string[] = [
  `openvpn: ${openvpnSettings.join(', ')}; the server also: duplicate-cn, max-clients ${MAX_LINKS}, connect-freq-initial without limit`,
  'culvertd: its defaults (replay window, source check, stateful filter, accounting, client isolation), mode routed as openvpn',
  `all: UDP, AES-256-GCM, tls-crypt-v2, inner MTU ${MTU}`,
];

/** Resolves when it listens. */
export function startServer(world: World, subject: Subject): Promise<HostProcess> {
  if (subject === 'bare') return startBareServer(world, MTU);
  if (subject === 'openvpn' || subject === 'openvpn+dialler') return startOpenvpnServer(world);
  if (subject === 'strongswan') return startStrongswanServer(world);
  if (subject === 'culvert+pptp') return startPptpServer(world, MTU);
  if (subject === 'culvert+l2tp' || subject === 'culvert+l2tp-cbc') return startL2tpServer(world, MTU);
  return startCulvertd(world, subject === 'culvert+threads' ? 2 : 1);
}

/** Resolves when the link is up. */
export function startClient(world: World, subject: Subject): Promise<HostProcess> {
  if (subject === 'bare') return startBareClient(world, MTU);
  if (subject === 'strongswan') return startStrongswanClient(world);
  if (subject === 'culvert+pptp') return startPptpClient(world);
  if (subject === 'culvert+l2tp' || subject === 'culvert+l2tp-cbc') return startL2tpClient(world, subject);
  const isOurs = subject === 'culvert' || subject === 'culvert+threads';
  return isOurs ? startCulvert(world) : startOpenvpnClient(world, 'tun0', world.clients.good);
}

async function startCulvertd(world: World, threads: number): Promise<HostProcess> {
  const { lab, gateway, ca, server, wrap } = world;
  const state = join(lab.folder, `culvertd-${gateway.processes.length}-${process.hrtime.bigint()}`);
  mkdirSync(state, { mode: 0o700 });
  const config = `
state: ${state}
control: ${state}/control.sock
network: { ipv4: 10.99.0.0/16, ipv6: 'fd99::/64', device: culvert0, mode: routed, mtu: ${MTU}, threads: ${threads} }
push: { routes: [${officeNetworks.ipv4}, '${officeNetworks.ipv6}'] }
tls: { ca: ${ca.certificate}, certificate: ${server.certificate}, privateKey: ${server.key}, crl: { file: ${ca.crl} } }
transports:
  openvpn: { listen: [{ protocol: udp, port: ${PORT} }], wrap: { tlsCryptV2: ${wrap.server} }, dataCiphers: [AES-256-GCM] }
keepalive: { interval: 10m, timeout: 1h }
limits: { links: ${MAX_LINKS}, sessionsPerUser: ${LINKS_A_USER} }
`;
  const child = gateway.spawn(programs.culvertd, ['run', '--config', lab.write('culvertd.yaml', config)]);
  await child.waitFor(/listening/);
  return child;
}

async function startOpenvpnServer(world: World): Promise<HostProcess> {
  const { lab, gateway, ca, server, wrap } = world;
  const config = `
dev tun0
proto udp4
port ${PORT}
topology subnet
server 10.99.0.0 255.255.0.0
server-ipv6 fd99::/64
push "route 10.77.0.0 255.255.255.0"
push "route-ipv6 fd77::/64"
keepalive 600 3600
explicit-exit-notify 1
tun-mtu ${MTU}
data-ciphers AES-256-GCM
dh none
ca ${ca.certificate}
cert ${server.certificate}
key ${server.key}
crl-verify ${ca.crl}
tls-crypt-v2 ${wrap.server}
remote-cert-tls client
duplicate-cn
max-clients ${MAX_LINKS}
connect-freq-initial ${MAX_LINKS * 10} 1
${openvpnSettings.join('\n')}
`;
  const peer = startOpenvpn(lab, gateway, { label: 'server', config });
  await peer.up();
  return peer.process;
}

async function startCulvert(world: World): Promise<HostProcess> {
  const { lab, client } = world;
  const env = { CULVERT_PROFILES: `${lab.folder}/profiles`, CULVERT_RUN: `${lab.folder}/run` };
  const profile = lab.write('office.ovpn', clientConfig(world, 'tun0', world.clients.good));
  await client.exec(programs.culvert, ['import', profile, '--name', 'office', '--force'], { env });
  const child = client.spawn(programs.culvert, ['up', 'office'], { env });
  await child.waitFor(/\bup\b/);
  return child;
}

/** @param extra further lines of its configuration */
export async function startOpenvpnClient(
  world: World,
  device: string,
  identity: Identity,
  extra: readonly string[] = [],
): Promise<HostProcess> {
  const config = [clientConfig(world, device, identity), ...extra].join('\n');
  const peer = startOpenvpn(world.lab, world.client, { label: `client-${device}`, config });
  await peer.up(60_000);
  return peer.process;
}

function clientConfig({ ca, wrap }: World, device: string, identity: Identity): string {
  return `
client
dev ${device}
nobind
remote ${gatewayAddress[4]} ${PORT} udp
remote-cert-tls server
verify-x509-name vpn.example name
connect-retry 1 2
tun-mtu ${MTU}
data-ciphers AES-256-GCM
${openvpnSettings.join('\n')}
<ca>
${pem(ca.certificate)}
</ca>
<cert>
${pem(identity.certificate)}
</cert>
<key>
${pem(identity.key)}
</key>
<tls-crypt-v2>
${pem(wrap.client)}
</tls-crypt-v2>
`;
}
