/**
 * The program itself, on a host of its own:
 *
 *     client (openvpn) ──192.0.2.0/24── gateway (culvertd) ──192.168.77.0/24── office
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  eventually,
  type HostProcess,
  Lab,
  labIsPossible,
  openvpnVersion,
  TestCa,
  type TestHost,
} from '@culvert/testkit';
import type { GatewayStatus, SessionStatus } from './status.ts';

const program = fileURLToPath(new URL('../bin/culvertd', import.meta.url));

async function openBed(more = '') {
  const lab = new Lab();
  const gateway = await lab.createHost('gateway');
  const client = await lab.createHost('client');
  const office = await lab.createHost('office');
  await lab.joinHosts(gateway, client, { addresses: [['192.0.2.1/24'], ['192.0.2.2/24']] });
  await lab.joinHosts(gateway, office, { addresses: [['192.168.77.1/24'], ['192.168.77.5/24']] });
  const ca = await TestCa.create(join(lab.folder, 'ca'));
  const server = await ca.issue('vpn.test', { role: 'server' });
  const config = lab.write(
    'culvertd.yaml',
    `state: state
control: run/culvertd.sock
network: { ipv4: 10.88.0.0/24, ipv6: "fd88::/64" }
push: { routes: [192.168.77.0/24] }
tls: { ca: ${ca.certificate}, certificate: ${server.certificate}, privateKey: ${server.key}, crl: { file: ${ca.crl} } }
transports: { openvpn: { wrap: none } }
${more}`,
  );
  for (const folder of [lab.folder, ca.folder]) chmodSync(folder, 0o755);
  chmodSync(config, 0o644);
  const culvertd = (...args: string[]) => gateway.spawn(program, [...args, '--config', config]);
  const ask = async (...args: string[]) => (await culvertd(...args).succeeded()).stdout;
  const sessions = async () => JSON.parse(await ask('session', 'list', '--json')) as SessionStatus[];
  return {
    lab,
    gateway,
    client,
    office,
    ca,
    config,
    culvertd,
    ask,
    sessions,
    [Symbol.asyncDispose]: () => lab.close(),
  };
}

/** What a gateway may change on its host, as text to compare. Numbers of devices and times are left out. */
async function dump(host: TestHost): Promise<string> {
  const parts = [await host.ip('-br address'), await host.ip('route'), await host.ip('-6 route')];
  parts.push(await host.exec('nft', ['list', 'ruleset']));
  for (const key of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'])
    parts.push(await host.exec('sysctl', [key]));
  return parts.join('\n');
}

test('started as root it runs with three capabilities, and SIGTERM leaves the host as it was', async (t) => {
  if (!labIsPossible(t, ['nft', 'setpriv', 'openssl'])) return;
  await using bed = await openBed();
  const before = await dump(bed.gateway);
  const run = bed.culvertd('run');
  await run.waitFor('culvertd is up');
  const status = JSON.parse(await bed.ask('status', '--json')) as GatewayStatus;
  const proc = readFileSync(`/proc/${status.pid}/status`, 'utf8');
  // The folder of a checkout may be closed to others: then it stays uid 0, without root's capabilities.
  const readable = spawnSync('setpriv', ['--reuid=65534', '--clear-groups', 'test', '-r', program]).status === 0;
  assert.match(proc, readable ? /^Uid:\t[1-9]/m : /^Uid:\t0\t/m);
  assert.match(proc, /^CapEff:\t0000000000003400$/m);
  assert.match(proc, /^CapBnd:\t0000000000003400$/m);
  assert.match(proc, /^NoNewPrivs:\t1$/m);
  assert.deepEqual(status.network, { ipv4: '10.88.0.0/24', ipv6: 'fd88::/64', mode: 'nat' });
  assert.match(await dump(bed.gateway), /culvert0 .*10\.88\.0\.1\/24[\s\S]*masquerade[\s\S]*ip_forward = 1/);

  const second = bed.culvertd('run');
  assert.equal((await second.exited).code, 1);
  assert.match(second.stderr, /culvertd runs already/);

  assert.deepEqual(await run.stop('SIGTERM'), { code: 0, signal: null });
  assert.equal(await dump(bed.gateway), before);
  assert.equal((await bed.culvertd('status').exited).code, 6, 'nobody answers');
});

test('what a killed gateway left is undone by the next one', async (t) => {
  if (!labIsPossible(t, ['nft', 'setpriv', 'openssl'])) return;
  await using bed = await openBed();
  const before = await dump(bed.gateway);
  const first = bed.culvertd('run');
  await first.waitFor('culvertd is up');
  await first.stop('SIGKILL');
  assert.notEqual(await dump(bed.gateway), before);
  const next = bed.culvertd('run');
  await next.waitFor('culvertd is up');
  assert.deepEqual(await next.stop('SIGTERM'), { code: 0, signal: null });
  assert.equal(await dump(bed.gateway), before);
});

test('an openvpn client reaches the office; a disabled user and a revoked certificate are out', async (t) => {
  if (!labIsPossible(t, ['nft', 'setpriv', 'openssl', 'openvpn', 'ping'])) return;
  await using bed = await openBed();
  t.diagnostic(`openvpn ${await openvpnVersion()}`);
  const run = bed.culvertd('run');
  await run.waitFor('culvertd is up');
  const alice = await bed.ca.issue('alice', { role: 'client' });
  const options = `--client --dev tun --remote 192.0.2.1 --nobind --ca ${bed.ca.certificate} --cert ${alice.certificate} --key ${alice.key}`;
  const connect = async (): Promise<HostProcess> => {
    const openvpn = bed.client.spawn('openvpn', [...options.split(' '), '--remote-cert-tls', 'server', '--verb', '3']);
    await openvpn.waitFor('Initialization Sequence Completed');
    return openvpn;
  };
  const openvpn = await connect();
  await bed.client.exec('ping', ['-c', '1', '-W', '5', '192.168.77.5']);
  await bed.client.exec('ping', ['-c', '1', '-W', '5', 'fd88::1']);
  const [session] = await bed.sessions();
  assert.equal(session?.user, 'alice');

  await bed.ask('user', 'disable', 'alice');
  await run.waitFor(/ending a session .*cause=revoked reason="alice was disabled"/);
  await openvpn.waitFor(/AUTH_FAILED/);
  await openvpn.exited;
  await bed.ask('user', 'enable', 'alice');

  const again = await connect();
  assert.equal((await bed.sessions())[0]?.ipv4, session?.ipv4, 'the same address again');
  await bed.ca.revoke(alice);
  await run.waitFor(/ending a session .*reason="the certificate of alice was revoked/);
  await again.exited;
  const refused = bed.client.spawn('openvpn', [...options.split(' '), '--tls-exit', '--verb', '3']);
  await run.waitFor(/a peer did not get in .*revoked/);
  await refused.stop();
});

test('with certificate and password wanted, both must be right', async (t) => {
  if (!labIsPossible(t, ['nft', 'setpriv', 'openssl', 'openvpn'])) return;
  await using bed = await openBed('auth: { certificate: required, password: required }');
  const run = bed.culvertd('run');
  await run.waitFor('culvertd is up');
  await bed.ask('user', 'add', 'alice', '--password-file', bed.lab.write('password', 'correct horse\n'));
  const alice = await bed.ca.issue('alice', { role: 'client' });
  const connect = (password: string) => {
    const login = bed.lab.write('login', `alice\n${password}\n`);
    const options = `--client --dev tun --remote 192.0.2.1 --nobind --ca ${bed.ca.certificate} --cert ${alice.certificate} --key ${alice.key}`;
    return bed.client.spawn('openvpn', [...options.split(' '), '--auth-user-pass', login, '--verb', '3']);
  };
  const wrong = connect('battery staple');
  await wrong.waitFor(/AUTH_FAILED/);
  await wrong.exited;
  await run.waitFor(/a peer was refused .*reason="wrong password for alice"/);
  const right = connect('correct horse');
  await right.waitFor('Initialization Sequence Completed');
  assert.deepEqual((await bed.sessions())[0]?.proofs, ['certificate', 'password']);
  assert.doesNotMatch(run.output, /horse|staple/);
});

test('reload takes what can be taken, and a broken file changes nothing', async (t) => {
  if (!labIsPossible(t, ['nft', 'setpriv', 'openssl'])) return;
  await using bed = await openBed();
  const run = bed.culvertd('run');
  await run.waitFor('culvertd is up');
  const good = readFileSync(bed.config, 'utf8');
  bed.lab.write(
    'culvertd.yaml',
    good.replace('192.168.77.0/24', '192.168.0.0/16').replace('wrap: none', 'wrap: none, replayWindow: 128'),
  );
  const report = JSON.parse(await bed.ask('reload', '--json'));
  const notRead = [join(bed.ca.folder, 'vpn.test.key')];
  assert.deepEqual(report, { applied: ['push.routes'], restart: ['transports.openvpn.replayWindow'], notRead });
  bed.lab.write('culvertd.yaml', `${good}\nauth: { certificate: maybe }\n`);
  const broken = bed.culvertd('reload');
  assert.equal((await broken.exited).code, 3);
  assert.match(broken.stderr, /culvertd\.yaml:\d+: auth\.certificate: found "maybe"/);
  bed.lab.write('culvertd.yaml', good);
  run.signal('SIGHUP');
  await eventually('the second reload', () => run.output.includes('configuration read again'));
});

test('files that the service user cannot read again are told, and keep root’s uid but none of its capabilities', async (t) => {
  if (!labIsPossible(t, ['nft', 'setpriv', 'openssl'])) return;
  await using bed = await openBed();
  chmodSync(bed.ca.folder, 0o700);
  const run = bed.culvertd('run');
  await run.waitFor(/user \w+ cannot read .*staying uid 0/);
  await run.waitFor('culvertd is up');
  const { pid } = JSON.parse(await bed.ask('status', '--json')) as GatewayStatus;
  assert.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^CapBnd:\t0000000000003400$/m);
  assert.deepEqual(await run.stop('SIGTERM'), { code: 0, signal: null });
});

test('a device that is taken away ends the gateway with a sentence, and nothing stays', async (t) => {
  if (!labIsPossible(t, ['nft', 'setpriv', 'openssl'])) return;
  await using bed = await openBed();
  const before = await dump(bed.gateway);
  const run = bed.culvertd('run');
  await run.waitFor('culvertd is up');
  await bed.gateway.ip('link delete culvert0');
  assert.equal((await run.exited).code, 1);
  assert.match(run.stderr, /culvertd: .*culvert0/);
  assert.equal(await dump(bed.gateway), before);
});

test('mistakes stop check and run before anything is touched', async (t) => {
  if (!labIsPossible(t, ['openssl'])) return;
  await using bed = await openBed();
  bed.lab.write('culvertd.yaml', readFileSync(bed.config, 'utf8').replace('fd88::/64', 'fd88::1/64'));
  for (const command of ['check', 'run']) {
    const outcome = bed.culvertd(command);
    assert.equal((await outcome.exited).code, 3, command);
    assert.match(
      outcome.stderr,
      /culvertd\.yaml:3: network\.ipv6: found "fd88::1\/64", expected fd88::\/64 \(host bits are set\)/,
    );
  }
});
