/** Links whose path takes less than most: what leaves whole, and what becomes of it when the path changes. Loopback plays the path. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { afterEach, test } from 'node:test';
import type { Link } from '@culvert/core';
import { enterFreshNamespace, eventually, flowPackets, openRelay } from '@culvert/testkit';
import { Stage } from '../../test/openvpn-stage.ts';
import { joined, Received } from '../../test/trains.ts';

const skip = enterFreshNamespace();
const setMtu = (mtu: number) => execFileSync('ip', ['link', 'set', 'lo', 'mtu', `${mtu}`]);
afterEach(() => {
  if (skip === false) setMtu(65_536);
});

/** IP and UDP outside, and what OpenVPN adds. */
const OVERHEAD = 28 + 24;
const COUNT = 40;

/** A flow whose packets have `bytes` each, headers included. */
const flow = (bytes: number, sourcePort: number) =>
  flowPackets({ version: 4, protocol: 'tcp', from: 2, to: 1, sourcePort, count: COUNT, size: bytes - 40 });

/** The socket's counts of one end. */
const counts = (end: Link, stage: Stage) => end.wire ?? stage.listener.stats;

test('a link knows from the beginning what its path takes, and trains of that size leave whole', { skip }, async () => {
  setMtu(1_400);
  await using stage = await new Stage().listen();
  const [ours, theirs] = await stage.connect();
  for (const [from, to] of [
    [ours, theirs],
    [theirs, ours],
  ] as const) {
    assert.equal(from.unfragmented, 1_400 - OVERHEAD);
    const received = new Received(to);
    const packets = flow(from.unfragmented, 1_000);
    from.send(joined(packets));
    await eventually('all came', () => received.has(packets));
    assert.equal(counts(from, stage)['trainFallbacks'], 0);
    assert.ok((counts(from, stage)['trainsSent'] ?? 0) > 0);
    const tooLong = flow(from.unfragmented + 1, 2_000);
    from.send(joined(tooLong));
    await eventually('so did what is a byte too long', () => received.has(tooLong));
    assert.equal(counts(from, stage)['trainFallbacks'], 1, 'but as datagrams');
  }
});

test('a path that takes less from some moment on is noticed by the first train that is refused, which arrives', {
  skip,
}, async () => {
  await using stage = await new Stage().listen();
  const [ours, theirs] = await stage.connect();
  for (const [from, to] of [
    [ours, theirs],
    [theirs, ours],
  ] as const) {
    setMtu(65_536);
    const received = new Received(to);
    assert.equal(from.unfragmented, 1_492 - OVERHEAD);
    from.send(joined(flow(1_440, 1_000)));
    await eventually('all came', () => received.count === COUNT);
    setMtu(1_400);
    const refused = flow(1_440, 2_000);
    from.send(joined(refused));
    await eventually('all came', () => received.has(refused));
    assert.equal(from.unfragmented, 1_400 - OVERHEAD);
    const fallbacks = counts(from, stage)['trainFallbacks'];
    const fits = flow(from.unfragmented, 3_000);
    from.send(joined(fits));
    await eventually('all came', () => received.has(fits));
    assert.equal(counts(from, stage)['trainFallbacks'], fallbacks);
  }
  assert.match(stage.log.text, /a path takes packets of another size remote=127\.0\.0\.1 bytes=1400/);
});

test('what was learnt of a path is not held against the next, when the peer roams', { skip }, async () => {
  setMtu(1_400);
  await using stage = await new Stage().listen();
  const relay = await openRelay('udp', stage.listener.endpoints[0] ?? assert.fail());
  try {
    const [ours, theirs] = await stage.connect(relay.endpoint);
    const received = new Received(theirs);
    assert.equal(theirs.unfragmented, 1_400 - OVERHEAD);
    setMtu(65_536);
    assert.equal(theirs.unfragmented, 1_400 - OVERHEAD, 'nothing tells of it');
    relay.roam();
    ours.send(joined(flow(200, 1_000)));
    await eventually('the peer has moved', () => received.count > 0);
    assert.equal(theirs.unfragmented, 1_492 - OVERHEAD);
  } finally {
    await relay.close();
  }
});

test('over TCP there is no such size', async () => {
  await using stage = await new Stage({ protocol: 'tcp' }).listen();
  const [ours, theirs] = await stage.connect();
  assert.deepEqual([ours.unfragmented, theirs.unfragmented], [undefined, undefined]);
});
