/** What happens to calls over IPsec while they last: NAT, changes of keys, damage, replays, restarts. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { createPacketBatch } from '@culvert/base';
import { batchOf, enterFreshNamespace, eventually, ipv4Packet, seededRandom } from '@culvert/testkit';
import { carry, L2tpLab, rawPeer } from '../../test/l2tp-lab.ts';
import { gateway, laptop, stranger } from '../../test/pptp-lab.ts';
import { Carrier } from './carrier.ts';

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop, stranger]) {
    execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
  }
}

test('clients behind one address with equal inner ports have their own packets each', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const { through } = await lab.wires();
  const options = { ...through, innerPort: 1_701 };
  const clients = await Promise.all([lab.dial(options), lab.dial(options), lab.dial(options)]);
  for (const client of clients) await carry(lab, client);
  assert.equal(new Set(lab.accepted.map(({ link }) => link.path.remote.address)).size, 1);
  assert.deepEqual(
    lab.accepted.map(({ packets }) => packets.length),
    [1, 1, 1],
  );
  await clients[0].link.close({ cause: 'operator', detail: 'enough' });
  for (const client of clients.slice(1)) await carry(lab, client);
});

test('algorithms that were chosen by hand are those of the call, with forward secrecy', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const client = await lab.dial({
    phase1: [{ cipher: 'aes-cbc', keyBytes: 24, hash: 'sha2-384', group: 'modp3072' }],
    esp: [{ encryption: 'aes-cbc', keyBytes: 24, integrity: 'hmac-sha2-512-256' }],
    forwardSecrecy: 'ecp256',
    lifetimes: { phase2Seconds: 3 },
  });
  await carry(lab, client);
  const { ike, esp } = client.link.facts;
  assert.deepEqual([ike, esp], ['aes192-sha2-384-modp3072 (pre-shared-key)', 'aes192-hmac-sha2-512-256']);
  await eventually('new keys', () => lab.events.some(({ kind }) => kind === 'rekeyed'));
  await carry(lab, client);
});

test('keys of both phases change under traffic and no packet is lost', { skip }, async () => {
  // New ones are due a tenth of a life before its end: a busy machine needs some of that.
  const lifetimes = { phase1Seconds: 5, phase2Seconds: 4 };
  await using lab = await L2tpLab.open();
  const client = await lab.dial({ lifetimes });
  const theirs = lab.peerOf(client);
  const changed = () => lab.events.filter(({ kind }) => kind === 'rekeyed').length;
  while (changed() < 2 || (lab.listener.stats['ikeEstablished'] ?? 0) < 2) {
    const before = theirs.packets.length;
    client.link.send(batchOf(Array.from({ length: 16 }, (_, n) => ipv4Packet(500, n))));
    await eventually('all arrive', () => theirs.packets.length === before + 16);
    await carry(lab, client);
  }
  assert.equal(client.link.stats.droppedOut + theirs.link.stats.droppedOut, 0);
  assert.equal(lab.accepted.length, 1, 'it is one link');
});

test('forged, replayed and strange ESP is dropped and counted at the real socket', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const { wire, through } = await lab.taps();
  const client = await lab.dial(through);
  await carry(lab, client);
  const theirs = lab.peerOf(client);
  const counts = () => ['espFailed', 'espReplayed', 'espUnknown'].map((name) => lab.listener.stats[name] ?? 0);
  assert.deepEqual(counts(), [0, 0, 0]);
  const packet = wire.seen.at(-1) ?? assert.fail();
  wire.send(packet);
  await eventually('the same again', () => counts()[1] === 1);
  const forged = Buffer.from(packet);
  forged.writeUInt32BE(packet.readUInt32BE(4) + 1, 4);
  wire.send(forged);
  await eventually('another number', () => counts()[0] === 1);
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  wire.send(forged);
  await eventually('damage', () => counts()[0] === 2);
  const nobodys = Buffer.from(packet);
  nobodys.writeUInt32BE((packet.readUInt32BE(0) ^ 1) >>> 0, 0);
  wire.send(nobodys);
  await eventually('no such SPI', () => counts()[2] === 1);
  assert.equal(theirs.packets.length, 1);
  await carry(lab, client);
});

test('messages of IKE that come again, whole and damaged, harm no link and make none', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const { ike, wire, through } = await lab.taps();
  const client = await lab.dial(through);
  await carry(lab, client);
  const random = seededRandom(7);
  for (const tap of [ike, wire]) {
    const messages = tap.seen.filter((one) => tap === ike || one.readUInt32BE(0) === 0);
    assert.ok(messages.length >= 2, 'both ports had some');
    for (const message of messages) {
      tap.send(message);
      for (let n = 0; n < 50; n++) {
        const damaged = Buffer.from(message.subarray(0, random.integer(message.length) + 1));
        const at = random.integer(damaged.length);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << random.integer(8));
        tap.send(damaged);
      }
      await carry(lab, client);
    }
  }
  assert.equal(lab.listener.stats['ikeEstablished'], 1);
  assert.equal(lab.admission.claims.length, 1);
  await carry(lab, await lab.dial());
});

test('a packet that is replayed from elsewhere moves no peer', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const { wire, through } = await lab.taps();
  const { wire: elsewhere } = await lab.taps();
  const client = await lab.dial(through);
  await carry(lab, client);
  const { link } = lab.peerOf(client);
  const { path } = link;
  elsewhere.send(wire.seen.at(-1) ?? assert.fail());
  await eventually('it is counted', () => lab.listener.stats['espReplayed'] === 1);
  assert.equal(link.path, path);
  await carry(lab, client);
});

test('what comes out of IPsec and is no L2TP of its selectors reaches nobody', { skip }, async () => {
  await using lab = await L2tpLab.open();
  for (const [selected, ports, counter] of [
    [1_701, { local: 1_701, remote: 53 }, 'espSelectors'],
    [1_701, { local: 53, remote: 1_701 }, 'espSelectors'],
    [0, { local: 1_701, remote: 53 }, 'l2tpStrange'],
    [53, { local: 1_701, remote: 53 }, 'l2tpStrange'],
  ] as const) {
    const { peer, close } = await rawPeer(lab, selected);
    try {
      const before = lab.listener.stats[counter] ?? 0;
      new Carrier(peer, ports).sendMessage(
        Buffer.from('c8020014000000000000000080080000000000018008000000020100', 'hex'),
      );
      await eventually(`${counter} ${selected}`, () => lab.listener.stats[counter] === before + 1);
      const empty = createPacketBatch(1, 64);
      empty.lengths[0] = 7;
      empty.count = 1;
      const malformed = lab.listener.stats['espSelectors'] ?? 0;
      peer.send(empty);
      await eventually('no whole header', () => lab.listener.stats['espSelectors'] === malformed + 1);
    } finally {
      close();
    }
  }
  assert.equal(lab.listener.stats['calls'], 0);
});

test('inner ports that nothing comes from any more make room for others', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const { peer, close } = await rawPeer(lab, 1_701, { localPort: 0 });
  try {
    for (let port = 2_000; port < 2_100; port++)
      new Carrier(peer, { local: port, remote: 1_701 }).sendMessage(Buffer.alloc(12));
    await eventually('all are heard', () => (lab.listener.stats['l2tpMalformed'] ?? 0) === 100);
    assert.equal(lab.listener.stats['l2tpStrange'], 0);
  } finally {
    close();
  }
});

test('what others begin at a client’s ports harms no call', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const client = await lab.dial();
  const at = { ike: 500, natTraversal: client.link.path.local.port };
  assert.equal(at.natTraversal, 4_500);
  const beginners = [
    ['a stranger', { from: stranger }],
    ['the server’s neighbour, with another key', { from: gateway, secret: Buffer.from('another key') }],
  ] as const;
  for (const [who, more] of beginners)
    await assert.rejects(rawPeer(lab, 1_701, { to: laptop, at, ...more }), /none of our proposals|key/, who);
  await carry(lab, client);
  const { peer, close } = await rawPeer(lab, 1_701, { to: laptop, at, from: gateway });
  await eventually('it is let go', () => peer.chain.standing === 0);
  close();
  await carry(lab, client);
});

test('a stranger whose offer is refused ends no dialling', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const { ike, through } = await lab.taps();
  ike.cut = true;
  const dialled = lab.dial(through);
  await eventually('it begins', () => ike.seen.length > 0);
  const there = { to: '127.0.0.1', from: '127.0.0.2', at: { ike: 500, natTraversal: 4_500 } };
  await assert.rejects(rawPeer(lab, 1_701, there), /none of our proposals/);
  ike.cut = false;
  await carry(lab, await dialled);
});

test('a call outlives a phase 1 that could not be made anew, and tells of it', { skip }, async () => {
  await using lab = await L2tpLab.open();
  const { wire, through } = await lab.taps();
  const client = await lab.dial({ ...through, lifetimes: { phase1Seconds: 2 }, handshakeWindow: 4_000 });
  await carry(lab, client);
  wire.cut = true;
  const isTold = () => lab.dialEvents.some((e) => e.kind === 'note' && e.message === 'no new keys');
  await eventually('it is told', isTold);
  wire.cut = false;
  await carry(lab, client);
});

test('a gateway that crashed is missed, and its successor takes the client again', { skip }, async () => {
  const keepalive = { interval: 500, timeout: 3_000 };
  await using first = await L2tpLab.open({ keepalive });
  const { relays, through } = await first.wires();
  const client = await first.dial({ ...through, keepalive });
  for (const relay of relays) relay.cut();
  assert.equal((await client.link.closed).cause, 'lost');
  await using second = await L2tpLab.open({ keepalive });
  await carry(second, await second.dial({ keepalive }));
});

test('a client that starts anew from the same ports has its old SAs and a new call; its old self is missed', {
  skip,
}, async () => {
  const keepalive = { interval: 500, timeout: 4_000 };
  await using lab = await L2tpLab.open({ keepalive });
  const { wire, through } = await lab.taps();
  const options = { ...through, innerPort: 1_701 };
  const old = await lab.dial(options);
  const theirs = lab.peerOf(old);
  wire.cut = true;
  await old.link.close({ cause: 'operator', detail: 'as if it crashed' });
  await eventually('its last words are lost', () => wire.seen.at(-1)?.readUInt32BE(0) === 0);
  wire.cut = false;
  const client = await lab.dial(options);
  await carry(lab, client);
  assert.equal((await theirs.link.closed).cause, 'lost');
  await carry(lab, client);
  assert.equal(lab.listener.stats['peers'], 1);
});
