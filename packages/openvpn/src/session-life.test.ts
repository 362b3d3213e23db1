import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloseCause } from '@culvert/base';
import { config, innerPacket, matchingWraps } from '../test/ends.ts';
import { type Joined, join } from '../test/join.ts';

/** Sends `count` packets each way while time passes; none may be lost on a good wire. */
function carry({ link, client, server }: Joined, count: number, gap = 20): void {
  const before = [client.received.length, server.received.length] as const;
  for (let n = 0; n < count; n++) {
    client.send(innerPacket(n), link.now);
    server.send(innerPacket(n), link.now);
    link.advance(gap);
  }
  link.advance(100);
  assert.deepEqual([client.received.length - before[0], server.received.length - before[1]], [count, count]);
}

for (const who of ['client', 'server', 'both at once'] as const) {
  test(`new keys under traffic lose no packet, begun by ${who}`, () => {
    const joined = join().connect();
    const { link, client, server, count } = joined;
    carry(joined, 5);
    // Eight times: the key id goes from 7 back to 1.
    for (let round = 1; round <= 8; round++) {
      if (who !== 'server') client.renegotiate(link.now);
      if (who !== 'client') server.session?.renegotiate(link.now);
      carry(joined, 30);
      assert.deepEqual([count(0, 'rekeyed'), count(1, 'rekeyed')], [round, round]);
    }
    assert.equal(client.facts['rekeyWrap'], 'dynamic tls-crypt');
    assert.ok(
      server.engines.slice(0, -1).every((engine) => engine.closed),
      'old TLS sessions are freed',
    );
    assert.ok(client.engines.slice(0, -1).every((engine) => engine.closed));
  });
}

for (const kind of ['none', 'tls-crypt'] as const) {
  test(`new keys under ${kind}, with the dynamic wrap`, () => {
    const joined = join({ wraps: matchingWraps(kind) }).connect();
    joined.client.renegotiate(joined.link.now);
    carry(joined, 50);
    assert.equal(joined.count(0, 'rekeyed'), 1);
    assert.equal(joined.client.facts['rekeyWrap'], 'dynamic tls-crypt');
  });
}

test('keys are renewed by time at either end', () => {
  const joined = join({ server: { session: { renegotiateAfter: 60_000 } } }).connect();
  joined.link.advance(200_000);
  assert.ok(joined.count(0, 'rekeyed') >= 3, 'a server draws from the last tenth before its limit');
  carry(joined, 5);
});

test('keys are renewed by packets', () => {
  const joined = join({ client: { session: { renegotiatePackets: 40, renegotiateAfter: 0 } } }).connect();
  carry(joined, 100);
  assert.ok(joined.count(0, 'rekeyed') >= 2);
});

test('the claim of a rekey is the admission’s to answer, and while it thinks packets go on', () => {
  const joined = join().connect();
  const { link, client, server, count } = joined;
  server.answerRekey = 'wait';
  client.renegotiate(link.now);
  carry(joined, 50);
  const claim = link.events[1].findLast((event) => event.kind === 'claim');
  assert.equal(claim?.initial, false);
  assert.equal(count(0, 'rekeyed'), 0);
  server.session?.reauthenticated(true, '', link.now);
  carry(joined, 50);
  assert.equal(count(0, 'rekeyed'), 1);
});

test('a rekey that admission refuses ends the session, and the client learns why', () => {
  const { link, client, server, closed } = join().connect();
  server.answerRekey = 'refuse';
  client.renegotiate(link.now);
  link.settle(10_000);
  assert.deepEqual(closed(0), { cause: 'refused', detail: 'the server refused us: the account was disabled' });
  assert.deepEqual(closed(1), { cause: 'refused', detail: 'the account was disabled' });
});

test('a client that shows another certificate in a rekey is turned away', () => {
  const tls = { name: 'alice' };
  const { link, client, closed } = join({ client: { tls } }).connect();
  tls.name = 'mallory';
  client.renegotiate(link.now);
  link.settle(20_000);
  assert.deepEqual(closed(1), { cause: 'protocol', detail: 'the client changed its certificate during a rekey' });
});

test('a server that shows another certificate in a rekey is left', () => {
  const tls = { name: 'server' };
  const { link, client, closed } = join({ server: { tls } }).connect();
  tls.name = 'mallory';
  client.renegotiate(link.now);
  link.settle(20_000);
  assert.deepEqual(closed(0), { cause: 'protocol', detail: 'the server changed its certificate during a rekey' });
});

