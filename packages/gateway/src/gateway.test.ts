/** The whole gateway in memory: a device, a transport, a store; no privileges. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { MemoryLeaseStore } from '@culvert/core';
import {
  batchOf,
  createMemoryTransport,
  eventually,
  inTime,
  MemoryDevice,
  MemoryNetwork,
  nullLogger,
  packetsOf,
  RecordingLogger,
} from '@culvert/testkit';
import { configOf, openTestStore, udpPacket } from '../test/fixtures.ts';
import { Gateway } from './gateway.ts';
import { OneThread } from './one-thread.ts';

const clock = { now: () => performance.now() as Instant };

async function open(more = '', reminders: readonly string[] = []) {
  const { store, hasher, close } = openTestStore();
  const network = new MemoryNetwork();
  const log = new RecordingLogger();
  const device = new MemoryDevice();
  const transport = createMemoryTransport();
  const revoked = new Set<string>();
  const behind: (readonly string[])[] = [];
  const passwordHash = await hasher.hash('secret');
  for (const name of ['alice', 'bob']) await store.addUser(name, { passwordHash });
  const config = configOf(`auth: { certificate: none, password: required }\n${more}`);
  const gateway = new Gateway({
    config,
    store,
    hasher,
    leases: new MemoryLeaseStore(),
    carrier: new OneThread({ config, device, virtio: false, clock, log, onGone: () => {} }),
    deviceName: 'memory0',
    transports: [{ transport: 'memory', listen: (on) => transport.listen({ network }, on) }],
    clock,
    log,
    version: '0',
    reminders,
    isRevoked: (der) => revoked.has(new TextDecoder().decode(der)),
    setNetworksBehind: async (networks) => void behind.push(networks),
  });
  await gateway.start();
  const dial = (username: string, password = 'secret') =>
    transport.dial(
      { network, username, password },
      { onEvent: () => {}, log: nullLogger, signal: new AbortController().signal },
    );
  const stop = async () => {
    await gateway.stop({ cause: 'shutdown', detail: 'the gateway stops' });
    await close();
  };
  return { gateway, store, log, device, behind, dial, network, [Symbol.asyncDispose]: stop };
}

test('a peer that is let in has an address, carries packets both ways, and leaves one story in the log', async () => {
  await using bed = await open('push: { routes: [192.168.10.0/24] }');
  const link = await bed.dial('alice');
  assert.equal(link.config.ipv4?.address, '10.88.0.2');
  assert.deepEqual(link.config.routes, ['192.168.10.0/24']);

  const received: Uint8Array[] = [];
  link.onPackets((batch) => received.push(...packetsOf(batch)));
  link.send(batchOf([udpPacket('10.88.0.2', '192.168.10.5', 100)]));
  const [up] = await eventually('a packet on the device', () => {
    const packets = bed.device.collect();
    return packets.length > 0 && packets;
  });
  assert.equal(up?.length, 100);
  link.send(batchOf([udpPacket('10.88.0.99', '192.168.10.5', 100)]));
  bed.device.inject(udpPacket('192.168.10.5', '10.88.0.2', 80));
  await eventually('the drop of the spoofed one', () => bed.gateway.sessions()[0]?.dropped['spoofed'] === 1);
  assert.deepEqual(received, [], 'the office opens no flow to a link unless a rule allows it');

  const [session] = bed.gateway.sessions();
  assert.equal(session?.user, 'alice');
  assert.equal(session?.state, 'up');
  await link.close({ cause: 'peer', detail: 'done' });
  await eventually('the end', () => bed.gateway.sessions().length === 0);
  assert.match(bed.log.text, /info session up .*user=alice.*ipv4=10\.88\.0\.2.*proofs=password/);
  assert.match(bed.log.text, /info session ended .*user=alice.*cause=peer.*bytesIn=200/);
  assert.ok(!bed.log.text.includes('secret'));
});

test('who was refused, and why, is in status and in the log', async () => {
  await using bed = await open();
  await assert.rejects(bed.dial('alice', 'wrong'), /authentication failed/);
  const [refusal] = bed.gateway.status().refusals;
  assert.equal(refusal?.reason, 'wrong password for alice');
  assert.match(bed.log.text, /info a peer was refused .*reason=wrong password for alice/);
  const [told] = bed.gateway.explain(undefined);
  assert.deepEqual([told?.attempt, told?.claimed, told?.reason], ['a1', 'alice', 'wrong password for alice']);
  assert.deepEqual(bed.gateway.explain('alice'), [told]);
  assert.ok(!JSON.stringify(told).includes('"wrong"'), 'not the password');
  const link = await bed.dial('alice');
  assert.equal(bed.gateway.explain('alice')[1]?.steps.at(-1)?.what, 'up');
  await link.close({ cause: 'peer', detail: 'done' });
  await eventually('the end', () => bed.gateway.sessions().length === 0);
  assert.equal(bed.gateway.explain('alice').length, 1, 'the try is remembered');
  assert.throws(() => bed.gateway.explain('bob'), { code: 'CULVERT_GATEWAY_NO_SESSION' });
});

test('a disabled user’s session ends at once, and there is no way back in', async () => {
  await using bed = await open();
  const alice = await bed.dial('alice');
  const bob = await bed.dial('bob');
  await bed.store.changeUser('alice', { enabled: false });
  await bed.gateway.handleUsersChanged();
  await inTime('the end', alice.closed);
  assert.match(bed.log.text, /info session ended .*user=alice.*cause=revoked.*reason=alice was disabled/);
  await assert.rejects(bed.dial('alice'));
  assert.deepEqual(
    bed.gateway.sessions().map(({ user }) => user),
    ['bob'],
  );
  await bob.close({ cause: 'peer', detail: 'done' });
});

test('a removed user’s session ends, a changed address is given at the next connect', async () => {
  await using bed = await open();
  const alice = await bed.dial('alice');
  await bed.store.changeUser('bob', { ipv4: '10.88.0.77', networksBehind: ['10.1.0.0/16'] });
  await bed.store.removeUser('alice');
  await bed.gateway.handleUsersChanged();
  await inTime('the end', alice.closed);
  assert.equal((await bed.dial('bob')).config.ipv4?.address, '10.88.0.77');
  assert.deepEqual(bed.behind.at(-1), ['10.1.0.0/16']);
});

test('an address outside of the network is a warning for the operator, not a failure', async () => {
  await using bed = await open();
  await bed.store.changeUser('bob', { ipv4: '10.99.0.1' });
  await bed.gateway.handleUsersChanged();
  await bed.gateway.handleUsersChanged();
  assert.deepEqual(bed.gateway.status().warnings, ['bob: 10.99.0.1 lies outside of network.ipv4 (10.88.0.0/24)']);
  assert.equal(bed.log.lines.filter(({ level }) => level === 'warn').length, 1, 'told once');
});

test('an operator ends a session by number or by user', async () => {
  await using bed = await open();
  const [alice, bob] = [await bed.dial('alice'), await bed.dial('bob')];
  const why = { cause: 'operator', detail: 'an operator ended the session' } as const;
  assert.equal(bed.gateway.end(({ user }) => user === 'carol', why).length, 0);
  assert.equal(bed.gateway.end(({ user }) => user === 'alice', why)[0]?.user, 'alice');
  await inTime('the end', alice.closed);
  assert.match(bed.log.text, /info session ended .*user=alice.*cause=operator/);
  const [session] = bed.gateway.sessions();
  bed.gateway.end(({ id }) => id === session?.id, why);
  await inTime('the end', bob.closed);
});

test('a reload changes what new sessions get, and the filter at once', async () => {
  await using bed = await open();
  const before = await bed.dial('alice');
  assert.deepEqual(before.config.routes, []);
  const auth = 'auth: { certificate: none, password: required }';
  const gatewayPacket = udpPacket('10.88.0.2', '10.88.0.1', 60);
  before.send(batchOf([gatewayPacket]));
  await eventually('the packet', () => bed.device.collect().length === 1);
  bed.gateway.reload(configOf(`${auth}\npush: { routes: [10.5.0.0/16] }\nfilter: { default: deny }`));
  assert.deepEqual((await bed.dial('bob')).config.routes, ['10.5.0.0/16']);
  before.send(batchOf([gatewayPacket]));
  await eventually('the drop', () => bed.gateway.sessions()[0]?.dropped['filtered'] === 1);
});

test('stopping ends every session and leaves nothing behind', async () => {
  const bed = await open();
  const links = [await bed.dial('alice'), await bed.dial('bob')];
  await bed[Symbol.asyncDispose]();
  for (const link of links) await inTime('the end', link.closed);
  assert.equal(bed.log.text.match(/session ended .*cause=shutdown/g)?.length, 2);
  assert.equal(bed.network.listener, undefined);
});

test('a flood of refusals is a few lines in the log and a bounded list in status', async () => {
  await using bed = await open('limits: { failedAttempts: { perSource: 10000, perUser: 10000 } }');
  for (let n = 0; n < 300; n++) await assert.rejects(bed.dial(`stranger${n}`, 'x'));
  assert.equal(bed.gateway.status().refusals.length, 200);
  const lines = bed.log.lines.filter(({ message }) => message === 'a peer was refused').length;
  assert.ok(lines >= 20 && lines < 100, `${lines} lines`);
});

test('a reminder stays in status when other warnings are forgotten, and is logged once', async () => {
  await using bed = await open('', ['PPTP is on']);
  bed.gateway.warn('the list has expired');
  assert.deepEqual(bed.gateway.status().warnings, ['PPTP is on', 'the list has expired']);
  bed.gateway.forgetWarnings();
  assert.deepEqual(bed.gateway.status().warnings, ['PPTP is on']);
  assert.equal(bed.log.text.match(/warn PPTP is on/g)?.length, 1);
});
