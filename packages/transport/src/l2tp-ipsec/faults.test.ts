/** Mistakes of our own, put into what handles one peer's datagrams, packets and deadlines: they end that call, and nobody else hears of them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { IkeEndpoint } from '@culvert/ipsec';
import { PppSession } from '@culvert/ppp';
import { batchOf, enterFreshNamespace, eventually, ipv4Packet, RecordingLogger } from '@culvert/testkit';
import { carry, L2tpLab } from '../../test/l2tp-lab.ts';
import { gateway, laptop, stranger } from '../../test/pptp-lab.ts';
import { IpsecPeer } from './peer.ts';

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop, stranger]) {
    execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
  }
}
const ended = { cause: 'error', detail: "a fault of culvert's own" };
const fail = () => {
  throw new Error('broken');
};

test('a fault in what packets lead to ends that call, is counted and logged with its stack, and costs nobody else', {
  skip,
}, async () => {
  const log = new RecordingLogger();
  await using lab = await L2tpLab.open({}, { log });
  const whole = await lab.dial({ localAddress: stranger });
  // Through L2TP before the peer's headers are known, and the straight way.
  for (const before of [0, 3]) {
    const broken = await lab.dial();
    for (let n = 0; n < before; n++) await carry(lab, broken);
    const theirs = lab.peerOf(broken).link;
    theirs.onPackets(fail);
    const faults = lab.listener.stats['faults'] ?? 0;
    broken.link.send(batchOf([ipv4Packet(100, 1)]));
    assert.deepEqual(await theirs.closed, ended);
    assert.equal(lab.listener.stats['faults'], faults + 1);
    assert.equal((await broken.link.closed).cause, 'peer', 'its peer was told');
    await carry(lab, whole);
  }
  assert.match(log.text, /error .*ended a call stack=Error: broken\n.*faults\.test/);
  await carry(lab, await lab.dial());
});

test('a fault while packets are sealed ends that call', { skip }, async (t) => {
  await using lab = await L2tpLab.open();
  const [broken, whole] = [await lab.dial(), await lab.dial({ localAddress: stranger })];
  const theirs = lab.peerOf(broken).link;
  const seal = t.mock.method(IpsecPeer.prototype, 'sendInner', fail, { times: 1 });
  theirs.send(batchOf([ipv4Packet(100, 1)]));
  assert.deepEqual([seal.mock.callCount(), theirs.stats.droppedOut], [1, 1]);
  assert.deepEqual(await theirs.closed, ended);
  await carry(lab, whole);
});

test("a fault at a deadline of PPP's ends that call", { skip }, async (t) => {
  const log = new RecordingLogger();
  await using lab = await L2tpLab.open({ keepalive: { interval: 100, timeout: 60_000 } }, { log });
  const clients = [await lab.dial(), await lab.dial({ localAddress: stranger })];
  t.mock.method(PppSession.prototype, 'handleTimeout', fail, { times: 1 });
  await eventually('it rang', () => lab.listener.stats['faults'] === 1);
  const closed = clients.map((client) => lab.peerOf(client).link.closed.then((why) => ({ client, why })));
  const { client: broken, why } = await Promise.race(closed);
  assert.deepEqual(why, ended);
  const whole = clients.find((client) => client !== broken);
  assert.ok(whole);
  await carry(lab, whole);
});

test('a fault where links are told ends that call, and its places are free again', { skip }, async () => {
  let broken = false;
  const onLink = () => {
    if (broken) fail();
  };
  await using lab = await L2tpLab.open({ maxHandshakes: 2, maxLinks: 2 }, { onLink });
  const whole = await lab.dial({ localAddress: stranger });
  broken = true;
  await lab.dial({ handshakeWindow: 1_000 }).then(
    ({ link }) => link.closed,
    () => {},
  );
  broken = false;
  assert.ok((lab.listener.stats['faults'] ?? 0) > 0);
  await eventually('it is gone', () => lab.listener.stats['calls'] === 1 && lab.listener.stats['handshakes'] === 0);
  await carry(lab, await lab.dial());
  await carry(lab, whole);
});

test('a fault with a message of IKE costs that message', { skip }, async (t) => {
  await using lab = await L2tpLab.open();
  t.mock.method(IkeEndpoint.prototype, 'handleDatagram', fail, { times: 1 });
  await carry(lab, await lab.dial());
  assert.equal(lab.listener.stats['faults'], 1);
});
