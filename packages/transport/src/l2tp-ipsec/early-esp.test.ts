/** ESP that comes before its pair. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { createDatagramBatch, pathWords } from '@culvert/netio';
import { batchOf, enterFreshNamespace, eventually, ipv4Packet } from '@culvert/testkit';
import { carry, L2tpLab } from '../../test/l2tp-lab.ts';
import { gateway, laptop } from '../../test/pptp-lab.ts';
import { EarlyEsp } from './early-esp.ts';
import type { EspSource } from './esp-receiver.ts';

const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop]) execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
}

/** Exchange types of IKE (RFC 2408, section 3.1; RFC 2409). */
const informational = 5;
const quickMode = 32;
const source: EspSource = { isOn: () => true, pathOf: () => assert.fail() };
const at = (millis: number) => millis as Instant;

function datagrams(lengths: readonly number[]) {
  const batch = createDatagramBatch(lengths.length, 4_096 * lengths.length);
  for (const [slot, length] of lengths.entries()) {
    batch.offsets[slot] = 4_096 * slot;
    batch.lengths[slot] = length;
    batch.arena.fill(slot + 1, 4_096 * slot, 4_096 * slot + length);
    batch.paths.fill(slot + 100, slot * pathWords, (slot + 1) * pathWords);
  }
  batch.count = lengths.length;
  return batch;
}

test('it comes back whole, in order and once, within a second', () => {
  const early = new EarlyEsp();
  const batch = datagrams([100, 200, 300]);
  assert.equal(early.keep(7, batch, [1, 3], source, at(0)), 2);
  batch.arena.fill(0);
  assert.deepEqual(early.take(8, at(1)), []);
  const back = early.take(7, at(999));
  assert.deepEqual(
    back.map(({ batch: { count, offsets, lengths, arena, paths } }) => [
      count,
      offsets[0],
      lengths[0],
      arena[0],
      paths[0],
    ]),
    [
      [1, 0, 200, 2, 101],
      [1, 0, 300, 3, 102],
    ],
  );
  assert.deepEqual([early.take(7, at(999)), early.size], [[], 0]);
  early.keep(7, datagrams([100]), [0, 1], source, at(1_000));
  assert.deepEqual([early.take(7, at(2_000)), early.size], [[], 0]);
});

test('one SPI keeps 32, all keep 256, and long ones are not kept', () => {
  const early = new EarlyEsp();
  const many = datagrams(Array(40).fill(64));
  assert.deepEqual([early.keep(1, many, [0, 40], source, at(0)), early.keep(1, many, [0, 40], source, at(0))], [32, 0]);
  for (let spi = 2; spi < 20; spi++) early.keep(spi, many, [0, 40], source, at(0));
  assert.equal(early.size, 256);
  assert.equal(early.keep(99, many, [0, 1], source, at(1_001)), 1, 'old ones made room');
  assert.deepEqual([early.keep(5, datagrams([2_049, 2_048]), [0, 2], source, at(1_001)), early.size], [1, 2]);
  early.clear();
  assert.deepEqual([early.take(5, at(1_001)), early.size], [[], 0]);
});

test('a peer that sends by new keys before the gateway has its last message of quick mode loses nothing', {
  skip,
}, async () => {
  await using lab = await L2tpLab.open();
  const { wire, through } = await lab.taps();
  const client = await lab.dial({ ...through, lifetimes: { phase1Seconds: 3, phase2Seconds: 4 } });
  const theirs = lab.peerOf(client);
  await carry(lab, client);
  // Without an answer to its question the gateway does not know that this peer is where its next phase 1 says: the pair is made last of all.
  const last: Buffer[] = [];
  const seen = new Set<number>();
  wire.change = (datagram) => {
    if (datagram.length < 28 || datagram.readUInt32BE(0) !== 0) return datagram;
    const exchange = datagram[4 + 18];
    if (exchange === informational) return undefined;
    if (exchange !== quickMode || wire.seen.at(-1) !== datagram) return datagram;
    const messageId = datagram.readUInt32BE(4 + 20);
    if (!seen.has(messageId)) {
      seen.add(messageId);
      return datagram;
    }
    last.push(datagram);
    return undefined;
  };
  const early = () => lab.listener.stats['espEarly'] ?? 0;
  const { length } = theirs.packets;
  let sent = 0;
  await eventually('ESP came before its pair', () => {
    client.link.send(batchOf([ipv4Packet(100, sent++)]));
    return early() >= 3;
  });
  assert.ok(last.length > 0 && (lab.listener.stats['ikeEstablished'] ?? 0) >= 2, 'quick mode waits for its end');
  wire.change = (datagram) => datagram;
  for (const message of last) wire.send(message);
  await eventually('all are heard', () => theirs.packets.length === length + sent);
  assert.equal(lab.listener.stats['espUnknown'], 0);
  await carry(lab, client);
});
