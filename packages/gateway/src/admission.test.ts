import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CloseReason, Instant } from '@culvert/base';
import { type Admitted, LeasePool, type Link, MemoryLeaseStore, type Refused } from '@culvert/core';
import { nullLogger } from '@culvert/testkit';
import { certificateOf, claimOf, configOf, openTestStore } from '../test/fixtures.ts';
import { GatewayAdmission } from './admission.ts';
import { KnownUsers } from './known-users.ts';
import { NtHashes } from './nt-hashes.ts';
import { Sessions } from './sessions.ts';

const never = new AbortController().signal;
const gone: CloseReason = { cause: 'lost', detail: 'gone' };

const pptp = 'auth: { certificate: optional, password: required }\n';

/** An admission under `more` of the configuration, with its parts at hand. */
function open(more = '', ntHashes?: NtHashes, transports?: string) {
  const test = openTestStore();
  const sessions = new Sessions();
  const users = new KnownUsers();
  const config = configOf(more, transports);
  /** Certificates by what `certificateOf` writes as their DER. */
  const revoked = new Set<string>();
  const clock = { at: 0 as Instant, now: () => clock.at };
  const pool = new LeasePool({
    ipv4: { network: '10.88.0.0/24' },
    ipv6: { network: 'fd88::/56' },
    store: new MemoryLeaseStore(),
  });
  const options = {
    config: () => config,
    store: test.store,
    users,
    hasher: test.hasher,
    ntHashes,
    pool,
    sessions,
    clock,
    log: nullLogger,
    isRevoked: (der: Uint8Array) => revoked.has(new TextDecoder().decode(der)),
  };
  const admission = new GatewayAdmission(options);
  const admit = (fields: Parameters<typeof claimOf>[0]) => admission.admit(claimOf(fields), never);
  return { ...test, users, sessions, pool, clock, revoked, admission, admit, [Symbol.asyncDispose]: test.close };
}

function admitted(answer: Admitted | Refused): Admitted {
  assert.equal(answer.kind, 'admitted', JSON.stringify(answer));
  return answer as Admitted;
}

function reasonOf(answer: Admitted | Refused): string {
  assert.equal(answer.kind, 'refused');
  return (answer as Refused).reason;
}

test('a peer that makes its IPv6 addresses itself gets a network for them, and the same one again', async () => {
  await using gateway = open();
  const networkOf = async () => {
    const answer = admitted(await gateway.admit({ certificate: certificateOf('alice'), makesAddresses: true }));
    answer.release(gone);
    return answer.config.ipv6?.ownNetwork;
  };
  assert.equal(await networkOf(), 'fd88:0:0:1::/64');
  const bobs = admitted(await gateway.admit({ certificate: certificateOf('bob') }));
  assert.equal(bobs.config.ipv6?.ownNetwork, undefined);
  assert.equal(await networkOf(), 'fd88:0:0:1::/64');
});

test('a transport with PPP that is for some groups lets nobody else in, who hears it where the password was right', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-admission-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const ntHashes = new NtHashes({ file: join(folder, 'secret.key'), ours: true });
  const transports = 'openvpn: { wrap: none }, pptp: { groups: [legacy, scanners] }';
  await using gateway = open(pptp, ntHashes, transports);
  const ntHash = ntHashes.seal('User', 'clientPass');
  await gateway.store.addUser('User', { groups: ['staff'], passwordHash: 'x', ntHash });
  const by = (transport: string) => gateway.admit({ transport, response: responseOf('User') });
  const refusal = (await by('pptp')) as Refused;
  const why = 'User is in none of the groups that may come in by pptp (transports.pptp.groups: legacy, scanners)';
  assert.deepEqual([refusal.reason, refusal.tell], [why, 'authentication failed']);
  assert.equal(refusal.account, 'barred', 'its owner may know');
  admitted(await by('l2tp-ipsec'));
  await gateway.store.changeUser('User', { passwordHash: 'x' });
  const unproven = (await by('pptp')) as Refused;
  assert.equal(unproven.reason, why, 'rather than that it has no NT hash');
  assert.equal(unproven.account, undefined, 'nothing was proven');
  await gateway.store.changeUser('User', { groups: ['staff', 'scanners'], ntHash });
  admitted(await by('pptp'));
});

