/*
 *   client eth0 192.0.2.2   ── 192.0.2.1   server (openvpn) 198.51.100.1        inside: 10.99.0.0/24, fd99::/64
 *          eth1 203.0.113.2 ── 203.0.113.1 (down, until a test moves the client there)
 *
 * The program as users run it, against the real openvpn.
 */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import {
  eventually,
  type HostProcess,
  type Identity,
  Lab,
  labIsPossible,
  type OpenvpnPeer,
  pem,
  startOpenvpn,
  TestCa,
  type TestHost,
  tlsCryptV2Keys,
} from '@culvert/testkit';
import type { TunnelDescription } from './status.ts';

const culvert = join(import.meta.dirname, '../bin/culvert');

let lab: Lab;
let client: TestHost;
let server: TestHost;
let ca: TestCa;
let identities: { server: Identity; alice: Identity; mallory: Identity };
let keys: { server: string; client: string };
let possible = false;

before(async (t) => {
  possible = labIsPossible(t as never, ['openvpn', 'openssl', 'ping', 'nft']);
  if (!possible) return;
  lab = new Lab();
  ca = await TestCa.create(`${lab.folder}/ca`);
  identities = {
    server: await ca.issue('vpn', { role: 'server' }),
    alice: await ca.issue('alice', { role: 'client' }),
    mallory: await ca.issue('mallory', { role: 'client' }),
  };
  await ca.revoke(identities.mallory);
  keys = await tlsCryptV2Keys(lab);
  client = await lab.createHost('client');
  server = await lab.createHost('server');
  await lab.joinHosts(client, server, {
    addresses: [
      ['192.0.2.2/24', '2001:db8::2/64'],
      ['192.0.2.1/24', '2001:db8::1/64'],
    ],
  });
  await lab.joinHosts(client, server, { addresses: [['203.0.113.2/24'], ['203.0.113.1/24']] });
  await client.ip('link set eth1 down');
  await client.ip('route add default via 192.0.2.1');
  await client.ip('-6 route add default via 2001:db8::1');
  await server.ip('address add 198.51.100.1/32 dev lo');
  client.setResolvConf('nameserver 192.0.2.53\n');
});

after(async () => {
  if (possible) await lab.close();
});

afterEach(async () => {
  if (!possible) return;
  await Promise.all([...client.processes, ...server.processes].map((each) => each.stop('SIGKILL')));
});

let servers = 0;

/** @param silence seconds after which a client takes it for gone: more than a busy machine stands still */
async function serve(config = '', silence = 20): Promise<OpenvpnPeer> {
  const peer = startOpenvpn(lab, server, {
    label: `server${servers++}`,
    config: `dev tun\nverb 3\nserver 10.99.0.0 255.255.255.0\nserver-ipv6 fd99::/64\ntopology subnet\ndh none\nproto udp
keepalive 1 ${silence}\nca ${ca.certificate}\ncert ${identities.server.certificate}\nkey ${identities.server.key}
tls-crypt-v2 ${keys.server}\ncrl-verify ${ca.crl}\n${config}\n`,
  });
  await peer.up();
  return peer;
}

function profile(name: string, options: { readonly who?: Identity; readonly more?: string } = {}): string {
  const who = options.who ?? identities.alice;
  return lab.write(
    `${name}.ovpn`,
    `client\ndev tun\nnobind\nremote 192.0.2.1 1194 udp\nremote-cert-tls server\nca ${ca.certificate}\ncert ${who.certificate}
key ${who.key}\ntls-crypt-v2 ${keys.client}\nconnect-retry 1 2\n${options.more ?? ''}\n`,
  );
}

function run(...args: string[]): HostProcess {
  return client.spawn(culvert, args, {
    env: { CULVERT_RUN: `${lab.folder}/run`, CULVERT_PROFILES: `${lab.folder}/profiles` },
  });
}

async function dump(): Promise<string> {
  const parts = ['-o address', '-4 route show table all', '-6 route show table all', 'rule', '-o link'];
  const texts = [];
  // The kernel's own link-local addresses settle late and would blur the dumps.
  for (const part of parts) texts.push((await client.ip(part)).replaceAll(/^.*fe80:.*\n/gm, ''));
  texts.push(await client.exec('nft', ['list', 'ruleset']));
  texts.push(await client.exec('cat', ['/etc/resolv.conf']));
  return texts.join('\n');
}

async function status(): Promise<TunnelDescription> {
  return JSON.parse((await run('status', 'office', '--json').succeeded()).stdout) as TunnelDescription;
}

const ping = (address: string) => client.exec('ping', ['-c', '2', '-i', '0.2', '-W', '5', address]);

