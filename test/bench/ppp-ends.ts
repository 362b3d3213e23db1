/** PPTP and L2TP/IPsec at both ends: culvertd with a user, and the transport with a core and a device as its client. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EspAlgorithms } from '@culvert/cipher';
import type { HostProcess } from '@culvert/testkit';
import { gatewayAddress, officeNetworks, type World } from '../interop/world.ts';

const culvertd = fileURLToPath(new URL('../../packages/gateway/bin/culvertd', import.meta.url));
const node = fileURLToPath(new URL('../../scripts/node', import.meta.url));
const ends = {
  pptp: fileURLToPath(new URL('../e2e/pptp/end.ts', import.meta.url)),
  l2tp: fileURLToPath(new URL('../e2e/l2tp/end.ts', import.meta.url)),
};
const username = 'alice';
const password = 'correct horse';
const presharedKey = 'a key for everyone who may come';

/** Resolves when it listens. */
export function startPptpServer(world: World, mtu: number): Promise<HostProcess> {
  return startServer(world, mtu, 'pptp: { enabled: true, acceptInsecure: true }');
}

/** Resolves when it listens. */
export function startL2tpServer(world: World, mtu: number): Promise<HostProcess> {
  const key = world.lab.write('ipsec.psk', `${presharedKey}\n`);
  return startServer(world, mtu, `l2tpIpsec: { enabled: true, presharedKey: ${key} }`);
}

async function startServer({ lab, gateway, ca, server }: World, mtu: number, transport: string): Promise<HostProcess> {
  const state = join(lab.folder, `culvertd-${gateway.processes.length}-${process.hrtime.bigint()}`);
  mkdirSync(state, { mode: 0o700 });
  const config = lab.write(
    'culvertd.yaml',
    `
state: ${state}
control: ${state}/control.sock
network: { ipv4: 10.99.0.0/16, ipv6: 'fd99::/64', device: culvert0, mode: routed, mtu: ${mtu} }
push: { routes: [${officeNetworks.ipv4}, '${officeNetworks.ipv6}'] }
tls: { ca: ${ca.certificate}, certificate: ${server.certificate}, privateKey: ${server.key}, crl: { file: ${ca.crl} } }
auth: { certificate: none, password: required }
transports: { openvpn: { wrap: none }, ${transport} }
`,
  );
  const secret = lab.write('password', `${password}\n`);
  await gateway.exec(culvertd, ['user', 'add', username, '--password-file', secret, '--config', config]);
  const child = gateway.spawn(culvertd, ['run', '--config', config]);
  await child.waitFor(/listening.*(?:pptp|l2tp)/);
  return child;
}

/** Resolves when the link is up, and the office is routed to it. */
export function startPptpClient(world: World): Promise<HostProcess> {
  return startClient(world, ends.pptp, {});
}

/** Resolves when the link is up, and the office is routed to it. */
export function startL2tpClient(world: World, subject: 'culvert+l2tp' | 'culvert+l2tp-cbc'): Promise<HostProcess> {
  const esp = subject === 'culvert+l2tp' ? gcm : cbc;
  return startClient(world, ends.l2tp, { key: presharedKey, esp: [esp] });
}

const gcm: EspAlgorithms = { encryption: 'aes-gcm-16', keyBytes: 32 };
const cbc: EspAlgorithms = { encryption: 'aes-cbc', keyBytes: 32, integrity: 'hmac-sha2-256-128' };

async function startClient({ client }: World, end: string, own: object): Promise<HostProcess> {
  const options = { remote: gatewayAddress[4], username, password, ...own };
  const child = client.spawn(node, [end, 'dial', JSON.stringify(options)]);
  await child.waitFor(/^up /m);
  await client.ip(`route replace ${officeNetworks.ipv4} dev culvert0`);
  return child;
}
