import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LossyLink, seededRandom, VirtualClock, type WireOptions } from '@culvert/testkit';
import {
  type ClientSetup,
  config,
  createClient,
  innerPacket,
  matchingWraps,
  ServerEnd,
  type ServerSetup,
} from '../test/ends.ts';
import type { SessionEvent } from './index.ts';

interface Setup extends WireOptions {
  readonly wraps?: { readonly server: ServerSetup['wrap']; readonly client: ClientSetup['wrap'] };
  readonly client?: Partial<ClientSetup>;
  readonly server?: Partial<ServerSetup>;
}

function join({ wraps = matchingWraps('tls-crypt-v2'), client, server, ...wire }: Setup = {}) {
  const clock = new VirtualClock();
  const random = seededRandom(wire.seed ?? 1);
  const serverEnd = new ServerEnd({ clock, random, wrap: wraps.server, ...server });
  const clientEnd = createClient({ clock, random, wrap: wraps.client, ...client });
  const link = new LossyLink<SessionEvent>(clientEnd, serverEnd, { clock, ...wire });
  const isUp = (side: 0 | 1) => link.events[side].some((event) => event.kind === 'up');
  const closed = (side: 0 | 1) => link.events[side].find((event) => event.kind === 'closed')?.reason;
  return { link, client: clientEnd, server: serverEnd, bothUp: () => isUp(0) && isUp(1), closed };
}

for (const kind of ['none', 'tls-crypt', 'tls-crypt-v2'] as const) {
  test(`a client connects, is configured, and packets go both ways (${kind})`, () => {
    const { link, client, server, bothUp } = join({ wraps: matchingWraps(kind) });

    assert.ok(link.until(bothUp, 10_000));
    const up = link.events[0].find((event) => event.kind === 'up');
    assert.deepEqual(up?.config, { ...config, keepalive: config.keepalive });
    assert.equal(up?.peerId, 7);

    client.send(innerPacket(1), link.now);
    server.send(innerPacket(2), link.now);
    link.advance(100);
    assert.deepEqual(server.received, [innerPacket(1)]);
    assert.deepEqual(client.received, [innerPacket(2)]);
    assert.equal(client.facts['cipher'], 'AES-256-GCM');
  });
}