/** A link of this session, with nothing behind it. */
function linkOf({ principal, config }: Admitted, onClose: (why: CloseReason) => void): Link {
  // What admission and sessions use of a link; the type checker holds these three to it.
  const used: Pick<Link, 'principal' | 'config' | 'close'> = { principal, config, close: async (why) => onClose(why) };
  return used as Link;
}

test('a certificate is a user, with the groups and networks of its record and what is pushed to all', async () => {
  await using gateway = open('push: { routes: [192.168.10.0/24], dns: { search: [office.example] } }');
  await gateway.store.addUser('alice', { groups: ['staff'], networksBehind: ['10.1.0.0/16'] });
  const { principal, config } = admitted(await gateway.admit({ certificate: certificateOf('alice') }));
  assert.equal(principal.user, 'alice');
  assert.deepEqual(principal.groups, ['staff']);
  assert.deepEqual(principal.proofs, ['certificate']);
  assert.deepEqual(config.ipv4, { address: '10.88.0.2', prefix: 24, gateway: '10.88.0.1' });
  assert.equal(config.ipv6?.gateway, 'fd88::1');
  assert.deepEqual(config.routes, ['192.168.10.0/24']);
  assert.deepEqual(config.networksBehind, ['10.1.0.0/16']);
  assert.deepEqual(config.keepalive, { interval: 10_000, timeout: 60_000 });
});

test('a password alone is enough where the policy says so; a stranger hears nothing of the reason', async () => {
  await using gateway = open('auth: { certificate: none, password: required }');
  await gateway.store.addUser('alice', { passwordHash: await gateway.hasher.hash('right') });
  await gateway.store.addUser('bob', {});
  assert.deepEqual(admitted(await gateway.admit({ password: ['alice', 'right'] })).principal.proofs, ['password']);
  const wrong = (await gateway.admit({ password: ['alice', 'wrong'] })) as Refused;
  assert.deepEqual(wrong, { kind: 'refused', reason: 'wrong password for alice', tell: 'authentication failed' });
  const unknown = (await gateway.admit({ password: ['mallory', 'x'] })) as Refused;
  assert.deepEqual(unknown, { kind: 'refused', reason: 'there is no user mallory', tell: 'authentication failed' });
  assert.equal(reasonOf(await gateway.admit({ password: ['bob', ''] })), 'bob has no password here');
  assert.match(reasonOf(await gateway.admit({ certificate: certificateOf('alice') })), /no password was sent/);
});

test('with both, certificate and password must be of the same user', async () => {
  await using gateway = open('auth: { certificate: required, password: required }');
  await gateway.store.addUser('alice', { passwordHash: await gateway.hasher.hash('right') });
  const certificate = certificateOf('alice');
  const both = admitted(await gateway.admit({ certificate, password: ['alice', 'right'] }));
  assert.deepEqual(both.principal.proofs, ['certificate', 'password']);
  const other = await gateway.admit({ certificate: certificateOf('bob'), password: ['alice', 'right'] });
  assert.equal(reasonOf(other), `the certificate is bob's, the password was sent for "alice"`);
  assert.match(reasonOf(await gateway.admit({ password: ['alice', 'right'] })), /no certificate was shown/);
});

test('where both are optional one of them is still wanted', async () => {
  await using gateway = open('auth: { certificate: optional, password: optional }');
  assert.match(reasonOf(await gateway.admit({})), /neither certificate nor password/);
  admitted(await gateway.admit({ certificate: certificateOf('alice') }));
});

