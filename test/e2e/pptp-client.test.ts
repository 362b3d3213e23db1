/** culvert with a PPTP profile of NetworkManager, against culvertd, and against pptpd in a kernel of its own (drawn in pptp/lab.ts). */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Lab, labIsPossible } from '@culvert/testkit';
import { pptpConnection } from './connections.ts';
import { GATEWAY, networkOf, Office, officeAddress, reaches } from './office.ts';
import { inner, labPrograms, PptpLab, password, pptpd } from './pptp/lab.ts';

const culvert = fileURLToPath(new URL('../../packages/client/bin/culvert', import.meta.url));

test('against culvertd: imported knowingly, up, told, down, and the host as it was', async (t) => {
  if (!labIsPossible(t, ['ping', 'nft', 'sysctl'])) return;
  await using office = await Office.open({
    yaml: 'auth: { certificate: optional, password: required }',
    transports: 'pptp: { enabled: true, acceptInsecure: true }',
    push: 'dns: { servers: [10.77.0.2] }',
  });
  const { lab } = office;
  const laptop = office.host('laptop');
  await office.culvertd('user', 'add', 'alice', '--password-file', lab.write('password', `${password}\n`));
  const gateway = await office.startGateway();
  const split = lab.write(
    'office.nmconnection',
    pptpConnection({ gateway: GATEWAY, password, ipv4: 'never-default=true\nroute1=10.77.0.0/24' }),
  );
  const before = await networkOf(laptop);

  const warned = office.culvert(laptop, 'import', split);
  assert.equal((await warned.exited).code, 3);
  assert.match(warned.stderr, /whoever records a session finds its password .*--accept-insecure/);
  const unaccepted = office.culvert(laptop, 'up', split);
  assert.equal((await unaccepted.exited).code, 3, 'nor without importing');
  const imported = await office.culvert(laptop, 'import', split, '--accept-insecure').succeeded();
  assert.match(imported.stderr, /warning: PPTP protects little/);
  assert.match(
    (await office.culvert(laptop, 'list').succeeded()).stdout,
    /^office\tpptp\t192\.0\.2\.1:1723\/tcp\t-\t-$/m,
  );

  const up = office.culvert(laptop, 'up', 'office', '--log-level', 'debug');
  await up.waitFor('the tunnel is up');
  await reaches(laptop, officeAddress.ipv4);
  await reaches(laptop, '10.88.0.1');
  assert.match(await laptop.ip('route get 203.0.113.7'), /dev eth0/, 'never-default');
  assert.match(await laptop.exec('cat', ['/etc/resolv.conf']), /nameserver 10\.77\.0\.2/);
  const status = await office.culvert(laptop, 'status', 'office').succeeded();
  assert.match(status.stdout, /^server +192\.0\.2\.1 \(192\.0\.2\.1 port 1723, tcp\)$/m);
  assert.match(status.stdout, /^transport +pptp$/m);
  assert.match(status.stdout, /^addresses +10\.88\.0\.\d+\/32/m);
  assert.match((await office.culvert(laptop, 'status').succeeded()).stdout, /^office\tup\tpptp\ttun0\t/m);
  await office.culvert(laptop, 'down', 'office').succeeded();
  assert.equal((await up.exited).code, 0);
  assert.equal(await networkOf(laptop), before);
  assert.ok(!up.output.includes(password));

  const wrong = office.culvert(laptop, 'up', 'office', '--password-file', lab.write('wrong', 'guess\n'));
  assert.equal((await wrong.exited).code, 5, wrong.output);
  assert.match(wrong.stderr, /the server refused us/);
  await gateway.waitFor('wrong password for alice');
  assert.equal(await networkOf(laptop), before);
});

test('after the server was killed it comes back by itself, and nothing leaks meanwhile', async (t) => {
  if (!labIsPossible(t, ['ping', 'nft', 'sysctl'])) return;
  await using office = await Office.open({
    yaml: 'auth: { certificate: optional, password: required }',
    transports: 'pptp: { enabled: true, acceptInsecure: true }',
  });
  const { lab } = office;
  const laptop = office.host('laptop');
  await office.culvertd('user', 'add', 'alice', '--password-file', lab.write('password', `${password}\n`));
  const gateway = await office.startGateway();
  const before = await networkOf(laptop);
  const file = lab.write('office.nmconnection', pptpConnection({ gateway: GATEWAY, password }));
  await office.culvert(laptop, 'import', file, '--accept-insecure').succeeded();
  const up = office.culvert(laptop, 'up', 'office');
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

test('against pptpd: everything through the tunnel, and the host as it was', async (t) => {
  if (!labIsPossible(t, [...labPrograms, 'ping'])) return;
  await using files = new Lab();
  await using lab = await PptpLab.open('server');
  const host = lab.ours;
  const env = { CULVERT_PROFILES: join(files.folder, 'profiles'), CULVERT_RUN: join(files.folder, 'run') };
  const run = (...args: string[]) => host.spawn(culvert, args, { env });
  await run(
    'import',
    files.write('office.nmconnection', pptpConnection({ gateway: pptpd, password })),
    '--accept-insecure',
  ).succeeded();
  await lab.server.exec('serve <<X\nrequire-mppe-128\nX');
  const before = await networkOf(host);

  const up = await run('up', 'office', '--background').succeeded();
  assert.match(up.stdout, /office is up: tun0 10\.98\.0\.\d+\/32/);
  // pppd may be up later than we are: what comes to it before is dropped.
  for (const address of [inner.local, `${inner.prefix}1`]) await reaches(host, address);
  assert.match(await host.ip('route get 203.0.113.7'), /dev tun0/);
  assert.match(await host.ip(`route get ${pptpd}`), /dev eth0/);
  await run('down', 'office').succeeded();
  assert.equal(await networkOf(host), before);

  const wrong = run('up', 'office', '--password-file', files.write('wrong', 'guess\n'));
  assert.equal((await wrong.exited).code, 5, wrong.output);
  assert.equal(await networkOf(host), before);
});
