/** culvert with profiles of L2TP/IPsec against culvertd: what culvert-ca exports for Apple's systems, and NetworkManager's connections. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { labIsPossible, type TestHost } from '@culvert/testkit';
import { type ConnectionOptions, l2tpConnection } from './connections.ts';
import { GATEWAY, networkOf, Office, officeAddress, reaches } from './office.ts';

const tools = ['ping', 'nft', 'sysctl'];
const password = 'wallpaper engine';

async function openOffice(l2tpIpsec: string): Promise<Office> {
  const office = await Office.open({
    yaml: 'auth: { certificate: optional, password: required }',
    transports: `l2tpIpsec: { enabled: true, ${l2tpIpsec} }`,
    push: 'dns: { servers: [10.77.0.2] }',
  });
  const { lab } = office;
  lab.write('ipsec.psk', 'an office secret\n');
  lab.write('password', `${password}\n`);
  await office.culvertd('user', 'add', 'alice', '--password-file', join(lab.folder, 'password'));
  return office;
}

const connection = (options: Partial<ConnectionOptions> & { readonly psk?: string } = {}) =>
  l2tpConnection({
    gateway: GATEWAY,
    password,
    psk: 'an office secret',
    ipv4: 'never-default=true\nroute1=10.77.0.0/24',
    ...options,
  });

/** How a connection that does not come up ends. */
async function refusal(office: Office, laptop: TestHost, text: string, ...more: string[]) {
  const file = office.lab.write('refused.nmconnection', text);
  const up = office.culvert(laptop, 'up', file, ...more);
  const { code } = await up.exited;
  return { code, stderr: up.stderr };
}

test('a shared secret: imported from Apple’s profile, everything through the tunnel, and the host as it was', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await openOffice('presharedKey: ipsec.psk');
  const { folder } = office.lab;
  const laptop = office.host('laptop');
  const gateway = await office.startGateway();
  const profile = join(folder, 'office.mobileconfig');
  const psk = ['--psk-file', join(folder, 'ipsec.psk'), '--remote', GATEWAY];
  await office.ca('export', 'alice', '--format', 'mobileconfig', ...psk, '--out', profile);
  const before = await networkOf(laptop);
  await office.culvert(laptop, 'import', profile).succeeded();
  assert.match(
    (await office.culvert(laptop, 'list').succeeded()).stdout,
    /^office\tl2tp-ipsec\t192\.0\.2\.1:500\/udp\tpassword\t-$/m,
  );
  const up = office.culvert(laptop, 'up', 'office', '--password-file', join(folder, 'password'));
  await up.waitFor('the tunnel is up');
  await reaches(laptop, officeAddress.ipv4);
  assert.match(await laptop.ip('route get 203.0.113.7'), /dev tun0/);
  assert.match(await laptop.ip(`route get ${GATEWAY}`), /dev eth0/);
  const status = await office.culvert(laptop, 'status', 'office').succeeded();
  assert.match(status.stdout, /^transport +l2tp-ipsec$/m);
  assert.match(status.stdout, /^ike +\S/m);
  assert.match(status.stdout, /^esp +\S/m);
  await office.culvert(laptop, 'down', 'office').succeeded();
  assert.equal((await up.exited).code, 0);
  assert.equal(await networkOf(laptop), before);
  assert.doesNotMatch(up.output + gateway.output, /office secret|wallpaper engine/);
});

test('certificates: from PKCS#12 in Apple’s profile, its password from a file', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await Office.open({
    yaml: 'auth: { certificate: optional, password: required }',
    transports:
      'l2tpIpsec: { enabled: true, certificate: { ca: server/ca.crt, certificate: server/vpn.example.com.crt, privateKey: server/vpn.example.com.key } }',
  });
  const { folder } = office.lab;
  const laptop = office.host('laptop');
  const opens = office.lab.write('opens', 'opens it\n');
  const secret = office.lab.write('password', `${password}\n`);
  await office.culvertd('user', 'add', 'alice', '--password-file', secret);
  const gateway = await office.startGateway();
  const profile = join(folder, 'alice.mobileconfig');
  await office.ca(
    ...['export', 'alice', '--format', 'mobileconfig', '--remote', GATEWAY],
    ...['--password-file', opens, '--split-tunnel', '--out', profile],
  );
  await office.culvert(laptop, 'import', profile, '--passphrase-file', opens).succeeded();
  const up = office.culvert(laptop, 'up', 'alice', '--password-file', secret);
  await up.waitFor('the tunnel is up');
  await reaches(laptop, '10.88.0.1');
  assert.match(await laptop.ip('route get 203.0.113.7'), /dev eth0/, 'a split tunnel');
  await office.culvert(laptop, 'down', 'alice').succeeded();
  await gateway.waitFor('session ended');
});

