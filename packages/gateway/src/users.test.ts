import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { User } from '@culvert/store';
import { configOf } from '../test/fixtures.ts';
import { Sessions } from './sessions.ts';
import { addressMistake, mustEnd, networksBehind, staticAddresses } from './users.ts';

const network = configOf().network;

function user(name: string, fields: Partial<User> = {}): User {
  const nothing = { ipv4: undefined, ipv6: undefined, networksBehind: [], groups: [] };
  return { name, enabled: true, hasPassword: false, hasNtHash: false, created: 0, ...nothing, ...fields };
}

for (const [address, mistake] of [
  ['10.88.0.2', undefined],
  ['fd88::2', undefined],
  ['fd88::ffff:ffff:ffff:ffff', undefined],
  ['10.88.0.1', /gateway's own/],
  ['fd88::1', /gateway's own/],
  ['10.88.0.0', /no host's address/],
  ['10.88.0.255', /no host's address/],
  ['fd88::', /no host's address/],
  ['10.89.0.2', /outside of network\.ipv4 \(10\.88\.0\.0\/24\)/],
] as const) {
  test(`${address} ${mistake === undefined ? 'can be kept for a user' : 'cannot be kept for a user'}`, () => {
    const found = addressMistake(address, network);
    if (mistake === undefined) assert.equal(found, undefined);
    else assert.match(found ?? '', mistake);
  });
}

test('an address of an IP version that the gateway does not carry is told', () => {
  assert.match(addressMistake('fd88::2', { ...network, ipv6: undefined }) ?? '', /there is no network\.ipv6/);
});

test('good addresses are kept, others are told and left out', () => {
  const mistakes: string[] = [];
  const users = [user('alice', { ipv4: '10.88.0.9', ipv6: 'fd88::9' }), user('bob', { ipv4: '10.1.1.1' })];
  const kept = staticAddresses(users, network, (sentence) => mistakes.push(sentence));
  assert.deepEqual(
    [...kept],
    [
      ['10.88.0.9', 'alice'],
      ['fd88::9', 'alice'],
    ],
  );
  assert.match(mistakes.join(), /^bob: 10\.1\.1\.1 lies outside/);
});

test('networks behind disabled users are not routed', () => {
  const users = [
    user('a', { networksBehind: ['10.1.0.0/16'] }),
    user('b', { networksBehind: ['10.2.0.0/16'], enabled: false }),
  ];
  assert.deepEqual(networksBehind(users), ['10.1.0.0/16']);
});

test('a session ends when its user is disabled, gone or in other groups, and only then', () => {
  const { auth } = configOf();
  const session = (proofs: readonly ('certificate' | 'password')[], groups: readonly string[] = []) =>
    new Sessions().add({
      principal: { user: 'alice', groups, certificate: undefined, proofs },
      config: {} as never,
      transport: 'memory',
      remote: { address: '192.0.2.1', port: 1 },
    });
  const byCertificate = session(['certificate']);
  assert.equal(mustEnd(byCertificate, user('alice'), auth), undefined);
  assert.equal(mustEnd(byCertificate, undefined, auth), undefined, 'a certificate needs no record');
  assert.equal(mustEnd(byCertificate, user('alice', { enabled: false }), auth)?.cause, 'revoked');
  assert.equal(mustEnd(byCertificate, undefined, { ...auth, unlistedUsers: 'refuse' })?.cause, 'revoked');
  assert.equal(mustEnd(session(['password']), undefined, auth)?.cause, 'revoked');
  assert.equal(mustEnd(session(['certificate'], ['a', 'b']), user('alice', { groups: ['b', 'a'] }), auth), undefined);
  assert.equal(
    mustEnd(session(['certificate'], ['a']), user('alice', { groups: ['b'] }), auth)?.cause,
    'session-limit',
  );
});