test('import, up, ping, status, down: the host is as it was', async (t) => {
  if (!possible) return t.skip('see above');
  const before = await dump();
  await serve(
    'push "route 198.51.100.0 255.255.255.0"\npush "dhcp-option DNS 10.99.0.53"\npush "dhcp-option DOMAIN office.example"',
  );
  const file = profile('office');
  await run('import', file).succeeded();
  assert.match((await run('list').succeeded()).stdout, /^office\topenvpn\t192\.0\.2\.1:1194\/udp/);
  const up = run('up', 'office');
  await up.waitFor('the tunnel is up');
  await ping('10.99.0.1');
  await ping('fd99::1');
  await ping('198.51.100.1');
  assert.match(await client.ip('route get 198.51.100.1'), / dev tun0 /);
  assert.match(
    await client.exec('cat', ['/etc/resolv.conf']),
    /nameserver 10\.99\.0\.53\nnameserver 192\.0\.2\.53\nsearch office\.example\n/,
  );

  const described = await status();
  assert.equal(described.state, 'up');
  assert.equal(described.device, 'tun0');
  assert.match(described.addresses.join(' '), /^10\.99\.0\.\d+\/24 fd99::\d+\/64$/);
  assert.ok((described.traffic?.packetsIn ?? 0) >= 3);
  const second = await run('up', 'office').exited;
  assert.equal(second.code, 1, 'a tunnel that is up is not brought up again');

  await run('down', 'office').succeeded();
  assert.equal((await up.exited).code, 0);
  assert.equal(await dump(), before);
  assert.equal((await run('status', 'office').exited).code, 6);
});

test('redirected, killed, and undone by down', async (t) => {
  if (!possible) return t.skip('see above');
  const before = await dump();
  await serve('push "redirect-gateway def1 ipv6"\npush "dhcp-option DNS 10.99.0.53"');
  const up = run('up', profile('office'));
  await up.waitFor('the tunnel is up');
  assert.match(await client.ip('route get 8.8.8.8'), / dev tun0 /);
  assert.match(await client.ip('-6 route get 2001:db8:ffff::1'), / dev tun0 /);
  assert.match(await client.ip('route get 192.0.2.1'), / dev eth0 /);
  await ping('10.99.0.1');
  assert.equal(
    await client.exec('cat', ['/etc/resolv.conf']).then((text) => /^nameserver 192\.0\.2\.53/m.test(text)),
    false,
  );

  up.signal('SIGKILL');
  await up.exited;
  assert.notEqual(await dump(), before, 'the kill left something behind');
  const down = await run('down', 'office').succeeded();
  assert.match(down.stdout, /undone/);
  assert.equal(await dump(), before);
});

test('a server that restarts: the redirect stays meanwhile, and the tunnel comes back', async (t) => {
  if (!possible) return t.skip('see above');
  const before = await dump();
  const peer = await serve('push "redirect-gateway def1"', 4);
  const up = run('up', profile('office'));
  await up.waitFor('the tunnel is up');
  await peer.process.stop('SIGKILL');
  await up.waitFor(/the link ended .*cause=lost/, 20_000);
  assert.match(await client.ip('route get 8.8.8.8'), / dev tun0 /);
  assert.equal((await status()).state, 'reconnecting');
  lab.write('alice', 'ifconfig-push 10.99.0.100 255.255.255.0\n');
  await serve('push "redirect-gateway def1"\nclient-config-dir .');
  await eventually('the tunnel is up again', async () => ((await status()).links === 2 ? true : undefined), 60_000);
  await ping('10.99.0.1');
  const described = await status();
  assert.match(described.addresses[0] ?? '', /^10\.99\.0\.1\d\d\/24$/, 'the new address is in use');
  assert.doesNotMatch(await client.ip('-o -4 address show dev tun0'), /10\.99\.0\.\d\/24/);
  up.signal('SIGTERM');
  assert.equal((await up.exited).code, 0);
  assert.equal(await dump(), before);
});

test('in the background: up tells how it went, also for a revoked certificate', async (t) => {
  if (!possible) return t.skip('see above');
  const before = await dump();
  await serve();
  const up = await run('up', profile('office'), '--background').succeeded();
  assert.match(up.stdout, /office is up: tun0 10\.99\.0\./);
  await ping('10.99.0.1');
  await run('down', 'office').succeeded();

  // An unmodified 2.6 says nothing to a revoked certificate: the reason must be guessed, and is told.
  const mallory = profile('office', { who: identities.mallory, more: 'hand-window 4\nconnect-retry-max 1' });
  const refused = run('up', mallory, '--background');
  assert.equal((await refused.exited).code, 1, refused.output);
  assert.match(refused.stderr, /no server could be reached: .*certificate/);
  assert.equal(await dump(), before);
});

test('a wrong password ends with exit code 5, the right one connects', async (t) => {
  if (!possible) return t.skip('see above');
  const check = lab.writeProgram('check.sh', '#!/bin/sh\n[ "$(tail -n 1 "$1")" = "right" ]\n');
  await serve(`script-security 2\nauth-user-pass-verify ${check} via-file\ntmp-dir ${lab.folder}`);
  const file = profile('office', { more: 'auth-user-pass' });
  const wrong = run('up', file, '--username', 'alice', '--password-file', lab.write('wrong', 'wrong\n'));
  assert.equal((await wrong.exited).code, 5, wrong.output);
  assert.doesNotMatch(wrong.output, /wrong\b.*wrong\b/);
  const right = run('up', file, '--username', 'alice', '--password-file', lab.write('right', 'right\n'));
  await right.waitFor('the tunnel is up');
  right.signal('SIGINT');
  assert.equal((await right.exited).code, 0);
  const nobody = run('up', file);
  assert.equal((await nobody.exited).code, 2, 'without a terminal and without a password');
});

