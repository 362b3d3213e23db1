/** Hostile bytes in every state, outside and inside valid protection: nothing throws, and nothing grows without bound. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPacketBatch } from '@culvert/base';
import { FakeTlsEngine, type SeededRandom, seededRandom } from '@culvert/testkit';
import { batchOf, innerPacket, matchingWraps } from '../test/ends.ts';
import { join } from '../test/join.ts';
import { encodeBody, encodeHead } from './control-packet.ts';
import { Opcode } from './opcode.ts';
import { createTlsCryptWrap } from './wrap/tls-crypt.ts';

const opcodes = Object.values(Opcode);

function mutate(random: SeededRandom, bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice(0, random.chance(0.2) ? random.integer(bytes.length + 1) : bytes.length);
  for (let n = random.integer(4); n > 0 && changed.length > 0; n--) {
    changed[random.integer(changed.length)] = random.integer(256);
  }
  return random.chance(0.1) ? Uint8Array.of(...changed, ...random.bytes(random.integer(300))) : changed;
}

/** Bodies as a peer that holds every key could send them. */
function hostileBody(random: SeededRandom, ackedSession: Uint8Array): Uint8Array {
  const acks = Array.from({ length: random.integer(9) }, () => random.integer(8));
  const packetId = random.chance(0.9) ? random.integer(20) : random.integer(0x1_0000_0000);
  return mutate(random, encodeBody({ acks, ackedSession, packetId, payload: random.bytes(random.integer(200)) }));
}

for (const kind of ['none', 'tls-crypt'] as const) {
  test(`a server session takes any packet under a right wrap, in every state (${kind})`, () => {
    const random = seededRandom(7);
    const wraps = matchingWraps(kind);
    const reached = { handshake: 0, up: 0, over: 0 };
    for (let round = 0; round < 40; round++) {
      const { link, server, bothUp, closed, client } = join({ wraps, seed: round + 1 });
      const wantUp = round % 2 === 0;
      link.until(() => (wantUp ? bothUp() : server.engines.length > 0), 60_000);
      const session = server.session;
      const id = client.peerSessionId;
      assert.ok(session !== undefined && id !== undefined);
      const [own, peer] = [new Uint8Array(8), new Uint8Array(8)];
      new DataView(own.buffer).setBigUint64(0, session.peerSessionId ?? 0n);
      new DataView(peer.buffer).setBigUint64(0, id);
      const wrap =
        wraps.client.kind === 'tls-crypt'
          ? createTlsCryptWrap({ role: 'client', staticKey: wraps.client.key, time: 2 ** 31 })
          : undefined;
      for (let n = 0; n < 100; n++) {
        const head = encodeHead(
          opcodes[random.integer(opcodes.length)] ?? 4,
          random.chance(0.7) ? 0 : random.integer(8),
          own,
        );
        const body = hostileBody(random, peer);
        const datagram = wrap?.wrap(head, body) ?? Uint8Array.of(...head, ...body);
        reached[closed(1) !== undefined ? 'over' : wantUp ? 'up' : 'handshake']++;
        link.inject(1, random.chance(0.9) ? datagram : mutate(random, datagram));
      }
      link.advance(90_000);
    }
    assert.ok(
      Object.values(reached).every((count) => count > 100),
      JSON.stringify(reached),
    );
  });
}

test('a peer that is in says anything inside TLS: key exchange messages and commands', () => {
  const random = seededRandom(11);
  const words = [
    'PUSH_REPLY',
    'PUSH_REQUEST',
    'AUTH_FAILED',
    'RESTART',
    ',',
    'route',
    'ifconfig 1 2',
    'EXIT',
    'peer-id',
    '\0',
    'TEMP[',
    'CRV1:',
  ];
  for (let round = 0; round < 200; round++) {
    const side = round % 2 === 0 ? 'client' : 'server';
    // The engine of one end writes rubbish in place of what its session says.
    class Rubbish extends FakeTlsEngine {
      override write(plaintext: Uint8Array): void {
        super.write(random.chance(0.5) ? plaintext : mutate(random, plaintext));
        const text = Array.from({ length: random.integer(12) }, () => words[random.integer(words.length)]).join('');
        if (random.chance(0.5)) super.write(new TextEncoder().encode(`${text}\0`));
      }
    }
    const createTls = () => new Rubbish({ role: side, random, name: side });
    const { link } = join({ seed: round + 1, [side]: { session: { createTls } } });
    link.settle(30_000);
  }
});

test("a server that talks without end is told on a few times, not into anybody's log for each word", () => {
  class Chatty extends FakeTlsEngine {
    override write(plaintext: Uint8Array): void {
      super.write(plaintext);
      for (let n = 0; n < 40; n++) super.write(new TextEncoder().encode(`${n % 2 === 0 ? 'INFO,buy' : 'NOISE'}\0`));
    }
  }
  const random = seededRandom(17);
  const createTls = () => new Chatty({ role: 'server', random, name: 'server' });
  const { link, bothUp } = join({ server: { session: { createTls } } });
  assert.ok(link.until(bothUp, 60_000));
  link.advance(20_000);
  const told = link.events[0].filter(
    (event) => event.kind === 'note' && /^the server (says|sent a command)/.test(event.message),
  );
  assert.equal(told.length, 10);
});

test('data datagrams of any bytes, and changed ones, are counted and nothing more', () => {
  const random = seededRandom(13);
  const { link, server, client, closed } = join().connect();
  const session = server.session;
  assert.ok(session);
  const sealed = createPacketBatch(64, 10_000);
  client.seal(batchOf(innerPacket(1)), 0, sealed, link.now);
  const good = sealed.arena.slice(0, sealed.lengths[0]);
  for (let n = 0; n < 2_000; n++) {
    const bytes = random.chance(0.5)
      ? mutate(random, good)
      : Uint8Array.of((9 << 3) | random.integer(8), ...random.bytes(random.integer(60)));
    const dst = createPacketBatch(1, 2_000);
    session.open(batchOf(bytes.length === 0 ? Uint8Array.of(0) : bytes), 0, 1, dst, link.now);
    assert.ok(dst.count <= session.opened.accepted);
  }
  assert.ok(session.stats.dataUnauthenticated > 100 && session.stats.dataNoKey > 100);
  assert.ok(session.stats.packetsIn <= 1, 'only the unchanged datagram gets in');
  assert.equal(closed(1), undefined);
});

test('what strangers make a server keep is bounded: early packets, acknowledgements, replies', () => {
  const { link, server, client } = join({ wraps: matchingWraps('none') });
  link.until(() => server.session !== undefined, 1_000);
  const own = new Uint8Array(8);
  new DataView(own.buffer).setBigUint64(0, server.session?.peerSessionId ?? 0n);
  const peer = new Uint8Array(8);
  new DataView(peer.buffer).setBigUint64(0, client.peerSessionId ?? 0n);
  let answered = 0;
  let asked = 0;
  link.cut = true;
  for (let id = 2; id < 1_000; id++) {
    const body = encodeBody({ acks: [0], ackedSession: peer, packetId: id, payload: new Uint8Array(1_000) });
    const datagram = Uint8Array.of(...encodeHead(Opcode.controlV1, 0, own), ...body);
    const before = link.stats.sent;
    link.inject(1, datagram);
    asked++;
    answered += link.stats.sent - before;
  }
  assert.ok(answered <= 12, `${answered} answers to ${asked}: beyond the window there is none`);
});
