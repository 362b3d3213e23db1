import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyOpenvpnProfile, type OpenvpnProfile } from '@culvert/config';
import type { LinkConfig } from '@culvert/core';
import fc from 'fast-check';
import { openvpnClientProfile } from './openvpn/kind.ts';
import { readPushedConfig } from './pushed-config.ts';

const base: LinkConfig = {
  ipv4: { address: '10.8.0.2', prefix: 24, gateway: '10.8.0.1' },
  ipv6: { address: 'fd00::2', prefix: 64, gateway: 'fd00::1' },
  mtu: 1400,
  routes: ['192.168.10.0/24', 'fd10::/48'],
  redirect: { ipv4: false, ipv6: false },
  dns: { servers: ['10.8.0.1'], search: ['office.example'] },
  networksBehind: [],
  keepalive: { interval: 10_000, timeout: 60_000 },
  idleTimeout: undefined,
  sessionTimeout: undefined,
};

function read(pushed: Partial<LinkConfig>, profile: Partial<OpenvpnProfile> = {}, ipv6 = true) {
  const { filterPushed, network } = openvpnClientProfile({ ...emptyOpenvpnProfile(), ...profile });
  return readPushedConfig(filterPushed({ ...base, ...pushed }), network, { ipv6 });
}

const networks = (config: { readonly routes: readonly { readonly network: string }[] }) =>
  config.routes.map(({ network }) => network);

test('what an honest server pushes is used as it is', () => {
  const { config, notes } = read({});
  assert.deepEqual(notes, []);
  assert.deepEqual(config, {
    addresses: ['10.8.0.2/24', 'fd00::2/64'],
    mtu: 1400,
    routes: [
      { network: '192.168.10.0/24', metric: undefined },
      { network: 'fd10::/48', metric: undefined },
    ],
    bypass: [],
    redirect: { 4: 'no', 6: 'no' },
    dns: { servers: ['10.8.0.1'], search: ['office.example'] },
  });
});

test('routes into this host, the link or groups are refused; a route to everything is a redirect', () => {
  const bad = [
    '127.0.0.0/8',
    '127.1.2.3/32',
    '169.254.0.0/16',
    '224.0.0.0/4',
    '239.1.0.0/16',
    '::1/128',
    'fe80::/64',
    'ff02::/16',
  ];
  const { config, notes } = read({ routes: [...bad, '10.0.0.0/8', '0.0.0.0/0'] });
  assert.deepEqual(networks(config), ['10.0.0.0/8']);
  assert.equal(notes.length, bad.length);
  assert.deepEqual(config.redirect, { 4: 'tunnel', 6: 'no' });
});

