/** PPTP at both ends: culvertd with a user, and the transport with a core and a device as its client. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { HostProcess } from '@culvert/testkit';
import { gatewayAddress, officeNetworks, type World } from '../interop/world.ts';

const culvertd = fileURLToPath(new URL('../../packages/gateway/bin/culvertd', import.meta.url));
const node = fileURLToPath(new URL('../../scripts/node', import.meta.url));
const end = fileURLToPath(new URL('../e2e/pptp/end.ts', import.meta.url));
const username = 'alice';
const password = 'correct horse';

/** Resolves when it listens. */
export async function startPptpServer({ lab, gateway, ca, server }: World, mtu: number): Promise<HostProcess> {
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
transports: { openvpn: { wrap: none }, pptp: { enabled: true, acceptInsecure: true } }
`,
  );
  const secret = lab.write('password', `${password}\n`);
  await gateway.exec(culvertd, ['user', 'add', username, '--password-file', secret, '--config', config]);
  const child = gateway.spawn(culvertd, ['run', '--config', config]);
  await child.waitFor(/listening.*pptp/);
  return child;
}

/** Resolves when the link is up, and the office is routed to it. */
export async function startPptpClient({ client }: World): Promise<HostProcess> {
  const child = client.spawn(node, [end, 'dial', JSON.stringify({ remote: gatewayAddress[4], username, password })]);
  await child.waitFor(/^up /m);
  await client.ip(`route replace ${officeNetworks.ipv4} dev culvert0`);
  return child;
}
