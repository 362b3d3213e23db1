import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseNetworkManagerPptp } from '@culvert/config';
import type { LinkConfig } from '@culvert/core';
import { listProfiles, loadProfile, readProfile, storeProfile } from '../profile-store.ts';
import { readPushedConfig } from '../pushed-config.ts';
import { pptpDialOptions } from './dialer.ts';

const directory = mkdtempSync(join(tmpdir(), 'cv-client-'));
const profiles = join(directory, 'profiles');
after(() => rmSync(directory, { recursive: true }));

const text = `[connection]
id=Office
type=vpn

[vpn]
domain=OFFICE
gateway=vpn.example.com
require-mppe-128=yes
user=alice
service-type=org.freedesktop.NetworkManager.pptp

[vpn-secrets]
password=wallpaper engine

[ipv4]
method=auto
`;
const file = join(directory, 'office.nmconnection');
writeFileSync(file, text);

async function read(changed = text) {
  writeFileSync(file, changed);
  return readProfile(file);
}

/** What a PPTP server tells. */
const told: LinkConfig = {
  ipv4: { address: '10.8.0.2', prefix: 32, gateway: '10.8.0.1' },
  ipv6: undefined,
  mtu: 1396,
  routes: [],
  redirect: { ipv4: false, ipv6: false },
  dns: { servers: ['10.8.0.53'], search: [] },
  networksBehind: [],
  keepalive: { interval: 30_000, timeout: 120_000 },
  idleTimeout: undefined,
  sessionTimeout: undefined,
};

test('a stored profile is as it was imported, its risk accepted, in the place of one of another kind', async () => {
  const loaded = await read();
  assert.equal(loaded.name, 'office');
  assert.match(loaded.profile.insecurity?.why ?? '', /whoever records a session finds its password/);
  assert.equal(loaded.profile.insecurity?.accepted, false);
  writeFileSync(join(directory, 'old.ovpn'), 'client\nremote vpn.example.com\nauth-user-pass\n<ca>\nTHE CA\n</ca>\n');
  const old = await storeProfile(profiles, await readProfile(join(directory, 'old.ovpn'), 'office'), false);
  const accepted = { ...loaded, profile: loaded.profile.accept() };
  await assert.rejects(storeProfile(profiles, accepted, false), { code: 'CULVERT_CLIENT_PROFILE_EXISTS' });
  const stored = await storeProfile(profiles, accepted, true);
  assert.equal(statSync(stored).mode & 0o777, 0o600);
  assert.throws(() => readFileSync(old), { code: 'ENOENT' });
  assert.deepEqual(await listProfiles(profiles), ['office']);
  const { profile } = await loadProfile(profiles, 'office');
  assert.equal(profile.kind, 'pptp');
  assert.equal(profile.insecurity?.accepted, true);
  assert.deepEqual(profile.remotes, [{ host: 'vpn.example.com', port: 1723, protocol: 'tcp', family: 4 }]);
  assert.deepEqual(profile.needs.credentials, { username: 'alice', password: 'wallpaper engine', file: undefined });
});

test('without never-default all traffic is redirected, and IPv6 that the server does not have goes nowhere', async () => {
  const { profile } = await read();
  const { config } = readPushedConfig(profile.filterPushed(told), profile.network, { ipv6: true });
  assert.deepEqual(config.redirect, { 4: 'tunnel', 6: 'block' });
  assert.deepEqual(config.dns.servers, ['10.8.0.53']);
});

test('the device takes no larger packets than the server, and without IPv6 where that needs them', async () => {
  const { profile } = await read();
  const ipv6 = { address: 'fd00::7', prefix: 64, gateway: 'fe80::1' };
  for (const [mtu, addresses] of [
    [1_280, ['10.8.0.2/32', 'fd00::7/64']],
    [1_196, ['10.8.0.2/32']],
    [400, ['10.8.0.2/32']],
  ] as const) {
    const { config } = readPushedConfig(profile.filterPushed({ ...told, ipv6, mtu }), profile.network, { ipv6: true });
    assert.deepEqual([config.mtu, config.addresses], [mtu, addresses]);
  }
});

test('with never-default the routes are the profile’s, the server’s address and its name servers', async () => {
  const { profile } = await read(text.replace('method=auto', 'never-default=true\nroute1=10.1.0.0/16\ndns=10.1.0.53;'));
  const { config } = readPushedConfig(profile.filterPushed(told), profile.network, { ipv6: true });
  assert.deepEqual(config.redirect, { 4: 'no', 6: 'no' });
  const networks = config.routes.map(({ network }) => network);
  assert.deepEqual(networks, ['10.1.0.0/16', '10.8.0.1/32', '10.8.0.53/32']);
  assert.deepEqual(config.dns.servers, ['10.1.0.53', '10.8.0.53']);
});

test('with ignore-auto-dns the server’s name servers are not used', async () => {
  const { profile } = await read(text.replace('method=auto', 'ignore-auto-dns=true\ndns=10.1.0.53;'));
  const { config } = readPushedConfig(profile.filterPushed(told), profile.network, { ipv6: true });
  assert.deepEqual(config.dns.servers, ['10.1.0.53']);
  assert.deepEqual(
    config.routes.map(({ network }) => network),
    ['10.8.0.1/32'],
  );
});

test('what a connection says of encryption, domain and silence goes into the dial', () => {
  const dialOptions = (changed: string, username = 'alice') => {
    const { profile } = parseNetworkManagerPptp(changed, { file });
    assert.ok(profile);
    const credentials = { username, password: 'x' };
    return pptpDialOptions(profile, { credentials, passphrase: undefined, presharedKey: undefined });
  };
  assert.deepEqual(dialOptions(text), {
    username: 'OFFICE\\alice',
    password: 'x',
    ipv6: true,
    strengths: [128],
    stateful: false,
  });
  assert.equal(dialOptions(text, 'HOME\\bob').username, 'HOME\\bob');
  const other = dialOptions(
    text.replace(
      'require-mppe-128=yes',
      'require-mppe-40=yes\nmppe-stateful=yes\nlcp-echo-interval=10\nlcp-echo-failure=3',
    ),
  );
  assert.deepEqual([other.strengths, other.stateful], [[40], true]);
  assert.deepEqual(other.keepalive, { interval: 10_000, timeout: 30_000 });
});

test('a connection of NetworkManager for something else is told by its type', async () => {
  for (const [from, to] of [
    ['NetworkManager.pptp', 'NetworkManager.openvpn'],
    [/^type=vpn[\s\S]*pptp$/m, 'type=wireguard'],
  ] as const) {
    await assert.rejects(read(text.replace(from, to)), {
      code: 'CULVERT_CLIENT_PROFILE',
      message: /of type (?:org\.freedesktop\.NetworkManager\.openvpn|wireguard);/,
    });
  }
});
