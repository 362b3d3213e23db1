import assert from 'node:assert/strict';
import { test } from 'node:test';
import { config, innerPacket, matchingWraps } from '../test/ends.ts';
import { join } from '../test/join.ts';
import { defaultDataCiphers } from './negotiation.ts';

for (const kind of ['none', 'tls-crypt', 'tls-crypt-v2'] as const) {
  test(`a client connects, is configured, and packets go both ways (${kind})`, () => {
    const { link, client, server } = join({ wraps: matchingWraps(kind) }).connect();
    const up = link.events[0].find((event) => event.kind === 'up');
    assert.deepEqual(up?.config, config);
    assert.equal(up?.peerId, 7);

    client.send(innerPacket(1), link.now);
    server.send(innerPacket(2), link.now);
    link.advance(100);

    assert.deepEqual(server.received, [innerPacket(1)]);
    assert.deepEqual(client.received, [innerPacket(2)]);
    const { wrap, keys } = client.facts;
    assert.deepEqual([wrap, keys], [kind, 'TLS exporter']);
  });
}

for (const seed of [1, 2, 3, 5, 8, 13, 21, 34]) {
  test(`a session comes up, rekeys and ends over a bad wire (seed ${seed})`, () => {
    const bad = { latency: 40, jitter: 60, drop: 0.3, duplicate: 0.1, reorder: 0.1, corrupt: 0.05 };
    const { link, client, server, closed, count } = join({ seed, ...bad }).connect();
    client.renegotiate(link.now);
    assert.ok(
      link.until(() => count(0, 'rekeyed') === 1 && count(1, 'rekeyed') === 1, 60_000),
      'both have the new key',
    );
    for (let n = 0; n < 50; n++) {
      client.send(innerPacket(n), link.now);
      link.advance(50);
    }
    assert.ok(server.received.length > 20, `${server.received.length} of 50 packets`);
    assert.equal(new Set(server.received.map(String)).size, server.received.length, 'none twice');
    client.close({ cause: 'operator', detail: 'enough' }, link.now);
    assert.ok(link.until(() => closed(0) !== undefined, 5_000));
    assert.ok(client.stats.retransmits > 0, 'the wire was bad enough to matter');
  });
}

for (const cipher of defaultDataCiphers) {
  test(`one end insists on ${cipher}: it is used`, () => {
    for (const who of ['client', 'server'] as const) {
      const { link, client, server } = join({ [who]: { session: { dataCiphers: [cipher] } } }).connect();
      assert.equal(client.facts['cipher'], cipher);
      server.send(innerPacket(1), link.now);
      link.advance(100);
      assert.deepEqual(client.received, [innerPacket(1)]);
    }
  });
}

test('without a shared cipher the client is told, and the log has both lists', () => {
  const { link, closed } = join({
    client: { session: { dataCiphers: ['AES-128-GCM'] } },
    server: { session: { dataCiphers: ['AES-256-GCM'] } },
  });
  link.settle(10_000);
  assert.deepEqual(closed(0), {
    cause: 'refused',
    detail: 'the server refused us: Data channel cipher negotiation failed (no shared cipher)',
  });
  assert.match(closed(1)?.detail ?? '', /the client offers AES-128-GCM, we have AES-256-GCM/);
});

test('a peer of 2.4 or 2.5: keys by the PRF, no peer info of newer features', () => {
  const peerInfo = { IV_PROTO: '6' };
  const { link, client, server } = join({ client: { session: { peerInfo } } }).connect();
  assert.equal(server.session?.facts['keys'], 'PRF');
  assert.equal(client.facts['keys'], 'PRF');
  client.send(innerPacket(1), link.now);
  link.advance(100);
  assert.deepEqual(server.received, [innerPacket(1)]);
  client.renegotiate(link.now);
  link.advance(5_000);
  client.send(innerPacket(2), link.now);
  link.advance(100);
  assert.deepEqual(server.received, [innerPacket(1), innerPacket(2)]);
  assert.equal(client.facts['rekeyWrap'], undefined, 'no dynamic tls-crypt without the exporter');
});

test('a peer without DATA_V2 gets DATA_V1, and its configuration when it asks', () => {
  const { link, client, server } = join({ client: { session: { peerInfo: { IV_PROTO: '0' } } } }).connect();
  const up = link.events[1].find((event) => event.kind === 'up');
  assert.equal(up?.peerId, undefined);
  client.send(innerPacket(1), link.now);
  server.send(innerPacket(2), link.now);
  link.advance(100);
  assert.deepEqual([server.received.length, client.received.length], [1, 1]);
});

test('a server that tells peers apart by their ids turns away who sends none, and says why', () => {
  const { link, closed } = join({
    client: { session: { peerInfo: { IV_PROTO: '0' } } },
    server: { session: { needsPeerIds: true } },
  });
  link.settle(10_000);
  assert.match(closed(0)?.detail ?? '', /needs a client that sends peer ids/);
  assert.match(closed(1)?.detail ?? '', /DATA_V1.*it can use TCP/);
});

test('hundreds of routes come over in several messages', () => {
  const routes = Array.from({ length: 300 }, (_, n) => `10.${n >> 8}.${n & 255}.0/24`);
  const { link } = join({ server: { config: { ...config, routes } }, drop: 0.1 }).connect();
  const up = link.events[0].find((event) => event.kind === 'up');
  assert.deepEqual(up?.config.routes, routes);
});

