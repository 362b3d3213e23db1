/** What the compliance suite does not ask of PPTP: its bounds, its strangers, its weak strengths, its lossy wires. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { TransportEvent } from '@culvert/core';
import { encodePath, openRawIp } from '@culvert/netio';
import { batchOf, enterFreshNamespace, eventually, ipv4Packet, RecordingLogger } from '@culvert/testkit';
import { Caller } from '../../test/pptp-caller.ts';
import { gateway, laptop, PptpLab, stranger } from '../../test/pptp-lab.ts';

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop, stranger]) {
    execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
  }
}
const dialling = (lab: PptpLab, from = laptop) => connect({ host: gateway, port: lab.port, localAddress: from });

test('a wrong password is refused, and the listener knows why', { skip }, async () => {
  await using lab = await PptpLab.open();
  await assert.rejects(lab.dial({ password: 'guess' }), { code: 'CULVERT_TRANSPORT_REFUSED' });
  const refused = await eventually('the refusal', () => lab.events.find(({ kind }) => kind === 'refused'));
  assert.equal(refused.kind === 'refused' && refused.reason, 'wrong password');
});

test('who proved the password hears that the account is disabled, or not for this transport; a wrong one is told nothing', {
  skip,
}, async () => {
  for (const [account, sentence] of [
    ['disabled', /this account is disabled \("this account is disabled"\)/],
    ['barred', /this account may not dial in/],
  ] as const) {
    await using lab = await PptpLab.open({}, { account });
    await assert.rejects(lab.dial(), sentence);
    await assert.rejects(lab.dial({ password: 'guess' }), /wrong name or password \("authentication failed"\)/);
  }
});

test('two clients behind one address have their own packets each', { skip }, async () => {
  await using lab = await PptpLab.open();
  const [first, second] = [await lab.dial(), await lab.dial()];
  first.link.send(batchOf([ipv4Packet(100, 1)]));
  second.link.send(batchOf([ipv4Packet(101, 2)]));
  await eventually('both are heard', () => lab.accepted.every(({ packets }) => packets.length === 1));
  assert.deepEqual(
    lab.accepted.map(({ packets }) => packets[0]?.length),
    [100, 101],
  );
  lab.accepted[1]?.link.send(batchOf([ipv4Packet(102, 3)]));
  await eventually('the second hears', () => second.packets.length === 1);
  assert.equal(first.packets.length, 0);
});

test('GRE of strangers, and of nobody, is dropped and counted, whatever call it names', { skip }, async () => {
  await using lab = await PptpLab.open();
  const client = await lab.dial();
  using raw = openRawIp({ family: 4, protocol: 47, address: stranger });
  const path = encodePath({ local: stranger, remote: { address: gateway, port: 0 } }, 4);
  const packet = Buffer.from('3001880b0004000000000000ff03fd90', 'hex');
  const seen = () => (lab.listener.stats['greStrange'] ?? 0) - before;
  const before = lab.listener.stats['greStrange'] ?? 0;
  for (let callId = 0; callId < 0x1_0000; callId++) {
    packet.writeUInt16BE(callId, 6);
    raw.send(packet, path);
    // The socket's queue takes so many.
    if (callId % 1_024 === 1_023) await eventually('they are counted', () => seen() === callId + 1);
  }
  raw.send(packet.subarray(0, 7), path);
  await eventually('so is the broken one', () => lab.listener.stats['greMalformed'] === 1);
  client.link.send(batchOf([ipv4Packet(100, 1)]));
  await eventually('the link goes on', () => lab.accepted[0]?.packets.length === 1);
  assert.equal(lab.accepted[0]?.link.stats.droppedIn, 0, 'nothing was even looked at');
});

test('connections that are not up are bounded, half of them a source, and end in time', { skip }, async () => {
  await using lab = await PptpLab.open({ maxHandshakes: 6, handshakeWindow: 3_000 });
  const silent = Array.from({ length: 4 }, () => dialling(lab));
  for (const socket of silent) socket.on('error', () => {}).resume();
  await eventually('the fourth is one too many', () => lab.listener.stats['handshakesFull'] === 1);
  await lab.dial({ localAddress: stranger });
  await Promise.all(silent.map((socket) => socket.closed || once(socket, 'close')));
  assert.equal(lab.listener.stats['handshakes'], 0);
  await lab.dial();
});

test('MPPE with 40 bits is refused, and taken where it is allowed', { skip }, async () => {
  await using strict = await PptpLab.open();
  await assert.rejects(strict.dial({ strengths: [40] }), /encryption/i);
  await using lax = await PptpLab.open({ strengths: [128, 40] });
  const { link } = await lax.dial({ strengths: [40] });
  assert.equal(link.facts['encryption'], 'MPPE-40');
  link.send(batchOf([ipv4Packet(100, 1)]));
  await eventually('it carries', () => lax.accepted[0]?.packets.length === 1);
});

test('packets come in order and once over a wire that loses a tenth', { skip }, async () => {
  await using lab = await PptpLab.open();
  const client = await lab.dial();
  const rule = 'ip protocol 47 ip daddr 10.77.0.1 numgen random mod 10 0 drop';
  execFileSync('nft', [`table ip lossy { chain in { type filter hook input priority 0; ${rule}; }; }`]);
  try {
    for (let n = 0; n < 40; n++) {
      client.link.send(batchOf(Array.from({ length: 25 }, (_, i) => ipv4Packet(64, n * 25 + i))));
      await new Promise(setImmediate);
    }
    const packets = lab.accepted[0]?.packets ?? [];
    await eventually('most of them arrive', () => packets.length > 800);
    const numbers = packets.map((packet) => new DataView(packet.buffer).getUint32(60));
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
    );
    assert.ok(packets.length < 1_000, 'the wire was bad enough to matter');
  } finally {
    execFileSync('nft', ['delete table ip lossy']);
  }
});

test('the portable cipher talks to the native one', { skip }, async () => {
  await using lab = await PptpLab.open({ cipherImplementation: 'portable' });
  const client = await lab.dial();
  client.link.send(batchOf([ipv4Packet(100, 1)]));
  await eventually('it is heard', () => lab.accepted[0]?.packets.length === 1);
  lab.accepted[0]?.link.send(batchOf([ipv4Packet(200, 2)]));
  await eventually('it hears', () => client.packets.length === 1);
});

test('a fault of our own ends the control connection that met it, is logged with its stack, and costs nobody else', {
  skip,
}, async () => {
  const log = new RecordingLogger();
  let broken = false;
  const onEvent = ({ kind }: TransportEvent): void => {
    if (broken && kind === 'attempt') throw new Error('broken');
  };
  await using lab = await PptpLab.open({ maxLinks: 2 }, { log, onEvent });
  const client = await lab.dial();
  broken = true;
  for (let n = 0; n < 3; n++) {
    using caller = await Caller.open(lab);
    const closed = once(caller.socket, 'close');
    caller.ask().catch(() => {});
    await closed;
  }
  broken = false;
  assert.equal(lab.listener.stats['faults'], 3);
  assert.equal(log.lines.filter(({ level }) => level === 'error').length, 1, 'a stranger cannot fill the log');
  assert.match(log.text, /error .*control connection stack=Error: broken\n.*listen\.test/);
  client.link.send(batchOf([ipv4Packet(100, 1)]));
  await eventually('the link goes on', () => lab.accepted[0]?.packets.length === 1);
  // Places and call ids came back.
  await lab.dial();
});

test('where GRE does not get through, both ends say so', { skip }, async () => {
  await using lab = await PptpLab.open({ handshakeWindow: 1_500 });
  execFileSync('nft', ['table ip wall { chain in { type filter hook input priority 0; ip protocol 47 drop; }; }']);
  try {
    const blocked = /nothing came by GRE \(IP protocol 47\): a firewall, or a NAT without a helper for PPTP/;
    await assert.rejects(lab.dial({ handshakeWindow: 1_500 }), blocked);
    const failed = await eventually('the listener tells', () => lab.events.find(({ kind }) => kind === 'failed'));
    assert.ok(failed.kind === 'failed');
    assert.match(failed.reason.detail, blocked);
  } finally {
    execFileSync('nft', ['delete table ip wall']);
  }
  // GRE got through: a wrong password is nobody's firewall.
  await assert.rejects(lab.dial({ password: 'guess' }), (error: Error) => !error.message.includes('GRE'));
});

test('a fault of our own in what packets lead to ends that call, and costs nobody else', { skip }, async () => {
  const log = new RecordingLogger();
  await using lab = await PptpLab.open({}, { log });
  const [first, second] = [await lab.dial(), await lab.dial()];
  const [broken, whole] = lab.accepted;
  broken?.link.onPackets(() => {
    throw new Error('broken');
  });
  for (let n = 0; n < 3; n++) first.link.send(batchOf([ipv4Packet(100, n)]));
  assert.deepEqual(await broken?.link.closed, { cause: 'error', detail: "a fault of culvert's own" });
  assert.equal(log.lines.filter(({ level }) => level === 'error').length, 1);
  assert.match(log.text, /stack=Error: broken\n.*listen\.test/);
  second.link.send(batchOf([ipv4Packet(100, 1)]));
  await eventually('the other goes on', () => whole?.packets.length === 1);
});