test('what goes wrong is told, and then the algorithms that the connection lists do', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await openOffice('presharedKey: ipsec.psk');
  const laptop = office.host('laptop');
  await office.startGateway();
  const before = await networkOf(laptop);
  const wrongSecret = await refusal(office, laptop, connection({ psk: 'another' }));
  assert.deepEqual([wrongSecret.code, /pre-shared key/.test(wrongSecret.stderr)], [5, true], wrongSecret.stderr);
  const guess = office.lab.write('guess', 'guess\n');
  const wrongPassword = await refusal(office, laptop, connection(), '--password-file', guess);
  assert.deepEqual(
    [wrongPassword.code, /the server refused us/.test(wrongPassword.stderr)],
    [5, true],
    wrongPassword.stderr,
  );
  const weak = connection({ vpn: 'ipsec-ike=3des-sha1-modp1024!' });
  assert.equal((await refusal(office, laptop, weak)).code, 3, 'nobody accepted the weak proposals');
  assert.equal(await networkOf(laptop), before);
  const listed = connection({
    vpn: 'ipsec-ike=blowfish128-sha1-modp2048,aes192-sha512-ecp521!\nipsec-esp=aes192-sha384-ecp256',
  });
  await office.culvert(laptop, 'import', office.lab.write('office.nmconnection', listed)).succeeded();
  const up = office.culvert(laptop, 'up', 'office');
  await up.waitFor('the tunnel is up');
  await reaches(laptop, officeAddress.ipv4);
  const { stdout } = await office.culvert(laptop, 'status', 'office').succeeded();
  assert.match(stdout, /^ike +aes192-sha2-512-ecp521/m, 'what the connection lists');
  assert.match(stdout, /^esp +aes192-hmac-sha2-384-192/m);
  up.signal('SIGTERM');
  assert.equal((await up.exited).code, 0);
});

test('after the server was killed it comes back by itself, and nothing leaks meanwhile', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await openOffice('presharedKey: ipsec.psk');
  const laptop = office.host('laptop');
  const gateway = await office.startGateway();
  const before = await networkOf(laptop);
  const all = connection({ vpn: 'lcp-echo-interval=1\nlcp-echo-failure=4', ipv4: '' });
  const up = office.culvert(laptop, 'up', office.lab.write('office.nmconnection', all));
  await up.waitFor('the tunnel is up');
  await gateway.stop('SIGKILL');
  await up.waitFor('the link ended');
  assert.match(await laptop.ip('route get 203.0.113.7'), /dev tun0/);
  await office.startGateway();
  await reaches(laptop, officeAddress.ipv4);
  up.signal('SIGTERM');
  assert.equal((await up.exited).code, 0);
  assert.equal(await networkOf(laptop), before);
});

test('a laptop whose address changes is in again at once', async (t) => {
  if (!labIsPossible(t, tools)) return;
  await using office = await openOffice('presharedKey: ipsec.psk');
  const laptop = office.host('laptop');
  await office.startGateway();
  const all = connection({ ipv4: '' });
  const up = office.culvert(laptop, 'up', office.lab.write('office.nmconnection', all));
  await up.waitFor('the tunnel is up');
  await reaches(laptop, officeAddress.ipv4);
  await laptop.ip('address delete 192.0.2.2/24 dev eth0');
  await laptop.ip('address add 192.0.2.22/24 dev eth0');
  await laptop.ip(`route add default via ${GATEWAY}`);
  await reaches(laptop, officeAddress.ipv4, 40_000);
  assert.equal(up.end, undefined);
  up.signal('SIGTERM');
  assert.equal((await up.exited).code, 0);
});