test('a server of another CA is not trusted, and the reason is told', async (t) => {
  if (!possible) return t.skip('see above');
  const foreign = await TestCa.create(`${lab.folder}/foreign`, 'Foreign CA');
  await serve();
  const file = profile('office');
  const text = readFileSync(file, 'utf8').replace(ca.certificate, foreign.certificate);
  rmSync(file);
  const up = run('up', lab.write('office.ovpn', text));
  assert.equal((await up.exited).code, 1, up.output);
  assert.match(up.stderr, /not the one that the profile names: .*signed by a CA that is not ours/);
  assert.match(pem(ca.certificate), /BEGIN CERTIFICATE/);
});

test('a laptop that moves to another network keeps its tunnel', async (t) => {
  if (!possible) return t.skip('see above');
  await serve('multihome\npush "redirect-gateway def1"');
  const file = profile('office');
  const text = readFileSync(file, 'utf8').replace('remote 192.0.2.1', 'remote 198.51.100.1');
  const up = run('up', lab.write('office.ovpn', text));
  await up.waitFor('the tunnel is up');
  await ping('10.99.0.1');
  await client.ip('link set eth0 down');
  assert.match(
    await client.ip('route show 198.51.100.1'),
    /^unreachable/,
    'without an uplink nothing enters its own tunnel',
  );
  await client.ip('link set eth1 up');
  await client.ip('route add default via 203.0.113.1');
  await eventually('the server is pinned to the new uplink', async () =>
    /via 203\.0\.113\.1/.test(await client.ip('route show 198.51.100.1')) ? true : undefined,
  );
  await eventually('packets pass again', () =>
    ping('10.99.0.1').then(
      () => true,
      () => undefined,
    ),
  );
  assert.equal((await status()).links, 1);
  up.signal('SIGTERM');
  assert.equal((await up.exited).code, 0);
  await client.ip('link set eth1 down');
  await client.ip('link set eth0 up');
  await client.ip('route add default via 192.0.2.1');
});

test('over TCP; and the next up undoes what a killed one left', async (t) => {
  if (!possible) return t.skip('see above');
  await serve('proto tcp-server\npush "redirect-gateway def1"');
  const file = profile('office');
  const text = readFileSync(file, 'utf8').replace('1194 udp', '1194 tcp');
  lab.write('office.ovpn', text);
  const before = await dump();
  const killed = run('up', file);
  await killed.waitFor('the tunnel is up');
  await ping('10.99.0.1');
  killed.signal('SIGKILL');
  await killed.exited;
  const up = run('up', file);
  await up.waitFor('undoing them now');
  await up.waitFor('the tunnel is up');
  await ping('10.99.0.1');
  up.signal('SIGTERM');
  assert.equal((await up.exited).code, 0);
  assert.equal(await dump(), before);
});

test('without privileges: a plain sentence and exit code 4', async (t) => {
  if (!possible) return t.skip('see above');
  const words = ['--inh-caps=-all', '--bounding-set=-all', culvert, 'up', profile('office')];
  const up = client.spawn('setpriv', words, { env: { CULVERT_RUN: `${lab.folder}/run` } });
  assert.equal((await up.exited).code, 4, up.output);
  assert.match(up.stderr, /^culvert: .*CAP_NET_ADMIN/m);
  assert.doesNotMatch(up.output, /\n +at /, 'no stack');
});

test('a password is asked for on the terminal and does not show there', async (t) => {
  if (!possible) return t.skip('see above');
  const check = lab.writeProgram('check.sh', '#!/bin/sh\n[ "$(tail -n 1 "$1")" = "right" ]\n');
  await serve(`script-security 2\nauth-user-pass-verify ${check} via-file\ntmp-dir ${lab.folder}`);
  const file = profile('office', { more: 'auth-user-pass' });
  // script(1) gives it a terminal; what it types comes when the question stands there.
  const answers = '{ read -r _ < q1; printf "alice\\r"; read -r _ < q2; printf "rigt\\177ht\\r"; read -r _ < q3; }';
  const program = `mkfifo q1 q2 q3; ${answers} | script -qefc "${culvert} up ${file}" /dev/null | tee log`;
  const shell = client.spawn('sh', ['-c', program], { cwd: lab.folder, env: { CULVERT_RUN: `${lab.folder}/run` } });
  await shell.waitFor('User name: ');
  lab.write('q1', '\n');
  await shell.waitFor('Password of alice: ');
  lab.write('q2', '\n');
  await shell.waitFor('the tunnel is up');
  assert.doesNotMatch(shell.output, /right|rigt/);
  await run('down', 'office').succeeded();
  lab.write('q3', '\n');
});

test('stopped while it connects: it ends at once', async (t) => {
  if (!possible) return t.skip('see above');
  const before = await dump();
  const up = run('up', profile('office'));
  await up.waitFor('connecting');
  up.signal('SIGTERM');
  assert.equal((await up.exited).code, 0);
  assert.equal(await dump(), before);
});
