/** Several calls on one control connection, as pptp-linux makes them: a link each, over real sockets. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { batchOf, enterFreshNamespace, eventually, ipv4Packet } from '@culvert/testkit';
import { Caller, clearRequest } from '../../test/pptp-caller.ts';
import { gateway, laptop, PptpLab } from '../../test/pptp-lab.ts';

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop]) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
}

test('two calls on one connection are two links, each with its own packets and its own end', { skip }, async () => {
  await using lab = await PptpLab.open();
  using caller = await Caller.open(lab);
  const first = await caller.call();
  const second = await caller.call();
  assert.equal(lab.accepted.length, 2);
  assert.notEqual(lab.accepted[0]?.link.id, lab.accepted[1]?.link.id);
  first.link.send(batchOf([ipv4Packet(100, 1)]));
  second.link.send(batchOf([ipv4Packet(101, 2)]));
  await eventually('both are heard', () => lab.accepted.every(({ packets }) => packets.length === 1));
  const lengths = lab.accepted.map(({ packets }) => packets[0]?.length);
  assert.deepEqual(lengths, [100, 101]);
  lab.accepted[1]?.link.send(batchOf([ipv4Packet(102, 3)]));
  await eventually('the second hears', () => second.packets.length === 1);
  assert.equal(first.packets.length, 0);

  caller.socket.write(clearRequest(first.callId));
  const why = await lab.accepted[0]?.link.closed;
  assert.equal(why?.cause, 'peer');
  assert.equal(lab.listener.stats['peers'], 1);
  second.link.send(batchOf([ipv4Packet(103, 4)]));
  await eventually('the second goes on', () => lab.accepted[1]?.packets.length === 2);

  const ended = once(caller.socket, 'end');
  void lab.accepted[1]?.link.close({ cause: 'operator', detail: 'enough' });
  await ended;
  assert.equal((await lab.accepted[1]?.link.closed)?.cause, 'operator');
  await eventually('no place is held', () => lab.listener.stats['peers'] === 0);
});

test('the gateway ends one link of two alone, and both with the TCP connection', { skip }, async () => {
  await using lab = await PptpLab.open();
  using caller = await Caller.open(lab);
  await caller.call();
  const second = await caller.call();
  await lab.accepted[0]?.link.close({ cause: 'operator', detail: 'enough' });
  second.link.send(batchOf([ipv4Packet(100, 1)]));
  await eventually('the second goes on', () => lab.accepted[1]?.packets.length === 1);
  await caller.call();
  caller.socket.destroy();
  const reasons = await Promise.all(lab.accepted.slice(1).map(({ link }) => link.closed));
  assert.deepEqual(
    reasons.map(({ cause }) => cause),
    ['peer', 'peer'],
  );
});

test('calls count against the bounds of links and of handshakes, whatever connection they are on', {
  skip,
}, async () => {
  await using lab = await PptpLab.open({ maxLinks: 2, maxHandshakes: 4 });
  using caller = await Caller.open(lab);
  const { callId } = await caller.call();
  await caller.call();
  const refused = await caller.ask();
  assert.deepEqual([refused.result, refused.error, lab.listener.stats['linksFull']], [2, 4, 1]);
  caller.socket.write(clearRequest(callId));
  await eventually('a place is free', () => lab.listener.stats['peers'] === 1);
  await caller.call();

  await using narrow = await PptpLab.open({ maxHandshakes: 4 });
  using silent = await Caller.open(narrow);
  const results = [await silent.ask(), await silent.ask(), await silent.ask()].map(({ result }) => result);
  assert.deepEqual([results, narrow.listener.stats['handshakesFull']], [[1, 1, 2], 1]);
});

test('a peer that owes an acknowledgement is nudged, though there is nothing else to send', { skip }, async () => {
  await using lab = await PptpLab.open();
  using caller = await Caller.open(lab);
  await caller.call();
  const link = lab.accepted[0]?.link;
  assert.equal(link?.wire?.['greNudges'], 0);
  caller.silence();
  link.send(batchOf([ipv4Packet(100, 1)]));
  await eventually('it is nudged, and not for ever', () => link.wire?.['greNudges'] === 3);
  assert.equal(lab.listener.stats['greNudges'], 3, "the listener tells its calls' sums");
  await link.close({ cause: 'operator', detail: 'enough' });
  await eventually('nothing is left of it', () => lab.listener.stats['peers'] === 0);
  assert.equal(lab.listener.stats['greNudges'], 3, 'with those of calls that are over');
});
