import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configOf } from '../test/fixtures.ts';
import { filterPolicy } from './filter-policy.ts';
import { compareConfigs, formatReload, withoutRestart } from './reload.ts';

test('keys that changed are sorted into those in force and those that wait', () => {
  const before = configOf();
  const after = configOf(`
push: { routes: [10.5.0.0/16], dns: { search: [a.example] } }
limits: { links: 10, sessionsPerUser: 3 }
log: { level: debug }
clientIsolation: false
secretKey: /run/credentials/culvertd.service/secret.key
`);
  assert.deepEqual(compareConfigs(before, after), {
    applied: ['limits.sessionsPerUser', 'push.dns', 'push.routes'],
    restart: ['clientIsolation', 'limits.links', 'log.level', 'secretKey'],
  });
  const inForce = withoutRestart(before, after);
  assert.equal(inForce.limits.links, before.limits.links);
  assert.equal(inForce.limits.sessionsPerUser, 3);
  assert.equal(inForce.clientIsolation, true);
  assert.deepEqual(compareConfigs(inForce, after).applied, []);
});

test('what root handed over at the start is not said to be read again', () => {
  const report = { applied: ['push.dns'], restart: ['log.level'], notRead: [] };
  assert.equal(formatReload(report), 'in force now: the files of tls, push.dns\nwaits for a restart: log.level');
  assert.match(
    formatReload({ ...report, notRead: ['/etc/culvert/server.key'] }),
    /that the service may read, push\.dns\nas at the start, .*: \/etc\/culvert\/server\.key \(restart/,
  );
});

test('keys and certificates of IPsec are taken while it is on; what else it has waits, as its being on does', () => {
  const withL2tp = (more: string) => {
    const { transports, ...config } = configOf('auth: { certificate: optional, password: required }');
    return { ...config, transports: { ...transports, l2tpIpsec: { ...transports.l2tpIpsec, ...JSON.parse(more) } } };
  };
  const [a, b] = [
    '{ "enabled": true, "presharedKey": "a" }',
    '{ "enabled": true, "presharedKey": "b", "tunnelSecret": "c", "acceptWeak": true }',
  ];
  assert.deepEqual(compareConfigs(withL2tp(a), withL2tp(b)), {
    applied: ['transports.l2tpIpsec.presharedKey', 'transports.l2tpIpsec.tunnelSecret'],
    restart: ['transports.l2tpIpsec.acceptWeak'],
  });
  const inForce = withoutRestart(withL2tp(a), withL2tp(b)).transports.l2tpIpsec;
  assert.deepEqual([inForce.presharedKey, inForce.acceptWeak], ['b', false]);
  assert.deepEqual(compareConfigs(withL2tp('{}'), withL2tp(a)), {
    applied: [],
    restart: ['transports.l2tpIpsec.enabled', 'transports.l2tpIpsec.presharedKey'],
  });
  assert.equal(withoutRestart(withL2tp('{}'), withL2tp(a)).transports.l2tpIpsec.presharedKey, undefined);
});

test('nothing changed is nothing to tell', () => {
  assert.deepEqual(compareConfigs(configOf(), configOf()), { applied: [], restart: [] });
  const reloaded = withoutRestart(configOf(), configOf());
  assert.deepEqual(compareConfigs(reloaded, configOf()), { applied: [], restart: [] }, 'at the next reload as well');
});

test('filter rules reach the core with their directions and port ranges', () => {
  const { filter } = configOf(`
filter:
  default: deny
  rules:
    - { action: allow, groups: [staff], networks: [10.5.0.0/16], protocol: tcp, ports: [443, "8000-8100"] }
    - { action: allow, direction: from-office, protocol: icmp }
`);
  const policy = filterPolicy(filter);
  assert.equal(policy.default, 'deny');
  assert.deepEqual(policy.rules[0], {
    action: 'allow',
    direction: 'fromClient',
    groups: ['staff'],
    networks: ['10.5.0.0/16'],
    protocol: 'tcp',
    ports: [
      { from: 443, to: 443 },
      { from: 8000, to: 8100 },
    ],
  });
  assert.equal(policy.rules[1]?.direction, 'fromOffice');
});