test('a rekey that the peer does not follow ends the session at its deadline', () => {
  const { link, client, closed } = join({
    server: { config: { ...config, keepalive: { interval: 10_000, timeout: 1_000_000 } } },
  }).connect();
  link.cut = true;
  client.renegotiate(link.now);
  link.settle(70_000);
  assert.match(closed(0)?.detail ?? '', /made no new key with us in 60 s/);
});

test('a peer that asks for new keys without end is cut off', () => {
  const { link, client, count, closed } = join({ latency: 1 }).connect();
  for (let n = 0; n < 40 && closed(1) === undefined; n++) {
    client.renegotiate(link.now);
    link.advance(20);
  }
  assert.ok(count(1, 'claim') <= 22);
  assert.match(closed(1)?.detail ?? '', /too often/);
});

test('a quiet link lives by its pings, a cut one is lost within its timeout', () => {
  const { link, closed } = join().connect();
  link.advance(300_000);
  assert.deepEqual([closed(0), closed(1)], [undefined, undefined]);
  link.cut = true;
  link.advance(70_000);
  assert.deepEqual(closed(0), { cause: 'lost', detail: 'nothing was heard from the peer for 60 s' });
  assert.equal(closed(1)?.cause, 'lost');
});

test('pings are not traffic', () => {
  const { link, client, server } = join().connect();
  link.advance(100_000);
  assert.deepEqual([client.stats.packetsIn, client.stats.packetsOut], [0, 0]);
  assert.equal(server.session?.stats.bytesIn, 0);
});

for (const controlExit of [true, false]) {
  test(`a client says goodbye ${controlExit ? 'over the control channel' : 'inside the data channel'}`, () => {
    const peerInfo: Record<string, string> = controlExit ? {} : { IV_PROTO: '6' };
    const { link, client, closed } = join({ client: { session: { peerInfo } } }).connect();
    client.close({ cause: 'operator', detail: 'enough' }, link.now);
    link.settle(1_000);
    assert.deepEqual(closed(0), { cause: 'operator', detail: 'enough' });
    assert.equal(closed(1)?.cause, 'peer');
  });
}

const farewells: readonly (readonly [CloseCause, CloseCause, RegExp])[] = [
  ['shutdown', 'peer', /asks to connect again: we stop/],
  ['idle', 'peer', /asks to connect again/],
  ['operator', 'refused', /for good: we stop/],
  ['replaced', 'refused', /for good/],
  ['revoked', 'refused', /refused us: we stop/],
];
for (const [ours, theirs, detail] of farewells) {
  test(`a server ends a session as ${ours}: to the client it is ${theirs}`, () => {
    const { link, server, closed } = join().connect();
    server.session?.close({ cause: ours, detail: 'we stop' }, link.now);
    link.settle(5_000);
    assert.equal(closed(1)?.cause, ours);
    assert.equal(closed(0)?.cause, theirs);
    assert.match(closed(0)?.detail ?? '', detail);
  });
}

test('over a cut wire a goodbye gives up soon', () => {
  const { link, client, closed } = join().connect();
  link.cut = true;
  client.close({ cause: 'operator', detail: 'enough' }, link.now);
  assert.ok(link.until(() => closed(0) !== undefined, 3_500));
  assert.equal(closed(0)?.cause, 'operator');
});

test('a session is closed before it is up, and when it is closed it is silent', () => {
  const { link, client, closed } = join();
  client.close({ cause: 'operator', detail: 'no' }, link.now);
  link.settle(10_000);
  assert.equal(closed(0)?.cause, 'operator');
  client.send(innerPacket(1), link.now);
  client.renegotiate(link.now);
  assert.equal(client.pollTransmit(), undefined);
  assert.equal(client.pollTimeout(), undefined);
  assert.equal(client.stats.droppedOut, 1);
});

test('after close every TLS engine of both ends is freed', () => {
  const { link, client, server } = join().connect();
  client.renegotiate(link.now);
  link.advance(2_000);
  client.close({ cause: 'operator', detail: 'enough' }, link.now);
  link.settle(10_000);
  assert.ok([...client.engines, ...server.engines].every((engine) => engine.closed));
});

test('a peer that moved is answered at its new address', () => {
  const { link, client, server } = join().connect();
  link.advance(1_000);
  const elsewhere = { address: '203.0.113.5', port: 5_555 };
  link.roam(0, elsewhere);
  const session = server.session;
  assert.ok(session);
  session.handleRoam({ ...session.path, remote: elsewhere }, link.now);
  server.send(innerPacket(1), link.now);
  link.advance(100);
  assert.equal(client.received.length, 1);
  session.renegotiate(link.now);
  link.advance(5_000);
  assert.equal(session.stats.unauthenticated, 0);
});