test('more routes than 1,024 are cut off', () => {
  const routes = Array.from({ length: 2_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  const { config, notes } = read({ routes });
  assert.equal(config.routes.length, 1_024);
  assert.match(notes.join(), /only the first 1024/);
});

test('addresses that are none, or networks that would be routes in disguise, make no tunnel', () => {
  for (const ipv4 of [
    { address: '127.0.0.1', prefix: 24, gateway: '' },
    { address: '224.0.0.5', prefix: 24, gateway: '' },
    { address: '10.0.0.1', prefix: 1, gateway: '' },
    { address: '10.0.0.1', prefix: 0, gateway: '' },
  ]) {
    assert.throws(() => read({ ipv4 }), { code: 'CULVERT_CLIENT_PUSHED' });
  }
  assert.throws(() => read({ ipv4: undefined, ipv6: undefined }), { code: 'CULVERT_CLIENT_PUSHED' });
});

test('name servers are addresses behind the tunnel and domains are domains', () => {
  const { config, notes } = read({
    dns: {
      servers: ['10.8.0.1', '127.0.0.53', 'dns.example', '::1'],
      search: ['office.example', 'a b', 'x\nnameserver 6.6.6.6'],
    },
  });
  assert.deepEqual(config.dns, { servers: ['10.8.0.1'], search: ['office.example'] });
  assert.equal(notes.length, 5);
});

test('the MTU stays within what the inner IP versions need', () => {
  assert.equal(read({ mtu: 100 }).config.mtu, 1_280);
  assert.equal(read({ mtu: 100, ipv6: undefined }).config.mtu, 576);
  assert.equal(read({ mtu: 60_000 }).config.mtu, 9_000);
});

test('an IP version that is redirected but has no address in the tunnel is blocked, so that nothing leaks past it', () => {
  const redirect = { ipv4: true, ipv6: true };
  assert.deepEqual(read({ redirect }).config.redirect, { 4: 'tunnel', 6: 'tunnel' });
  assert.deepEqual(read({ redirect, ipv6: undefined }).config.redirect, { 4: 'tunnel', 6: 'block' });
  assert.deepEqual(read({}, { blockIpv6: true }).config.redirect, { 4: 'no', 6: 'block' });
});

test('a host without IPv6 gets none', () => {
  const { config, notes } = read({ redirect: { ipv4: false, ipv6: true } }, {}, false);
  assert.deepEqual(config.addresses, ['10.8.0.2/24']);
  assert.deepEqual(networks(config), ['192.168.10.0/24']);
  assert.equal(config.redirect[6], 'no');
  assert.match(notes.join(), /no IPv6/);
});

test('route-nopull keeps the address and leaves routes, redirect and name servers out', () => {
  const { config } = read({ redirect: { ipv4: true, ipv6: true } }, { routeNoPull: true });
  assert.deepEqual([config.routes, config.redirect, config.dns.servers], [[], { 4: 'no', 6: 'no' }, []]);
  assert.equal(config.addresses.length, 2);
});

test('pull-filter: the first that fits decides', () => {
  const pullFilters = [
    { action: 'accept', text: 'route 192.168.10.' },
    { action: 'ignore', text: 'route ' },
    { action: 'ignore', text: 'dhcp-option DNS' },
    { action: 'ignore', text: 'redirect-gateway' },
  ] as const;
  const routes = ['192.168.10.0/24', '172.16.0.0/12', 'fd10::/48'];
  const { config } = read({ routes, redirect: { ipv4: true, ipv6: false } }, { pullFilters });
  assert.deepEqual(networks(config), ['192.168.10.0/24', 'fd10::/48']);
  assert.deepEqual(config.redirect, { 4: 'no', 6: 'no' });
  assert.deepEqual(config.dns, { servers: [], search: ['office.example'] });
});

test('pull-filter reject ends the connection', () => {
  const pullFilters = [{ action: 'reject', text: 'redirect-gateway' }] as const;
  assert.throws(() => read({ redirect: { ipv4: true, ipv6: false } }, { pullFilters }), {
    code: 'CULVERT_CLIENT_PUSHED',
  });
});

test("the profile's own routes, redirect and name servers are added", () => {
  const { config } = read(
    {},
    {
      routes: [
        { network: '172.20.0.0/16', gateway: undefined, metric: 50 },
        { network: '203.0.113.0/24', gateway: 'net', metric: undefined },
      ],
      redirectGateway: { ipv4: true, ipv6: false, blockLocal: false },
      dns: { servers: ['10.9.9.9'], search: [] },
    },
  );
  assert.deepEqual(config.routes[0], { network: '172.20.0.0/16', metric: 50 });
  assert.deepEqual(config.bypass, ['203.0.113.0/24']);
  assert.deepEqual(config.redirect, { 4: 'tunnel', 6: 'no' });
  assert.deepEqual(config.dns.servers, ['10.9.9.9', '10.8.0.1']);
});

test('whatever text is pushed for name servers and domains, what comes through is safe to write into a file', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 40 })), (texts) => {
      const { dns } = read({ dns: { servers: texts, search: texts } }).config;
      assert.ok(dns.servers.every((server) => /^[0-9a-f.:]+$/i.test(server)));
      assert.ok(dns.search.every((domain) => /^[\w.-]+$/.test(domain)));
    }),
  );
});
