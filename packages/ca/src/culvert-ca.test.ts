/** The program as people run it: its output, its exit codes, and what it writes. */
import assert from 'node:assert/strict';
import { fork, spawn, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { parseAppleProfile, parseOpenvpnProfile } from '@culvert/config';
import { readPkcs12 } from '@culvert/pki';
import { ExitCode } from '@culvert/terminal';
import type { CommandAnswer, CommandRequest } from '../test/command-server.ts';

const program = join(import.meta.dirname, '../bin/culvert-ca');

/** Commands run in one process that stays, one at a time. */
const server = fork(join(import.meta.dirname, '../test/command-server.ts'), {
  execArgv: ['--disable-warning=ExperimentalWarning'],
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  env: { PATH: process.env['PATH'], NO_COLOR: '1' },
});
after(() => server.disconnect());

async function execute(request: CommandRequest): Promise<CommandAnswer> {
  server.send(request);
  const [answer] = await once(server, 'message');
  return answer as CommandAnswer;
}

/** A folder to run in, with or without a CA in `ca`. */
async function workshop(t: TestContext, options: { readonly init?: readonly string[] } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'cv-ca-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const run = (argv: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    execute({ argv, cwd: folder, env: { CULVERT_CA_DIR: join(folder, 'ca'), ...env } });
  const ok = async (...args: string[]) => {
    const { status, stdout, stderr } = await run(args);
    assert.equal(status, ExitCode.ok, stderr);
    return stdout;
  };
  const json = async (...args: string[]) => JSON.parse(await ok(...args, '--json'));
  const fails = async (code: number, message: RegExp, ...args: string[]) => {
    const { status, stderr } = await run(args);
    assert.match(stderr, message);
    assert.equal(status, code, stderr);
  };
  if (options.init !== undefined) await ok('init', ...options.init);
  return { folder, run, ok, json, fails, path: (name: string) => join(folder, name) };
}

const unsealed = { init: ['--no-passphrase', '--name', 'Office CA'] };

test('the life of a certificate: issued, exported, listed, revoked', async (t) => {
  const { ok, json, path } = await workshop(t, unsealed);
  assert.match(
    await ok('issue', 'server', 'vpn.example.com', '--san', '192.0.2.1', '--san', 'gw.example.com', '--out', 'etc'),
    /Wrote etc\/vpn\.example\.com\.key/,
  );
  for (const file of ['vpn.example.com.crt', 'vpn.example.com.key', 'ca.crt', 'crl.pem', 'tls-crypt-v2-server.key']) {
    assert.ok(existsSync(path(`etc/${file}`)), file);
    assert.equal(statSync(path(`etc/${file}`)).mode & 0o777, file.endsWith('.key') ? 0o600 : 0o644, file);
  }
  const alice = await json('issue', 'client', 'alice');
  assert.deepEqual([alice.name, alice.role, alice.status], ['alice', 'client', 'valid']);
  assert.match(await ok('export', 'alice', '--remote', 'vpn.example.com'), /Wrote alice\.ovpn/);
  assert.deepEqual(
    (await json('list')).map((one: { name: string }) => one.name),
    ['alice', 'vpn.example.com'],
  );
  assert.deepEqual(
    (await json('list', '--ending', '400')).map((one: { name: string }) => one.name),
    ['alice'],
  );

  const { revoked, crlNumber } = await json('revoke', 'alice', '--reason', 'keyCompromise', '--out', 'etc/crl.pem');
  assert.deepEqual([revoked[0].serial, revoked[0].reason, crlNumber], [alice.serial, 'keyCompromise', 2]);
  assert.equal(readFileSync(path('etc/crl.pem'), 'utf8'), readFileSync(path('ca/crl.pem'), 'utf8'));
  assert.deepEqual((await json('crl')).serials, [alice.serial]);
  assert.match(
    await ok('list', '--revoked'),
    /^alice\tclient\t[0-9a-f]{32}\t\d{4}-\d\d-\d\d\trevoked \d{4}-\d\d-\d\d \(keyCompromise\)\n$/,
  );
  assert.deepEqual(
    [(await json('show')).valid, (await json('show')).revoked, (await json('show', 'alice')).status],
    [1, 1, 'revoked'],
  );
});

test('an exported profile has all that a client needs, and says nothing that our parser does not know', async (t) => {
  const { ok, path } = await workshop(t, unsealed);
  await ok('issue', 'server', 'vpn.example.com');
  await ok('issue', 'client', 'alice');
  await ok(
    'export',
    'alice',
    '--remote',
    'vpn.example.com:443:tcp',
    '--remote',
    '[2001:db8::1]',
    '--password',
    '--out',
    'a.ovpn',
  );
  assert.equal(statSync(path('a.ovpn')).mode & 0o777, 0o600);
  const { profile, problems } = parseOpenvpnProfile(readFileSync(path('a.ovpn'), 'utf8'), { file: 'a.ovpn' });
  assert.deepEqual(problems, []);
  assert.deepEqual(profile.remotes, [
    { host: 'vpn.example.com', port: 443, protocol: 'tcp', family: undefined },
    { host: '2001:db8::1', port: 1194, protocol: 'udp', family: undefined },
  ]);
  assert.deepEqual(profile.serverName, { kind: 'name', value: 'vpn.example.com' });
  assert.deepEqual(
    [profile.remoteCertTls, profile.wrap.kind, profile.credentials],
    ['server', 'tls-crypt-v2', { kind: 'prompt' }],
  );
  const again = await ok(
    'export',
    'alice',
    '--remote',
    'vpn.example.com',
    '--out',
    '-',
    '--no-tls-crypt',
    '--forget-key',
  );
  assert.match(again, /^client\n/);
  assert.doesNotMatch(again, /tls-crypt/);
});

test('a forgotten key cannot be exported again', async (t) => {
  const { ok, fails } = await workshop(t, unsealed);
  await ok('issue', 'client', 'alice');
  await ok('export', 'alice', '--remote', 'vpn.example.com', '--forget-key');
  await fails(ExitCode.failed, /no longer holds the private key/, 'export', 'alice', '--remote', 'vpn.example.com');
});

test('mistakes have a sentence and the exit code of their kind', async (t) => {
  const { ok, fails, path } = await workshop(t, unsealed);
  await ok('issue', 'server', 'vpn.example.com');
  await ok('issue', 'client', 'alice');
  await fails(ExitCode.usage, /Which command/);
  await fails(ExitCode.usage, /Unknown argument/, 'list', '--frobnicate');
  await fails(ExitCode.usage, /Invalid values/, 'issue', 'router', 'x');
  await fails(ExitCode.usage, /control/, 'issue', 'client', 'a\nb');
  await fails(ExitCode.usage, /neither a DNS name/, 'issue', 'server', 'y', '--san', 'a b');
  await fails(ExitCode.usage, /slash/, 'issue', 'client', '../x');
  await fails(ExitCode.usage, /whole number/, 'issue', 'client', 'x', '--days', '0');
  await fails(ExitCode.usage, /HOST/, 'export', 'alice', '--remote', 'vpn.example.com:0');
  await fails(ExitCode.usage, /is a server/, 'export', 'vpn.example.com', '--remote', 'vpn.example.com');
  await fails(ExitCode.usage, /needs --renew/, 'crl', '--days', '3');
  await fails(ExitCode.failed, /holds a CA already/, 'init', '--no-passphrase');
  await fails(ExitCode.failed, /a valid certificate has this name/, 'issue', 'client', 'alice');
  await fails(ExitCode.failed, /no such certificate: bob/, 'revoke', 'bob');
  await fails(ExitCode.configuration, /holds no CA.*culvert-ca init/, 'list', '--dir', path('nowhere'));
  writeFileSync(path('bad.key'), 'nonsense');
  await fails(ExitCode.configuration, /Static key/, 'export', 'alice', '--remote', 'h', '--tls-crypt', 'bad.key');
});

test('the CA key is sealed by default, and its passphrase comes from a file, the environment or a systemd credential', async (t) => {
  const { run, fails, path } = await workshop(t);
  await fails(ExitCode.usage, /--passphrase-file/, 'init');
  assert.ok(!existsSync(path('ca')), 'nothing was made');
  writeFileSync(path('first'), 'correct horse\n', { mode: 0o600 });
  assert.equal((await run(['init', '--passphrase-file', 'first'])).status, 0);
  await fails(ExitCode.usage, /--passphrase-file/, 'issue', 'client', 'a');
  assert.equal((await run(['issue', 'client', 'a', '--passphrase-file', 'first'])).status, 0);
  assert.equal((await run(['issue', 'client', 'b'], { CULVERT_CA_PASSPHRASE: 'correct horse' })).status, 0);
  assert.equal((await run(['issue', 'client', 'c'], { CULVERT_CA_PASSPHRASE: 'wrong' })).status, ExitCode.refused);
  writeFileSync(path('culvert-ca-passphrase'), 'correct horse', { mode: 0o600 });
  assert.equal((await run(['issue', 'client', 'd'], { CREDENTIALS_DIRECTORY: path('.') })).status, 0);
  assert.equal((await run(['list'])).status, 0, 'reading needs none');
  writeFileSync(path('second'), 'battery staple\n', { mode: 0o600 });
  assert.equal((await run(['passphrase', '--passphrase-file', 'first', '--new-passphrase-file', 'second'])).status, 0);
  assert.equal((await run(['revoke', 'a', '--passphrase-file', 'first'])).status, ExitCode.refused);
  assert.equal((await run(['revoke', 'a', '--passphrase-file', 'second'])).status, 0);
});

test('the passphrase is asked for on a terminal, without showing it', async (t) => {
  const { path } = await workshop(t);
  if (spawnSync('script', ['--version']).error !== undefined) return t.skip('the program script is not installed');
  /** Runs a command on a terminal of its own and types each line of keys when its question has appeared. */
  const onTerminal = async (command: string, typed: readonly (readonly [question: string, keys: string])[]) => {
    const child = spawn('script', ['-qec', `${program} ${command} --dir ${path('ca')}`, '/dev/null']);
    let screen = '';
    let next = 0;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      screen += text;
      const [question, keys] = typed[next] ?? [];
      if (question === undefined || !screen.includes(question)) return;
      next++;
      child.stdin.write(keys ?? '');
    });
    await once(child, 'close');
    return screen;
  };
  const made = await onTerminal('init', [
    ['Passphrase for the new CA key: ', 'geheimX\u007f\r'],
    ['Once more: ', 'geheim\r'],
  ]);
  assert.match(made, /Made "Culvert CA"/);
  const issued = await onTerminal('issue client alice', [['Passphrase of Culvert CA: ', 'geheim\r']]);
  assert.match(issued, /Issued a client certificate for alice/);
  assert.doesNotMatch(made + issued, /geheim/);
  assert.match(await onTerminal('issue client bob', [['Passphrase of Culvert CA: ', 'gehe\u0003']]), /given up/);
  return undefined;
});

