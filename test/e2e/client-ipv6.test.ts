/** culvert to a gateway that has nothing but IPv6 outside, by each transport that can: everything inside, and the host as it was. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { labIsPossible, missingForLab } from '@culvert/testkit';
import { l2tpConnection } from './connections.ts';
import { networkOf, Office, officeAddress, reaches } from './office.ts';

const tools = ['ping', 'nft', 'sysctl'];
const server = '2001:db8::1';
const elsewhere = '2001:db8:ffff::1';
const password = 'wallpaper engine';

let office: Office;
before(async () => {
  if (missingForLab(tools).length > 0) return;
  office = await Office.open({
    yaml: 'auth: { certificate: optional, password: required }',
    push: 'redirect: { ipv4: true, ipv6: true }',
    listen: '{ protocol: udp, port: 1194, address: "::" }',
    transports: 'l2tpIpsec: { enabled: true, listen: [{ address: "::" }], presharedKey: ipsec.psk }',
  });
  office.lab.write('ipsec.psk', 'an office secret\n');
  await office.culvertd('user', 'add', 'alice', '--password-file', office.lab.write('password', `${password}\n`));
  for (const [label, address] of [
    ['gateway', server],
    ['laptop', '2001:db8::2'],
  ] as const) {
    const host = office.host(label);
    await host.ip('address flush dev eth0 scope global');
    await host.ip(`address add ${address}/64 dev eth0 nodad`);
  }
  await office.host('laptop').ip(`-6 route add default via ${server}`);
  await office.startGateway();
});
after(() => office?.[Symbol.asyncDispose]());

/** Brings this profile up and down again. */
async function carries(t: TestContext, transport: string, profile: string): Promise<void> {
  if (!labIsPossible(t, tools)) return;
  const laptop = office.host('laptop');
  const untouched = await networkOf(laptop);
  const user = ['--username', 'alice', '--password-file', join(office.lab.folder, 'password')];
  const up = office.culvert(laptop, 'up', profile, ...user);
  await up.waitFor('the tunnel is up');
  for (const address of Object.values(officeAddress)) await reaches(laptop, address);
  assert.match(await laptop.ip(`route get ${elsewhere}`), /dev tun0/);
  assert.match(await laptop.ip(`route get ${server}`), /dev eth0/);
  const status = await office.culvert(laptop, 'status').succeeded();
  assert.match(status.stdout, new RegExp(`\t${transport}\t.*\t${server}\t`));
  up.signal('SIGTERM');
  assert.equal((await up.exited).code, 0);
  assert.equal(await networkOf(laptop), untouched);
}

test('L2TP/IPsec, from a connection of NetworkManager', async (t) => {
  if (!labIsPossible(t, tools)) return;
  const text = l2tpConnection({ gateway: server, password, psk: 'an office secret', ipv4: '' });
  await carries(t, 'l2tp-ipsec', office.lab.write('office.nmconnection', text));
});

test('OpenVPN, from a profile of culvert-ca', async (t) => {
  if (!labIsPossible(t, tools)) return;
  const profile = join(office.lab.folder, 'alice.ovpn');
  const remote = ['--remote', `[${server}]:1194:udp`];
  await office.ca('export', 'alice', ...remote, '--out', profile);
  await carries(t, 'openvpn', profile);
});
