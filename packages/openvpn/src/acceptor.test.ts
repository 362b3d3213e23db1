import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { parseStaticKey } from '@culvert/config';
import { seededRandom, simulatedPath, VirtualClock } from '@culvert/testkit';
import fc from 'fast-check';
import { createClient, matchingWraps } from '../test/ends.ts';
import { packets, staticKeyFile } from '../test/vectors.ts';
import { Acceptor, type AcceptorOptions, type Verdict } from './acceptor.ts';
import { decodeBody, encodeBody, encodeHead } from './control-packet.ts';
import type { ServerWrap } from './face.ts';
import { Opcode } from './opcode.ts';
import { createTlsCryptWrap } from './wrap/tls-crypt.ts';

const path = simulatedPath(1);
const clock = new VirtualClock();
const now = clock.now();
const nothing = new Uint8Array(0);
const client = new Uint8Array(8).fill(9);

function acceptor(wrap: ServerWrap, changes: Partial<AcceptorOptions> = {}): Acceptor {
  return new Acceptor({ random: seededRandom(1), wallClock: clock, wrap, ...changes });
}

/** An ACK_V1 for the server's reset. */
function ack(serverSession: Uint8Array, id = 0): Uint8Array {
  const body = encodeBody({ acks: [id], ackedSession: serverSession, packetId: undefined, payload: nothing });
  return Uint8Array.of(...encodeHead(Opcode.ackV1, 0, client), ...body);
}

function reset(): Uint8Array {
  const body = encodeBody({ acks: [], ackedSession: undefined, packetId: 0, payload: nothing });
  return Uint8Array.of(...encodeHead(Opcode.hardResetClientV2, 0, client), ...body);
}

function replyOf(verdict: Verdict): Uint8Array {
  assert.ok(verdict.kind === 'reply', JSON.stringify(verdict));
  return verdict.datagram;
}

test("openvpn's own reset packets are answered, each under its wrap alone", () => {
  const key = parseStaticKey(staticKeyFile);
  const wrapped = acceptor({ kind: 'tls-crypt', key });
  assert.equal(wrapped.handleInitial(packets.resetV2TlsCrypt, path, now).kind, 'reply');
  assert.equal(wrapped.handleInitial(packets.resetV2None, path, now).kind, 'drop');
  assert.equal(wrapped.handleInitial(packets.resetV2TlsAuth, path, now).kind, 'drop');
  assert.equal(acceptor({ kind: 'none' }).handleInitial(packets.resetV2None, path, now).kind, 'reply');
});

for (const kind of ['none', 'tls-crypt', 'tls-crypt-v2'] as const) {
  test(`a reset gets back no more bytes than it sent, and the same reply again (${kind})`, () => {
    const wraps = matchingWraps(kind);
    const question =
      createClient({ clock, random: seededRandom(2), wrap: wraps.client }).pollTransmit()?.datagram ?? nothing;
    const judge = acceptor(wraps.server);
    const reply = replyOf(judge.handleInitial(question, path, now));
    assert.ok(reply.length <= question.length, `${reply.length} for ${question.length}`);
    assert.deepEqual(replyOf(judge.handleInitial(question, path, now)), reply, 'nothing is remembered');
  });
}

test('the reply is a cookie: whoever acknowledges it from there, in time, makes a session', () => {
  const judge = acceptor({ kind: 'none' });
  const cookie = replyOf(judge.handleInitial(reset(), path, now)).subarray(1, 9);
  const at = (seconds: number) => (now + seconds * 1_000) as Instant;
  const elsewhere = { ...path, remote: { ...path.remote, port: path.remote.port + 1 } };
  const verdict = judge.handleInitial(ack(cookie), path, at(59));
  assert.ok(verdict.kind === 'session');
  assert.deepEqual([verdict.start.ownSessionId, verdict.start.peerSessionId], [cookie, client]);
  assert.deepEqual(judge.handleInitial(ack(cookie), elsewhere, now), { kind: 'drop', why: 'noCookie' });
  assert.deepEqual(judge.handleInitial(ack(cookie), path, at(91)), { kind: 'drop', why: 'noCookie' });
  assert.deepEqual(judge.handleInitial(ack(cookie.map((byte) => byte ^ 1)), path, now), {
    kind: 'drop',
    why: 'noCookie',
  });
  assert.equal(
    acceptor({ kind: 'none' }, { random: seededRandom(9) }).handleInitial(ack(cookie), path, now).kind,
    'drop',
  );
});

test('only the first two flights may make a session (ids 0 and 1)', () => {
  const judge = acceptor({ kind: 'none' });
  const cookie = replyOf(judge.handleInitial(reset(), path, now)).slice(1, 9);
  assert.equal(judge.handleInitial(ack(cookie, 2), path, now).kind, 'drop');
  const control = (packetId: number) =>
    Uint8Array.of(
      ...encodeHead(Opcode.controlV1, 0, client),
      ...encodeBody({ acks: [0], ackedSession: cookie, packetId, payload: nothing }),
    );
  assert.equal(judge.handleInitial(control(2), path, now).kind, 'drop');
  assert.equal(judge.handleInitial(control(1), path, now).kind, 'session');
});

