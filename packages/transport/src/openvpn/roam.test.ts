/** A peer that moves between the sockets of one gateway, over a relay that chooses where its datagrams come out and go in. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Link, TransportEvent } from '@culvert/core';
import {
  batchOf,
  createFakeTlsContext,
  eventually,
  ipv4Packet,
  nullLogger,
  ScriptedAdmission,
  seededRandom,
} from '@culvert/testkit';
import { createOpenvpnTransport } from './transport.ts';

const wrap = { kind: 'tls-crypt', key: new Uint8Array(256).map((_, i) => (i * 7) & 0xff) } as const;

async function bound(address: string) {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  return socket;
}

test('a peer that moves to another socket of the gateway is answered from there, and its moves flood no log', async () => {
  const transport = createOpenvpnTransport();
  const events: TransportEvent[] = [];
  const common = {
    onEvent: (event: TransportEvent) => void events.push(event),
    log: nullLogger,
    signal: new AbortController().signal,
  };
  let accepted: Link | undefined;
  const tls = (role: 'client' | 'server') =>
    createFakeTlsContext({ role, random: seededRandom(role === 'client' ? 1 : 2), name: role });
  const listener = await transport.listen(
    {
      listen: ['127.0.0.1', '::1'].map((address) => ({ address, port: 0, protocol: 'udp' as const })),
      tls: tls('server'),
      wrap,
    },
    { ...common, admission: new ScriptedAdmission({}), onLink: (link) => (accepted = link) },
  );
  const outside = { 4: await bound('127.0.0.1'), 6: await bound('::1') };
  const inside = await bound('127.0.0.1');
  let way: 4 | 6 = 4;
  const answers = { 4: 0, 6: 0 };
  let client = 0;
  inside.on('message', (bytes, from) => {
    client = from.port;
    const to = listener.endpoints[way === 4 ? 0 : 1];
    assert.ok(to);
    outside[way].send(bytes, to.port, to.address);
  });
  for (const version of [4, 6] as const) {
    outside[version].on('message', (bytes) => {
      answers[version]++;
      inside.send(bytes, client, '127.0.0.1');
    });
  }
  try {
    const remote = { address: '127.0.0.1', port: inside.address().port };
    const ours = await transport.dial({ remote, protocol: 'udp', tls: tls('client'), wrap }, common);
    const theirs = await eventually('the gateway is up', () => accepted);
    for (let n = 0; n < 20; n++) {
      way = way === 4 ? 6 : 4;
      const [came, answered] = [theirs.stats.packetsIn, answers[way]];
      ours.send(batchOf([ipv4Packet(200, n)]));
      await eventually('it came', () => theirs.stats.packetsIn > came);
      theirs.send(batchOf([ipv4Packet(200, n)]));
      await eventually(`the answer came over IPv${way}`, () => answers[way] > answered);
    }
    assert.ok(events.filter(({ kind }) => kind === 'roamed').length < 10);
    await ours.close({ cause: 'operator', detail: 'done' });
  } finally {
    await listener.close({ cause: 'shutdown', detail: 'the test is over' });
    for (const socket of [inside, outside[4], outside[6]]) socket.close();
  }
});