test('disabled users and, if so configured, unlisted ones are refused, new keys included', async () => {
  await using gateway = open('auth: { unlistedUsers: refuse }');
  await gateway.store.addUser('alice', {});
  assert.match(reasonOf(await gateway.admit({ certificate: certificateOf('bob') })), /bob is not in the list/);
  const alice = admitted(await gateway.admit({ certificate: certificateOf('alice') }));
  const link = linkOf(alice, () => {});
  const again = claimOf({ certificate: certificateOf('alice') });
  admitted(await gateway.admission.reauthenticate(link, again, never));
  const other = claimOf({ certificate: certificateOf('carol') });
  assert.match(reasonOf(await gateway.admission.reauthenticate(link, other, never)), /the link is alice's/);
  await gateway.store.changeUser('alice', { enabled: false });
  assert.equal(reasonOf(await gateway.admission.reauthenticate(link, again, never)), 'alice is disabled');
  assert.equal(reasonOf(await gateway.admit({ certificate: certificateOf('alice') })), 'alice is disabled');
});

test('known users come in without the store; who would be refused is looked up in it', async () => {
  await using gateway = open('auth: { unlistedUsers: refuse }');
  await gateway.store.addUser('alice', { groups: ['staff'] });
  gateway.users.set(await gateway.store.users());
  await gateway.store.addUser('bob', {});
  admitted(await gateway.admit({ certificate: certificateOf('bob') }));
  await gateway.store.changeUser('alice', { enabled: false });
  gateway.users.set(await gateway.store.users());
  assert.equal(reasonOf(await gateway.admit({ certificate: certificateOf('alice') })), 'alice is disabled');
  await gateway.store.changeUser('alice', { enabled: true });
  admitted(await gateway.admit({ certificate: certificateOf('alice') }));

  gateway.users.set(await gateway.store.users());
  await gateway.store.close();
  const { principal } = admitted(await gateway.admit({ certificate: certificateOf('alice') }));
  assert.deepEqual(principal.groups, ['staff']);
  gateway.users.set(undefined);
  await assert.rejects(gateway.admit({ certificate: certificateOf('alice') }), 'nobody comes in unseen');
});

test('a password is always checked with the store, and so is its user', async () => {
  await using gateway = open('auth: { certificate: none, password: required }');
  await gateway.store.addUser('alice', { passwordHash: await gateway.hasher.hash('right') });
  gateway.users.set(await gateway.store.users());
  await gateway.store.changeUser('alice', { enabled: false });
  assert.equal(reasonOf(await gateway.admit({ password: ['alice', 'right'] })), 'alice is disabled');
});

test('a name that would forge a log line or a command is no user', async () => {
  await using gateway = open();
  for (const name of ['', 'a\nb', 'a"b', 'x'.repeat(65), '$(reboot)']) {
    assert.match(reasonOf(await gateway.admit({ certificate: certificateOf(name) })), /cannot be a user's/);
  }
});

test('release gives the address and the place back, exactly once', async () => {
  await using gateway = open();
  const first = admitted(await gateway.admit({ certificate: certificateOf('alice') }));
  assert.equal(gateway.pool.held, 1);
  first.release(gone);
  assert.deepEqual([gateway.pool.held, gateway.sessions.size], [0, 0]);
  const second = admitted(await gateway.admit({ certificate: certificateOf('alice') }));
  first.release(gone);
  assert.deepEqual([gateway.pool.held, gateway.sessions.size], [1, 1], 'a second release does nothing');
  assert.equal(second.config.ipv4?.address, first.config.ipv4?.address, 'the same address again');
});

test('who connects again takes the place and the address of the earlier session', async () => {
  await using gateway = open();
  const first = admitted(await gateway.admit({ certificate: certificateOf('alice') }));
  let ended: CloseReason | undefined;
  const close = (why: CloseReason) => {
    ended = why;
    first.release(why);
  };
  gateway.sessions.attach(linkOf(first, close));
  const second = admitted(await gateway.admit({ certificate: certificateOf('alice') }));
  assert.equal(ended?.cause, 'replaced');
  assert.equal(second.config.ipv4?.address, first.config.ipv4?.address);
});

test('a session that never came up is no obstacle, and its link is closed should it come', async () => {
  await using gateway = open();
  const first = admitted(await gateway.admit({ certificate: certificateOf('alice') }));
  admitted(await gateway.admit({ certificate: certificateOf('alice') }));
  let ended: CloseReason | undefined;
  gateway.sessions.attach(
    linkOf(first, (why) => {
      ended = why;
    }),
  );
  assert.equal(ended?.cause, 'replaced');
});

test('more sessions than allowed are refused where the policy says so, and fewer leave each other alone', async () => {
  await using gateway = open('limits: { sessionsPerUser: 3, whenReached: refuse }');
  const certificate = certificateOf('alice');
  for (let n = 0; n < 3; n++) admitted(await gateway.admit({ certificate }));
  assert.equal(gateway.sessions.of('alice').length, 3);
  const answer = (await gateway.admit({ certificate })) as Refused;
  assert.match(answer.reason, /alice has 3 sessions already/);
  assert.equal(answer.tell, 'too many sessions');
});

test('an empty pool is a clear refusal', async () => {
  await using gateway = open('limits: { sessionsPerUser: 1000 }');
  for (let n = 0; n < 253; n++) admitted(await gateway.admit({ certificate: certificateOf(`user${n}`) }));
  const answer = (await gateway.admit({ certificate: certificateOf('late') })) as Refused;
  assert.match(answer.reason, /no address is free in 10\.88\.0\.0\/24/);
  assert.equal(answer.tell, 'no address is free');
});

test('a source that fails too often is refused unread for a while; others are not', async () => {
  await using gateway = open(
    'auth: { certificate: none, password: required }\nlimits: { failedAttempts: { perSource: 3, perUser: 100 } }',
  );
  await gateway.store.addUser('alice', { passwordHash: await gateway.hasher.hash('right') });
  for (let n = 0; n < 3; n++) await gateway.admit({ password: ['alice', 'wrong'] });
  assert.match(reasonOf(await gateway.admit({ password: ['alice', 'right'] })), /too many failures from 192\.0\.2\.1/);
  admitted(await gateway.admit({ password: ['alice', 'right'], from: '192.0.2.2' }));
  gateway.clock.at = 20_000 as Instant;
  admitted(await gateway.admit({ password: ['alice', 'right'] }));
});

test('a user whose password is guessed from many places is slowed down, but not with a certificate in hand', async () => {
  await using gateway = open(
    'auth: { certificate: optional, password: optional }\nlimits: { failedAttempts: { perSource: 100, perUser: 3 } }',
  );
  await gateway.store.addUser('alice', { passwordHash: await gateway.hasher.hash('right') });
  for (let n = 1; n < 4; n++) await gateway.admit({ password: ['alice', 'wrong'], from: `198.51.100.${n}` });
  assert.match(reasonOf(await gateway.admit({ password: ['alice', 'right'] })), /too many failures for alice/);
  admitted(await gateway.admit({ certificate: certificateOf('alice') }));
});

test('a peer that gives up while its password is checked takes no place', async () => {
  await using gateway = open();
  const signal = AbortSignal.abort();
  const answer = await gateway.admission.admit(claimOf({ certificate: certificateOf('alice') }), signal);
  assert.match(reasonOf(answer), /gone before it was admitted/);
  assert.deepEqual([gateway.pool.held, gateway.sessions.size], [0, 0]);
});

test('a certificate that was revoked after its TLS handshake is refused, for new keys too', async () => {
  await using gateway = open();
  const certificate = certificateOf('alice', '2a');
  const alice = admitted(await gateway.admit({ certificate }));
  // The list changes while a second claim waits for the store.
  const late = gateway.admit({ certificate });
  gateway.revoked.add('alice 2a');
  assert.equal(reasonOf(await late), 'the certificate of alice was revoked (serial 2a)');
  const link = linkOf(alice, () => {});
  const answer = await gateway.admission.reauthenticate(link, claimOf({ certificate }), never);
  assert.match(reasonOf(answer), /was revoked/);
});

test('passwords guessed all at once get no further than one after the other', async () => {
  await using gateway = open(
    'auth: { certificate: none, password: required }\nlimits: { failedAttempts: { perSource: 3, perUser: 100 } }',
  );
  await gateway.store.addUser('alice', { passwordHash: await gateway.hasher.hash('right') });
  const guesses = [...Array.from({ length: 12 }, (_, n) => `wrong${n}`), 'right'];
  const answers = await Promise.all(guesses.map((guess) => gateway.admit({ password: ['alice', guess] })));
  assert.match(reasonOf(answers.at(-1) as Refused), /too many failures from 192\.0\.2\.1/);
});

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
/** RFC 2759, section 9.2: what a client answers for user "User", password "clientPass". The name is part of it. */
const responseOf = (username: string) =>
  ({
    kind: 'mschapv2',
    username,
    authenticatorChallenge: hex('5b5d7c7d7b3f2f3e3c2c602132262628'),
    peerChallenge: hex('21402324255e262a28295f2b3a337c7e'),
    ntResponse: hex('82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df'),
  }) as const;

test('an answer to a challenge lets nobody in where MS-CHAPv2 is off, or a certificate is required and none was shown', async () => {
  await using gateway = open();
  assert.equal(reasonOf(await gateway.admit({ response: responseOf('User') })), 'no certificate was shown');
  await using off = open(pptp);
  assert.match(reasonOf(await off.admit({ response: responseOf('User') })), /no transport with MS-CHAPv2 is on/);
});

test('MS-CHAPv2 lets in who knows the password, with the keys; it is limited and told like a password', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-admission-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const ntHashes = new NtHashes({ file: join(folder, 'secret.key'), ours: true });
  await using gateway = open(`${pptp}limits: { failedAttempts: { perSource: 7, perUser: 100 } }`, ntHashes);
  const seal = (name: string) => ({ passwordHash: 'x', ntHash: ntHashes.seal(name, 'clientPass') });
  await gateway.store.addUser('User', { groups: ['staff'], ...seal('User') });
  await gateway.store.addUser('alice', seal('alice'));
  await gateway.store.addUser('bob', { passwordHash: 'x' });
  const { principal, material } = admitted(await gateway.admit({ response: responseOf('OFFICE\\User') }));
  assert.deepEqual([principal.user, principal.groups, principal.proofs], ['User', ['staff'], ['password']]);
  assert.equal(material?.authenticatorResponse, 'S=407A5589115FD0D6209F510FE9C04566932CDA56');
  assert.equal(material?.mppeMasterKey?.length, 16);
  const both = await gateway.admit({ certificate: certificateOf('User'), response: responseOf('OFFICE\\User') });
  assert.deepEqual(admitted(both).principal.proofs, ['certificate', 'password']);
  const others = await gateway.admit({ certificate: certificateOf('bob'), response: responseOf('User') });
  assert.equal(reasonOf(others), 'the certificate is bob\'s, the password was sent for "User"');
  for (const [username, reason] of [
    ['alice', 'wrong password for alice'],
    ['bob', 'bob has no NT hash, which MS-CHAPv2 needs: culvertd user passwd bob'],
    ['carol', 'there is no user carol'],
    ['a/b', 'the name "a/b" cannot be a user\'s'],
  ] as const) {
    const answer = (await gateway.admit({ response: responseOf(username) })) as Refused;
    assert.deepEqual([answer.reason, answer.tell], [reason, 'authentication failed']);
  }
  await gateway.store.changeUser('User', { enabled: false });
  await gateway.store.changeUser('alice', { enabled: false });
  for (const [username, reason, account] of [
    ['User', 'User is disabled', 'disabled'],
    ['alice', 'wrong password for alice', undefined],
  ] as const) {
    const answer = (await gateway.admit({ response: responseOf(username) })) as Refused;
    assert.deepEqual([answer.reason, answer.tell, answer.account], [reason, 'authentication failed', account]);
  }
  await gateway.store.changeUser('User', { enabled: true, passwordHash: 'y' });
  assert.match(reasonOf(await gateway.admit({ response: responseOf('User') })), /User has no NT hash/);
  assert.match(reasonOf(await gateway.admit({ response: responseOf('User') })), /too many failures/);
});