test('a reset that acknowledges ours makes a session, as OpenVPN 2.6 answers a reset without acknowledgement', () => {
  const judge = acceptor({ kind: 'none' });
  const reply = replyOf(judge.handleInitial(reset(), path, now));
  assert.deepEqual(decodeBody(Opcode.hardResetServerV2, reply.subarray(9))?.acks, [], 'there was no room for it');
  const cookie = reply.subarray(1, 9);
  const again = encodeBody({ acks: [0], ackedSession: cookie, packetId: 0, payload: nothing });
  const datagram = Uint8Array.of(...encodeHead(Opcode.hardResetClientV2, 0, client), ...again);
  assert.equal(judge.handleInitial(datagram, path, now).kind, 'session');
});

test('first packets above the limit are dropped until the interval is over', () => {
  const judge = acceptor({ kind: 'none' }, { limits: { initialPerInterval: 3, intervalMillis: 10_000 } });
  const kinds = [0, 1, 2, 3].map(() => judge.handleInitial(reset(), path, now).kind);
  assert.deepEqual(kinds, ['reply', 'reply', 'reply', 'drop']);
  assert.equal(judge.stats.tooMany, 1);
  assert.equal(judge.handleInitial(reset(), path, (now + 10_000) as Instant).kind, 'reply');
});

test('a tls-crypt-v2 client that cannot send its key again is refused, or kept where that is asked for', () => {
  const wraps = matchingWraps('tls-crypt-v2');
  assert.ok(wraps.server.kind === 'tls-crypt-v2' && wraps.client.kind === 'tls-crypt-v2');
  const old = createTlsCryptWrap({ role: 'client', staticKey: wraps.client.clientKey, time: 1 });
  const body = encodeBody({ acks: [], ackedSession: undefined, packetId: 0, payload: nothing });
  const datagram = Uint8Array.of(
    ...old.wrap(encodeHead(Opcode.hardResetClientV3, 0, client), body),
    ...wraps.client.wrapped,
  );
  assert.deepEqual(acceptor(wraps.server).handleInitial(datagram, path, now), { kind: 'drop', why: 'oldClient' });
  const verdict = acceptor({ ...wraps.server, statefulFallback: true }).handleInitial(datagram, path, now);
  assert.ok(verdict.kind === 'session' && verdict.start.resetDue);
});

test('metadata of a client key can be refused', () => {
  const wraps = matchingWraps('tls-crypt-v2');
  assert.ok(wraps.server.kind === 'tls-crypt-v2');
  const question =
    createClient({ clock, random: seededRandom(2), wrap: wraps.client }).pollTransmit()?.datagram ?? nothing;
  const verdict = acceptor({ ...wraps.server, verifyMetadata: () => false }).handleInitial(question, path, now);
  assert.deepEqual(verdict, { kind: 'drop', why: 'refusedMetadata' });
});

test('a server with tls-crypt-v2 may take tls-crypt beside it', () => {
  const v2 = matchingWraps('tls-crypt-v2');
  const v1 = matchingWraps('tls-crypt');
  assert.ok(v2.server.kind === 'tls-crypt-v2' && v1.client.kind === 'tls-crypt');
  const question =
    createClient({ clock, random: seededRandom(2), wrap: v1.client }).pollTransmit()?.datagram ?? nothing;
  assert.equal(acceptor(v2.server).handleInitial(question, path, now).kind, 'drop');
  assert.equal(acceptor({ ...v2.server, also: v1.client.key }).handleInitial(question, path, now).kind, 'reply');
});

test('over a stream the first packet makes the session, and nothing else does', () => {
  const judge = acceptor({ kind: 'none' });
  const verdict = judge.handleStreamInitial(reset(), path, now);
  assert.ok(verdict.kind === 'session' && verdict.start.resetDue);
  assert.equal(judge.handleStreamInitial(ack(client), path, now).kind, 'drop');
});

test('any bytes are judged without an error, and no answer is longer than its question', () => {
  const wraps = [matchingWraps('none').server, matchingWraps('tls-crypt').server, matchingWraps('tls-crypt-v2').server];
  const judges = wraps.map((wrap) => acceptor(wrap, { limits: { initialPerInterval: 1e9, intervalMillis: 1 } }));
  const opcode = fc.constantFrom(...Object.values(Opcode).map((value) => value << 3));
  fc.assert(
    fc.property(opcode, fc.uint8Array({ maxLength: 500 }), (first, rest) => {
      const datagram = Uint8Array.of(first, ...rest);
      for (const judge of judges) {
        const verdict = judge.handleInitial(datagram, path, now);
        if (verdict.kind === 'reply') assert.ok(verdict.datagram.length <= datagram.length);
        judge.handleStreamInitial(datagram, path, now);
      }
    }),
    { numRuns: 500 },
  );
});