test('a PKCS#12 file holds key, certificate and CA under its password', async (t) => {
  const { ok, fails, path } = await workshop(t, unsealed);
  await ok('issue', 'client', 'alice');
  writeFileSync(path('password'), 'import me\n', { mode: 0o600 });
  await fails(ExitCode.usage, /--password-file/, 'export', 'alice', '--format', 'p12');
  await ok('export', 'alice', '--format', 'p12', '--password-file', 'password');
  const content = readPkcs12(readFileSync(path('alice.p12')), 'import me');
  assert.deepEqual(content.others, [readFileSync(path('ca/ca.crt'), 'utf8')]);
  assert.ok((await ok('show', 'alice')).includes(content.certificate));
});

test('L2TP/IPsec for macOS and Windows: with a shared secret without a certificate, else with one of RSA', async (t) => {
  const { run, ok, fails, path } = await workshop(t, unsealed);
  const remote = ['--remote', 'vpn.example.com'];
  writeFileSync(path('psk'), 'office secret\n', { mode: 0o600 });
  await ok('export', 'bob', '--format', 'mobileconfig', ...remote, '--psk-file', 'psk', '--title', 'Office');
  const { profile } = parseAppleProfile(readFileSync(path('bob.mobileconfig'), 'utf8'), { file: 'bob' });
  const psk = new Uint8Array(Buffer.from('office secret'));
  assert.deepEqual(profile, {
    ...{ name: 'Office', server: 'vpn.example.com', username: 'bob', password: undefined, redirect: true },
    machineAuth: { kind: 'psk', psk },
  });
  await ok('export', 'bob', '--format', 'powershell', ...remote, '--psk-file', 'psk', '--split-tunnel');
  assert.match(readFileSync(path('bob.ps1'), 'utf8'), /\$psk = 'office secret'\r\n[\s\S]*-SplitTunneling/);

  await ok('issue', 'client', 'alice', '--algorithm', 'rsa-3072');
  writeFileSync(path('password'), 'import me\n', { mode: 0o600 });
  const args = ['export', 'alice', '--format', 'mobileconfig', ...remote, '--password-file', 'password'];
  await ok(...args);
  const alice = parseAppleProfile(readFileSync(path('alice.mobileconfig'), 'utf8'), { file: 'alice' }).profile;
  assert.ok(alice?.machineAuth.kind === 'pkcs12');
  assert.ok((await ok('show', 'alice')).includes(readPkcs12(alice.machineAuth.pkcs12, 'import me').certificate));
  assert.match(readFileSync(path('ca/ca.crt'), 'utf8'), new RegExp(base64Line(alice.machineAuth.ca)));

  assert.match((await run(args)).stderr, /no valid server certificate .* names vpn\.example\.com.*issue server vpn/);
  await ok('issue', 'server', 'gw.example.com', '--san', 'vpn.example.com', '--san', '192.0.2.1', '--out', 'etc');
  assert.match((await run(args)).stderr, /RSA.*issue the gateway's with/);
  const server = new X509Certificate(readFileSync(path('etc/gw.example.com.crt')));
  assert.deepEqual(server.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.8.2.2'], 'serverAuth and iKEIntermediate');
  assert.equal(server.subjectAltName, 'DNS:gw.example.com, DNS:vpn.example.com, IP Address:192.0.2.1');
  await ok('issue', 'server', '192.0.2.2', '--algorithm', 'rsa-3072');
  const byAddress = [
    'export',
    'alice',
    '--format',
    'powershell',
    '--remote',
    '192.0.2.2',
    '--password-file',
    'password',
  ];
  const written = await run(byAddress);
  assert.deepEqual([written.status, written.stderr], [0, '']);
  const script = readFileSync(path('alice.ps1'), 'utf8');
  assert.match(script, /Cert:\\LocalMachine\\My[\s\S]*'Root', 'LocalMachine'[\s\S]*-AuthenticationMethod MSChapv2/);
  assert.doesNotMatch(script, /L2tpPsk|import me/);

  await fails(
    ExitCode.usage,
    /one HOST/,
    'export',
    'alice',
    '--format',
    'powershell',
    '--remote',
    'vpn.example.com:500',
  );
  await fails(ExitCode.usage, /--remote is missing/, 'export', 'alice');
  await fails(
    ExitCode.usage,
    /--psk-file is for --format mobileconfig/,
    'export',
    'alice',
    ...remote,
    '--psk-file',
    'psk',
  );
  const apple = ['--format', 'mobileconfig', ...remote, '--psk-file', 'psk'];
  await fails(ExitCode.usage, /--tls-crypt is for --format ovpn/, 'export', 'bob', ...apple, '--tls-crypt', 'key');
  await fails(ExitCode.usage, /no key to forget/, 'export', 'bob', ...apple, '--forget-key');
  await fails(ExitCode.usage, /--out/, 'export', 'office/bob', ...apple);
});

/** The first line of a PEM file with these bytes, as a pattern. */
function base64Line(der: Uint8Array | undefined): string {
  return Buffer.from(der ?? [])
    .toString('base64')
    .slice(0, 64)
    .replace(/[+/]/g, '\\$&');
}

test('a renewed certificate goes beside the old one, and into the files of --out', async (t) => {
  const { ok, json, path } = await workshop(t, unsealed);
  await ok('issue', 'server', 'vpn.example.com', '--out', 'etc', '--days', '30');
  const key = readFileSync(path('etc/vpn.example.com.key'), 'utf8');
  const renewed = await json('renew', 'vpn.example.com', '--out', 'etc');
  assert.equal(readFileSync(path('etc/vpn.example.com.key'), 'utf8'), key);
  assert.ok((await ok('show', renewed.serial)).includes(readFileSync(path('etc/vpn.example.com.crt'), 'utf8')));
  assert.equal((await json('list', '--valid')).length, 2);
});

test("keys in a folder of another group's, closed to the rest, can be read by that group; elsewhere by their owner alone", async (t) => {
  if (process.getuid?.() !== 0) {
    assert.ok(process.env['CI'] !== '1' && process.env['CULVERT_CI'] !== '1', 'root is missing');
    return t.skip('needs root');
  }
  const { ok, path } = await workshop(t, unsealed);
  const access = (name: string) => {
    const { mode, gid } = statSync(path(name));
    return [mode & 0o777, gid];
  };
  mkdirSync(path('service'), { mode: 0o750 });
  chownSync(path('service'), 0, 4321);
  await ok('issue', 'server', 'vpn.example.com', '--out', 'service');
  assert.deepEqual(access('service/vpn.example.com.key'), [0o640, 4321]);
  assert.deepEqual(access('service/tls-crypt-v2-server.key'), [0o640, 4321]);
  await ok('renew', 'vpn.example.com', '--out', 'service');
  assert.deepEqual(access('service/vpn.example.com.key'), [0o640, 4321]);
  assert.deepEqual(access('service/crl.pem'), [0o644, 4321]);
  await ok('renew', 'vpn.example.com', '--out', 'plain');
  assert.deepEqual(access('plain/vpn.example.com.key'), [0o600, process.getgid?.()]);
});

test('a name that a shell or a file system could misread stays a name', async (t) => {
  const { ok, path } = await workshop(t, unsealed);
  await ok('issue', 'client', '12345');
  const output = await ok('issue', 'client', "Ann O'Brien; rm -rf $HOME");
  assert.match(output, /culvert-ca export 'Ann O'\\''Brien; rm -rf \$HOME' --remote/);
  await ok('export', "Ann O'Brien; rm -rf $HOME", '--remote', 'vpn.example.com');
  assert.ok(existsSync(path("Ann O'Brien; rm -rf $HOME.ovpn")));
  await ok('export', '12345', '--remote', 'vpn.example.com');
});

test('a CRL that is about to end is mentioned', async (t) => {
  const { run } = await workshop(t, { init: ['--no-passphrase', '--crl-days', '10'] });
  assert.match((await run(['list'])).stderr, /warning: the CRL ends on .*culvert-ca crl --renew/);
  assert.equal((await run(['crl', '--renew', '--days', '90'])).status, 0);
  assert.doesNotMatch((await run(['list'])).stderr, /CRL/);
});

test("the launcher starts the program with the project's own Node", () => {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8', cwd: '/' });
  assert.deepEqual([status, stdout], [0, '0.1.0\n']);
});
