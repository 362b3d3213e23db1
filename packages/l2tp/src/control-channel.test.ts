import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { bytes, hexOf, packet } from '../test/encoder.ts';
import { parse } from '../test/peer.ts';
import { ControlChannel } from './control-channel.ts';
import { decodeControl } from './header.ts';
import { emptyStats } from './stats.ts';

const at = (time: number) => time as Instant;
const HELLO = bytes('8008000000000006');

function channel(window?: number) {
  const stats = emptyStats();
  const machine = new ControlChannel(stats);
  machine.setPeerWindow(window);
  const drain = (time: number) => {
    const out: ReturnType<typeof parse>[] = [];
    for (let d = machine.pollTransmit(at(time)); d !== undefined; d = machine.pollTransmit(at(time)))
      out.push(parse(d));
    return out;
  };
  const hear = (ns: number, nr: number, body = '', time = 0) =>
    machine.handle(decodeControl(packet(1, 0, ns, nr, body)), at(time)).map((message) => hexOf(message.body));
  return { machine, stats, drain, hear };
}

test('slow start opens up to the window of the peer, and never past it', () => {
  const { machine, drain, hear } = channel(3);
  for (let n = 0; n < 20; n++) machine.send(0, HELLO);
  let acknowledged = 0;
  const flights: number[] = [];
  for (let turn = 0; turn < 6; turn++) {
    flights.push(drain(turn).length);
    acknowledged += flights.at(-1) ?? 0;
    hear(0, acknowledged, '', turn);
  }
  assert.deepEqual(flights, [1, 2, 3, 3, 3, 3]);
});

test('after a time-out it goes back to the first that is missing, one at a time, and waits longer', () => {
  const { machine, drain, hear, stats } = channel(4);
  for (let n = 0; n < 4; n++) machine.send(0, HELLO);
  drain(0);
  hear(0, 1);
  assert.deepEqual(
    drain(0).map(({ ns }) => ns),
    [1, 2],
  );
  const times: number[] = [];
  for (let time = machine.pollTimeout(); time !== undefined; time = machine.pollTimeout()) {
    times.push(time);
    machine.handleTimeout(time);
    if (!machine.failed)
      assert.deepEqual(
        drain(time).map(({ ns }) => ns),
        [1],
      );
  }
  assert.deepEqual(times, [1_000, 3_000, 7_000, 15_000, 23_000, 31_000]);
  assert.ok(machine.failed);
  assert.equal(stats.retransmits, 5);
});

test('an acknowledgement of what was sent before the time-out counts, one of what never was does not', () => {
  const { machine, drain, hear } = channel(4);
  for (let n = 0; n < 3; n++) machine.send(0, HELLO);
  drain(0);
  hear(0, 1);
  drain(0);
  machine.handleTimeout(at(1_000));
  assert.deepEqual(
    drain(1_000).map(({ ns }) => ns),
    [1],
  );
  hear(0, 9, '', 1_001);
  assert.ok(!machine.idle);
  hear(0, 3, '', 1_002);
  assert.ok(machine.idle);
  assert.equal(machine.pollTimeout(), undefined);
});

test('numbers go round at 65,536, both ways', () => {
  const { machine, drain, hear } = channel(4);
  for (let n = 0; n < 65_540; n++) {
    machine.send(0, HELLO);
    const [sent] = drain(n);
    assert.equal(sent?.ns, n & 0xffff);
    assert.equal(sent?.nr, n & 0xffff);
    assert.equal(hear(n & 0xffff, (n + 1) & 0xffff, '8008000000000006', n).length, 1);
  }
  assert.ok(machine.idle);
});

test('messages are put in order; duplicates are acknowledged again, and what is too early is dropped', () => {
  const { drain, hear, stats } = channel();
  const body = (n: number) => `80080000000000${n.toString(16).padStart(2, '0')}`;
  assert.deepEqual(hear(1, 0, body(1)), []);
  assert.deepEqual(hear(8, 0, body(8)), []);
  assert.deepEqual(hear(0, 0, body(0)), [body(0), body(1)]);
  assert.deepEqual(
    drain(0).map(({ kind, nr }) => [kind, nr]),
    [[0, 2]],
    'one acknowledgement for all',
  );
  assert.deepEqual(hear(0, 0, body(0)), []);
  assert.deepEqual(
    drain(0).map(({ kind, nr }) => [kind, nr]),
    [[0, 2]],
  );
  assert.deepEqual([stats.duplicates, stats.early, stats.beyond], [1, 1, 1]);
});

test('an acknowledgement rides on a message that waits, whose Nr is that of the moment', () => {
  const { machine, drain, hear, stats } = channel();
  hear(0, 0, '8008000000000006');
  machine.send(5, HELLO);
  assert.deepEqual(
    drain(0).map(({ kind, sessionId, nr }) => [kind, sessionId, nr]),
    [[6, 5, 1]],
  );
  assert.equal(stats.acksOut, 0);
  hear(1, 0, '8008000000000006');
  drain(0);
  machine.handleTimeout(at(1_000));
  assert.equal(drain(1_000)[0]?.nr, 2, 'said again, with what came since');
});

test('a ZLB takes no number and is not answered', () => {
  const { drain, hear } = channel();
  assert.deepEqual(hear(0, 0), []);
  assert.deepEqual(drain(0), []);
  assert.equal(hear(0, 0, '8008000000000006').length, 1);
});

test('a peer that asks and never acknowledges ends the channel', () => {
  const { machine } = channel();
  for (let n = 0; n < 65; n++) machine.send(0, HELLO);
  assert.ok(machine.failed);
});