test('user name, password and peer info reach the claim, with the certificate', () => {
  const session = { username: 'alice', password: 'päss wörd', peerInfo: { UV_ASSET: '77' } };
  const { link } = join({ client: { session } }).connect();
  const claim = link.events[1].find((event) => event.kind === 'claim');
  assert.equal(claim?.username, 'alice');
  assert.equal(claim?.password, 'päss wörd');
  assert.equal(claim?.peerInfo.get('UV_ASSET'), '77');
  assert.equal(claim?.certificate?.commonName, 'alice');
  assert.equal(claim?.initial, true);
});

test('a refused client learns why, and both ends are over', () => {
  const { link, server, closed } = join();
  server.answer = 'refuse';
  link.settle(10_000);
  assert.deepEqual(closed(0), { cause: 'refused', detail: 'the server refused us: wrong password' });
  assert.deepEqual(closed(1), { cause: 'refused', detail: 'wrong password' });
});

test('a server that refuses the certificate after the client believes to be secure: both know why', () => {
  const { link, closed } = join({ server: { tls: { verify: () => 'certificate was revoked', refusalAlert: 44 } } });
  link.settle(20_000);
  assert.deepEqual(closed(0), { cause: 'refused', detail: 'the peer refused us: certificate was revoked' });
  assert.deepEqual(closed(1), { cause: 'refused', detail: 'certificate was revoked' });
});

test('a client that refuses the server: both know why, also over a lossy wire', () => {
  const { link, closed } = join({ client: { tls: { verify: () => 'name is x, expected y' } }, drop: 0.2, seed: 3 });
  link.settle(20_000);
  assert.deepEqual(closed(0), { cause: 'refused', detail: 'name is x, expected y' });
  assert.deepEqual(closed(1)?.cause, 'refused');
});

for (const kind of ['tls-crypt', 'tls-crypt-v2'] as const) {
  test(`with the wrong ${kind} key the server keeps nothing, and the client names likely causes at its deadline`, () => {
    const wraps = { server: matchingWraps(kind, 1).server, client: matchingWraps(kind, 2).client };
    const { link, server, closed } = join({ wraps });
    link.settle(120_000);
    assert.equal(server.sessions, 0);
    assert.ok(server.acceptor.stats.unauthenticated > 3);
    assert.equal(closed(0)?.cause, 'lost');
    assert.match(closed(0)?.detail ?? '', /no answer from 198\.51\.100\.1 port 1194 in 60 s: .*tls-crypt/);
  });
}

test('a client that vanishes during the TLS handshake is forgotten at the deadline, with likely causes', () => {
  const { link, server, closed } = join();
  assert.ok(link.until(() => server.engines.length > 0, 10_000));
  link.cut = true;
  link.settle(90_000);
  assert.equal(closed(1)?.cause, 'lost');
  assert.match(closed(1)?.detail ?? '', /TLS handshake did not end in 60 s: .*MTU/);
  assert.ok(
    server.engines.every((engine) => engine.closed),
    'its TLS engine is freed',
  );
});

test('an admission without an answer ends at its deadline', () => {
  const { link, server, closed } = join();
  server.answer = 'wait';
  link.settle(90_000);
  assert.match(closed(1)?.detail ?? '', /admission gave no answer in 60 s/);
  assert.match(closed(0)?.detail ?? '', /sent no configuration in 60 s/);
});

test('every control packet of a session, played again, changes nothing', () => {
  const recorded: Uint8Array[] = [];
  const { link, server, client, count, closed } = join({
    onTransmit: (from, datagram) => void (from === 0 && recorded.push(datagram.slice())),
  }).connect();
  link.advance(1_000);
  const before = count(1, 'claim');
  for (const datagram of recorded) link.inject(1, datagram);
  link.advance(1_000);
  assert.ok((server.session?.stats.replayed ?? 0) > 3);
  assert.equal(server.sessions, 1);
  assert.equal(count(1, 'claim'), before);
  assert.equal(closed(1), undefined);
  client.send(innerPacket(1), link.now);
  link.advance(100);
  assert.equal(server.received.length, 1);
});

test('a client that starts again from the same address gets a new session', () => {
  const wraps = matchingWraps('tls-crypt-v2');
  const first = join({ wraps }).connect();
  const second = join({ wraps, seed: 9 });
  // Its packets reach the first server's socket.
  for (let t = second.client.pollTransmit(); t !== undefined; t = second.client.pollTransmit())
    first.link.inject(1, t.datagram);
  assert.equal(first.server.sessions, 1, 'a reset alone changes nothing');
  assert.equal(first.closed(1), undefined);
});

test('control datagrams above 4,096 bytes, and those from elsewhere, are not looked at', () => {
  const { link, server } = join().connect();
  const session = server.session;
  assert.ok(session);
  const { malformed, unauthenticated } = session.stats;
  link.inject(1, new Uint8Array(5_000).fill(0x20));
  const id = new Uint8Array(60).fill(0x20);
  new DataView(id.buffer).setBigUint64(1, session.peerSessionId ?? 0n);
  link.inject(1, id, { address: '203.0.113.9', port: 9 });
  assert.equal(session.stats.unauthenticated, unauthenticated + 1);
  assert.equal(session.stats.malformed, malformed);
});

test('over a stream the same session comes up, and nothing is sent twice', () => {
  const { link, client, server, closed, count } = join({
    client: { session: { protocol: 'tcp' } },
    server: { protocol: 'tcp' },
  }).connect();
  client.renegotiate(link.now);
  link.advance(5_000);
  assert.equal(count(1, 'rekeyed'), 1);
  assert.equal(client.stats.retransmits + (server.session?.stats.retransmits ?? 0), 0);
  server.session?.close({ cause: 'shutdown', detail: 'we stop' }, link.now);
  link.settle(5_000);
  assert.equal(closed(0)?.cause, 'peer');
});
