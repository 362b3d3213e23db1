/** Both roles against each other: over a good wire, over a bad one in virtual time, and when one side falls silent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPacketBatch, type Instant } from '@culvert/base';
import { LossyLink } from '@culvert/testkit';
import { End, operator, START, talk } from '../test/ends.ts';
import { parse } from '../test/peer.ts';

test('an LAC calls an LNS twice in one tunnel; the last hang-up ends it', () => {
  const [lac, lns] = [new End({ seed: 2, answers: false }), new End()];
  const first = lac.machine.dial('wire', START);
  const second = lac.machine.dial('wire', START);
  const kinds = talk(lac, lns).map((said) => parse(said).kind);
  assert.deepEqual(
    [...new Set(kinds)].sort((a, b) => a - b),
    [0, 1, 2, 3, 10, 11, 12],
  );
  assert.equal(lac.sessions.length, 2);
  assert.equal(lns.sessions.length, 2);
  assert.equal(lns.machine.tunnelCount, 1);
  assert.ok(first && second);
  lns.hear(lac.wrapped(second, [41, 42]));
  assert.deepEqual(lns.numbers, [41, 42]);
  assert.equal(lns.frames[0]?.session.peerId, second.localId);
  lac.machine.close(first, operator, START);
  talk(lac, lns);
  assert.equal(lns.sessions.length, 1);
  lac.machine.close(second, operator, START);
  talk(lac, lns);
  assert.equal(lac.machine.tunnelCount, 0);
  assert.equal(lns.reasons.length, 2);
});

test('with equal secrets both ends prove themselves, with unequal ones the call ends with a reason', () => {
  for (const [theirs, sessions] of [
    ['tiger', 1],
    ['lion', 0],
  ] as const) {
    const lac = new End({ seed: 2, secret: Buffer.from('tiger') });
    const lns = new End({ secret: Buffer.from(theirs) });
    lac.machine.dial('wire', START);
    talk(lac, lns);
    assert.equal(lac.sessions.length, sessions);
    if (sessions === 0) assert.match(lac.reasons[0] ?? '', /secrets differ/);
  }
});

test('an LNS that wants numbers is followed by the LAC', () => {
  const [lac, lns] = [new End({ seed: 2 }), new End({ sequencing: true })];
  const session = lac.machine.dial('wire', START) ?? assert.fail();
  talk(lac, lns);
  assert.equal(session.sequencing, false);
  lac.hear(lns.wrapped(lns.sessions[0] ?? assert.fail(), [1]));
  assert.equal(session.sequencing, true);
});

for (const seed of [1, 2, 3, 5, 8, 13]) {
  test(`calls come up and end over a wire that loses a fifth (seed ${seed})`, () => {
    const [lac, lns] = [new End({ seed: 2 }), new End()];
    const wire = { seed, latency: 40, jitter: 60, drop: 0.2, duplicate: 0.1, reorder: 0.1 };
    const link = new LossyLink(lac, lns, wire);
    lac.now = lns.now = link.now;
    const calls = Array.from({ length: 5 }, () => lac.machine.dial('wire', link.now) ?? assert.fail());
    assert.ok(
      link.until(() => lac.sessions.length + lns.sessions.length === 10, 60_000),
      'all are up',
    );
    link.advance(200_000);
    assert.equal(lns.sessions.length, 5, 'they stay: Hello is answered');
    lac.send(
      calls[0] ?? assert.fail(),
      Array.from({ length: 100 }, (_, n) => n),
    );
    link.advance(1_000);
    assert.ok(lns.numbers.length > 40);
    for (const call of calls) lac.machine.close(call, operator, link.now);
    link.settle(300_000);
    assert.equal(lns.sessions.length, 0);
    assert.deepEqual([lac.machine.tunnelCount, lns.machine.tunnelCount], [0, 0]);
    assert.deepEqual([lac.pollTimeout(), lns.pollTimeout()], [undefined, undefined], 'nobody waits for anything');
  });
}

test('over a wire that loses three of ten nearly every call comes up, and each other ends in time with its reason', () => {
  let up = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const [lac, lns] = [new End({ seed: 2 }), new End()];
    const link = new LossyLink(lac, lns, { seed, latency: 40, jitter: 60, drop: 0.3, duplicate: 0.1, reorder: 0.1 });
    lac.now = lns.now = link.now;
    const calls = Array.from({ length: 5 }, () => lac.machine.dial('wire', link.now) ?? assert.fail());
    const standing = () => calls.filter((call) => call.stage === 'up').length;
    // A call has half a minute, and the messages of all share one window of the tunnel.
    assert.ok(
      link.until(() => standing() + lac.reasons.length === calls.length, 61_000),
      `seed ${seed}: ${standing()} are up, and the rest: ${lac.reasons}`,
    );
    up += standing();
    for (const call of calls) lac.machine.close(call, operator, link.now);
    link.settle(300_000);
    assert.deepEqual([lac.machine.tunnelCount, lns.machine.tunnelCount], [0, 0], `seed ${seed}`);
  }
  assert.ok(up > 0.95 * 60 * 5, `${up} of 300`);
});

test('a peer that falls silent is given up: a minute until Hello, and five retransmissions', () => {
  const [lac, lns] = [new End({ seed: 2 }), new End()];
  const sent: number[] = [];
  const link = new LossyLink(lac, lns, {
    latency: 5,
    onTransmit: (from, d, now) => from === 1 && parse(d).kind === 6 && sent.push(now),
  });
  lac.now = lns.now = link.now;
  lac.machine.dial('wire', link.now);
  link.advance(1_000);
  assert.equal(lns.sessions.length, 1);
  link.cut = true;
  link.advance(200_000);
  assert.deepEqual(
    sent.map((at) => at - (sent[0] ?? 0)),
    [0, 1_000, 3_000, 7_000, 15_000, 23_000],
  );
  assert.deepEqual(lns.reasons, ['the peer does not acknowledge control messages']);
  assert.equal(lns.machine.tunnelCount, 0);
});

test('nobody answers: the call ends with a reason', () => {
  const lac = new End();
  lac.machine.dial('wire', START);
  for (let turn = 0; turn < 20 && lac.pollTimeout() !== undefined; turn++) {
    lac.drain();
    lac.handleTimeout(lac.pollTimeout() as Instant);
  }
  assert.equal(lac.reasons.length, 1);
  lac.drain();
  assert.equal(lac.machine.tunnelCount, 0);
});

test('a carrier that is lost takes its sessions along; a shutdown says goodbye', () => {
  const [lac, lns] = [new End({ seed: 2 }), new End()];
  lac.machine.dial('wire', START);
  talk(lac, lns);
  lac.machine.carrierLost('wire', { cause: 'lost', detail: 'the SA is gone' });
  assert.deepEqual(lac.drain(), []);
  assert.deepEqual([lac.reasons, lac.machine.tunnelCount], [['the SA is gone'], 0]);
  lns.machine.shutdown({ cause: 'shutdown', detail: 'bye' }, START);
  assert.equal(parse(lns.drain()[0]?.datagram ?? assert.fail()).kind, 4);
});

test('data is a sign of life: nobody asks while it comes, nor where Hello is off', () => {
  for (const [helloInterval, data, asked] of [
    [60_000, true, 0],
    [60_000, false, 1],
    [Number.POSITIVE_INFINITY, false, 0],
  ] as const) {
    const [lac, lns] = [new End({ seed: 2, helloInterval: Number.POSITIVE_INFINITY }), new End({ helloInterval })];
    const session = lac.machine.dial('wire', START) ?? assert.fail();
    talk(lac, lns);
    const said: number[] = [];
    for (let time = START + 20_000; time <= START + 100_000; time += 20_000) {
      lns.now = lac.now = time as Instant;
      if (data) lns.hear(lac.wrapped(session, [1]));
      lns.handleTimeout(time as Instant);
      said.push(...talk(lac, lns).map((packet) => parse(packet).kind));
    }
    assert.equal(said.filter((kind) => kind === 6).length, asked);
    assert.equal(lns.sessions.length, 1);
  }
});

test('a client that begins anew is missed in its old tunnel, one that has two tunnels is not', () => {
  for (const isThere of [false, true]) {
    const lns = new End({ helloInterval: Number.POSITIVE_INFINITY });
    const [old, anew] = [new End({ seed: 2, answers: false }), new End({ seed: 3, answers: false })];
    old.machine.dial('wire', START);
    talk(old, lns);
    anew.machine.dial('wire', START);
    for (let second = 0; second < 60; second++) {
      for (const end of [lns, anew, old]) end.handleTimeout((START + second * 1_000) as Instant);
      const said = [lns.drain(), anew.drain(), old.drain()].map((list) => list.map(({ datagram }) => datagram));
      const [ours = [], theirs = [], last = []] = said;
      anew.hear(ours);
      if (isThere) old.hear(ours);
      lns.hear([...theirs, ...(isThere ? last : [])]);
    }
    assert.equal(lns.sessions.length, isThere ? 2 : 1);
    assert.equal(lns.machine.tunnelCount, isThere ? 2 : 1);
    if (!isThere) assert.match(lns.reasons[0] ?? '', /does not acknowledge/);
  }
});

test('slots of length 0 are nothing, and no mistake of the peer', () => {
  const end = new End();
  const batch = createPacketBatch(2, 64);
  batch.count = 2;
  end.machine.handleBatch(batch, 0, 2, 'wire', START);
  assert.equal(end.machine.stats.malformed, 0);
});
