import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configOf } from '../test/fixtures.ts';
import { filterPolicy } from './filter-policy.ts';
import { compareConfigs, withoutRestart } from './reload.ts';

test('keys that changed are sorted into those in force and those that wait', () => {
  const before = configOf();
  const after = configOf(`
push: { routes: [10.5.0.0/16], dns: { search: [a.example] } }
limits: { links: 10, sessionsPerUser: 3 }
log: { level: debug }
clientIsolation: false
`);
  assert.deepEqual(compareConfigs(before, after), {
    applied: ['limits.sessionsPerUser', 'push.dns', 'push.routes'],
    restart: ['clientIsolation', 'limits.links', 'log.level'],
  });
  const inForce = withoutRestart(before, after);
  assert.equal(inForce.limits.links, before.limits.links);
  assert.equal(inForce.limits.sessionsPerUser, 3);
  assert.equal(inForce.clientIsolation, true);
  assert.deepEqual(compareConfigs(inForce, after).applied, []);
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
