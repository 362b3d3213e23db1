/** `culvertd user ...` as people and scripts run it, without a gateway. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openStore, PasswordHasher } from '@culvert/store';

const program = fileURLToPath(new URL('../../bin/culvertd', import.meta.url));
let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'culvert-user-'));
  writeFileSync(
    join(folder, 'culvertd.yaml'),
    `state: state
control: run/culvertd.sock
network: { ipv4: 10.88.0.0/24 }
tls: { ca: ca, certificate: crt, privateKey: key }
auth: { password: optional }
transports: { openvpn: { wrap: none } }
`,
  );
});
after(() => rmSync(folder, { recursive: true }));

function user(args: string, input = '') {
  const argv = ['user', ...args.split(' '), '--config', join(folder, 'culvertd.yaml')];
  const { status, stdout, stderr } = spawnSync(program, argv, { input, encoding: 'utf8' });
  return { status, stdout, stderr };
}

function list(): { name: string; enabled: boolean; hasPassword: boolean; ipv4?: string; groups: string[] }[] {
  return JSON.parse(user('list --json').stdout);
}

test('users are added with a password from a pipe, changed, locked out and listed; the files of configuration need not be there', async () => {
  assert.deepEqual(
    user('add alice --group staff --group admins --password-file -', 'correct horse\n').stdout,
    'alice added\n',
  );
  assert.equal(user('add bob --no-password --ipv4 10.88.0.20').status, 0);
  const store = openStore(join(folder, 'state', 'users.db'));
  assert.ok(await new PasswordHasher().verify(await store.passwordHash('alice'), 'correct horse'));
  await store.close();
  assert.equal(statSync(join(folder, 'state')).mode & 0o777, 0o700);

  assert.equal(user('set alice --group staff').status, 0);
  assert.equal(user('disable alice').stdout, 'alice disabled\n');
  assert.equal(user('set bob --ipv4 none').status, 0);
  assert.equal(user('passwd alice --no-password').stdout, 'alice has no password\n');
  assert.deepEqual(
    list().map(({ name, enabled, hasPassword, ipv4, groups }) => [name, enabled, hasPassword, ipv4, groups]),
    [
      ['alice', false, false, undefined, ['staff']],
      ['bob', true, false, undefined, []],
    ],
  );
  assert.equal(user('enable alice').stdout, 'alice enabled\n');
  assert.equal(user('remove bob').status, 0);
  assert.match(user('list').stdout, /^alice\tenabled\tno\tstaff\t-\t-\n$/);
});

test('who shows a certificate and is not in the list can be locked out', () => {
  assert.equal(user('disable carol').stdout, 'carol disabled (was not in the list, and is now)\n');
  assert.equal(list().find(({ name }) => name === 'carol')?.enabled, false);
});

for (const [args, status, message] of [
  ['add dave --no-password --ipv4 10.99.0.1', 2, /outside of network\.ipv4/],
  ['add dave --no-password --ipv4 10.88.0.1', 2, /the gateway's own/],
  ['add dave --no-password --network 0.0.0.0/0', 2, /is everything/],
  ['add da:ve --no-password', 2, /a name has letters/],
  ['add dave', 2, /no terminal to ask on: use --password-file/],
  ['set nobody-here --group a', 1, /there is no such user: nobody-here/],
  ['enable nobody-here', 1, /there is no such user/],
  ['passwd nobody-here --no-password', 1, /there is no such user/],
  ['set alice', 2, /change what\?/],
  ['frobnicate alice', 2, /Unknown/],
] as const) {
  test(`user ${args}: exit code ${status}, and a sentence`, () => {
    const outcome = user(args);
    assert.equal(outcome.status, status);
    assert.match(outcome.stderr, message);
  });
}

test('NT hashes are sealed with the key that the configuration names, by hand as by the service, and with no other', () => {
  const config = join(folder, 'pptp.yaml');
  writeFileSync(
    config,
    `state: pptp
secretKey: named.key
network: { ipv4: 10.88.0.0/24 }
tls: { ca: ca, certificate: crt, privateKey: key }
auth: { certificate: optional, password: required }
transports: { openvpn: { wrap: none }, pptp: { enabled: true, acceptInsecure: true } }
`,
  );
  const run = (...argv: string[]) =>
    spawnSync(program, ['user', ...argv, '--config', config], { input: 'correct horse\n', encoding: 'utf8' });
  const missing = run('add', 'alice', '--password-file', '-');
  assert.match(missing.stderr, /named\.key: no such file, and secretKey names it/);
  assert.equal(missing.status, 4);
  writeFileSync(join(folder, 'named.key'), new Uint8Array(32).fill(7), { mode: 0o600 });
  assert.equal(run('add', 'alice', '--password-file', '-').status, 0);
  assert.match(run('list').stdout, /^alice\tenabled\tyes, NT hash\t/);
  assert.deepEqual(
    readdirSync(join(folder, 'pptp')).filter((name) => name.endsWith('.key')),
    [],
  );
});

test('an NT hash is kept of users alone for whom a transport with MS-CHAPv2 is, and goes when that changes', () => {
  const config = join(folder, 'groups.yaml');
  const ppp = 'pptp: { enabled: true, acceptInsecure: true, groups: [legacy] }';
  writeFileSync(
    config,
    `state: groups
network: { ipv4: 10.88.0.0/24 }
tls: { ca: ca, certificate: crt, privateKey: key }
auth: { certificate: optional, password: required }
transports: { openvpn: { wrap: none }, ${ppp} }
`,
  );
  const run = (line: string) => {
    const argv = ['user', ...line.split(' '), '--config', config];
    return spawnSync(program, argv, { input: 'correct horse\n', encoding: 'utf8' }).stdout;
  };
  run('add alice --group staff --password-file -');
  run('add bob --group staff --group legacy --password-file -');
  assert.match(run('list'), /^alice\tenabled\tyes\t.*\nbob\tenabled\tyes, NT hash\t/);
  assert.equal(run('set bob --group staff'), 'bob changed, and the NT hash of the password is forgotten\n');
  assert.equal(run('set bob --group guests'), 'bob changed\n');
  const note = 'MS-CHAPv2 needs an NT hash of the password: culvertd user passwd alice';
  assert.equal(run('set alice --group legacy'), `alice changed; ${note}\n`);
  run('passwd alice --password-file -');
  assert.match(run('list'), /^alice\tenabled\tyes, NT hash\t.*\nbob\tenabled\tyes\t/);
});
