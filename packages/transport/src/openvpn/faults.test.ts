/** Mistakes of our own, put into what handles one peer's datagrams, packets and deadlines: they end that peer, and nobody else hears of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Link } from '@culvert/core';
import { Acceptor, ServerSession } from '@culvert/openvpn';
import { batchOf, eventually, ipv4Packet } from '@culvert/testkit';
import { Stage } from '../../test/openvpn-stage.ts';

const ended = { cause: 'error', detail: "a fault of culvert's own" };
const fail = () => {
  throw new Error('broken');
};

/** Packets pass both ways. */
async function assertAlive([ours, theirs]: readonly [Link, Link]): Promise<void> {
  for (const [from, to] of [
    [ours, theirs],
    [theirs, ours],
  ] as const) {
    const before = to.stats.packetsIn;
    from.send(batchOf([ipv4Packet(100, before)]));
    await eventually('it goes on', () => to.stats.packetsIn > before);
  }
}

for (const protocol of ['udp', 'tcp'] as const) {
  describe(`a fault of our own over ${protocol}`, () => {
    test('in what packets lead to ends that link, is counted and logged with its stack, and costs nobody else', async () => {
      await using stage = await new Stage({ protocol }).listen();
      const [broken, whole] = [await stage.connect(), await stage.connect()];
      broken[1].onPackets(fail);
      for (let n = 0; n < 3; n++) {
        broken[0].send(batchOf([ipv4Packet(100, n)]));
        whole[0].send(batchOf([ipv4Packet(100, n)]));
      }
      assert.deepEqual(await broken[1].closed, ended);
      assert.equal(stage.listener.stats['faults'], 1);
      assert.match(stage.log.text, /error .*ended a link stack=Error: broken\n.*faults\.test/);
      await eventually('the others lose nothing', () => whole[1].stats.packetsIn === 3);
      assert.equal((await broken[0].closed).cause, 'peer', 'its peer was told');
      await assertAlive(whole);
      await assertAlive(await stage.connect());
      assert.equal(stage.listener.stats['peers'], 2);
    });

    test('while packets are sealed ends that link', async (t) => {
      await using stage = await new Stage({ protocol }).listen();
      const [broken, whole] = [await stage.connect(), await stage.connect()];
      const seal = t.mock.method(ServerSession.prototype, 'seal', fail, { times: 1 });
      broken[1].send(batchOf([ipv4Packet(100, 1)]));
      assert.equal(seal.mock.callCount(), 1);
      assert.equal(broken[1].stats.droppedOut, 1);
      assert.deepEqual(await broken[1].closed, ended);
      await assertAlive(whole);
    });

    test('at a deadline ends that link', async (t) => {
      await using stage = await new Stage({ protocol, pingEvery: 100 }).listen();
      const links = [await stage.connect(), await stage.connect()];
      t.mock.method(ServerSession.prototype, 'handleTimeout', fail, { times: 1 });
      await eventually('it rang', () => stage.listener.stats['faults'] === 1);
      const broken = await Promise.race(links.map((ends) => ends[1].closed.then(() => ends)));
      assert.deepEqual(await broken[1].closed, ended);
      const whole = links.find((ends) => ends !== broken);
      assert.ok(whole);
      await assertAlive(whole);
    });

    test('where attempts and links are told ends the try, and its place is free again', async () => {
      let broken: 'attempt' | 'link' | undefined;
      await using stage = await new Stage({
        protocol,
        listen: { maxHandshakes: 2, maxLinks: 2 },
        dial: { handshakeWindow: 500 },
        onEvent: ({ kind }) => {
          if (kind === broken) fail();
        },
        onLink: () => {
          if (broken === 'link') fail();
        },
      }).listen();
      const whole = await stage.connect();
      for (const where of ['attempt', 'link'] as const) {
        broken = where;
        const end = stage.dial().then((link) => link.closed);
        await end.catch(() => {});
        assert.ok((stage.listener.stats['faults'] ?? 0) > 0);
        broken = undefined;
        await eventually('it is gone', () => stage.listener.stats['peers'] === 1);
        assert.equal(stage.listener.stats['handshakes'], 0);
      }
      await assertAlive(await stage.connect());
      await assertAlive(whole);
    });
  });
}

test('a fault with what a stranger sent costs that datagram', async (t) => {
  await using stage = await new Stage().listen();
  const initial = t.mock.method(Acceptor.prototype, 'handleInitial', fail, { times: 1 });
  const link = await stage.connect();
  assert.equal(initial.mock.callCount() > 0, true);
  assert.equal(stage.listener.stats['faults'], 1);
  assert.match(stage.log.text, /lost a datagram of a handshake/);
  await assertAlive(link);
});
