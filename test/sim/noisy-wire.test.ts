/**
 * The openvpn transport over real sockets, the real TLS engine and a wire that drops, doubles, reorders and corrupts, in real time.
 * The same in virtual time, over many seeds: packages/openvpn/src/session.test.ts.
 *
 *     client ──► noisy relay ──► server         all on the loopback interface
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Link } from '@culvert/core';
import {
  batchOf,
  eventually,
  inTime,
  ipv4Packet,
  nullLogger,
  openRelay,
  packetsOf,
  pem,
  ScriptedAdmission,
  TestCa,
} from '@culvert/testkit';
import { createTlsContext } from '@culvert/tls';
import { createOpenvpnTransport } from '@culvert/transport';

const wire = { seed: 5, latency: 5, jitter: 20, drop: 0.3, duplicate: 0.1, reorder: 0.1, corrupt: 0.05 };
const goodbye = { cause: 'operator', detail: 'the test is over' } as const;
const PACKETS = 200;

test('over a wire with 30 % loss a link comes up, carries, changes its keys and ends', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-noisy-wire-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const ca = await TestCa.create(folder);
  const contextOf = async (role: 'server' | 'client') => {
    const { certificate, key } = await ca.issue(role, { role });
    return createTlsContext({ role, ca: pem(ca.certificate), certificate: pem(certificate), privateKey: pem(key) });
  };
  const [server, client] = [await contextOf('server'), await contextOf('client')];
  const wrap = { kind: 'tls-crypt', key: new Uint8Array(256).fill(7) } as const;
  const transport = createOpenvpnTransport();
  const accepted: Link[] = [];
  let rekeyed = 0;
  const on = { log: nullLogger, signal: new AbortController().signal };
  const listener = await transport.listen(
    { listen: [{ address: '127.0.0.1', port: 0, protocol: 'udp' }], tls: server, wrap, renegotiateAfter: 4_000 },
    {
      ...on,
      admission: new ScriptedAdmission({ keepalive: { interval: 1_000, timeout: 20_000 } }),
      onLink: (link) => accepted.push(link),
      onEvent: ({ kind }) => (rekeyed += kind === 'rekeyed' ? 1 : 0),
    },
  );
  const [endpoint] = listener.endpoints;
  assert.ok(endpoint !== undefined);
  const relay = await openRelay('udp', endpoint, wire);
  try {
    const dial = transport.dial(
      { remote: relay.endpoint, protocol: 'udp', tls: client, wrap, renegotiateAfter: 0 },
      { ...on, onEvent: () => {} },
    );
    const theirs = await inTime('the link comes up', dial, 60_000);
    const ours = await eventually('the listener has the link', () => accepted[0]);
    const [up, down] = [collect(theirs, ours), collect(ours, theirs)];
    await eventually('new keys', () => rekeyed >= 1, 60_000);
    for (let n = 0; n < PACKETS; n++) {
      up.send(n);
      down.send(n);
      await new Promise(setImmediate);
    }
    for (const way of [up, down]) {
      // 65 % are to be expected: 30 % are lost, and of the rest 5 % arrive corrupted.
      await eventually('half of the packets arrive', () => way.arrived.size > PACKETS / 2);
      assert.ok(way.arrived.size < PACKETS, 'the wire was bad enough to matter');
      assert.equal(way.strange, 0, 'nothing corrupted or doubled came out');
    }
    assert.ok(relay.stats.corrupted > 0 && relay.stats.duplicated > 0 && relay.stats.reordered > 0);
    await theirs.close(goodbye);
    await eventually('the other end knows', () => ours.closed.then(() => true), 30_000);
  } finally {
    await listener.close(goodbye);
    await relay.close();
    server.close();
    client.close();
  }
});

/** Sends numbered packets through one link and looks at what comes out of the other. */
function collect(from: Link, to: Link) {
  const way = {
    arrived: new Set<number>(),
    strange: 0,
    send: (n: number) => from.send(batchOf([ipv4Packet(200 + n, n)])),
  };
  to.onPackets((batch) => {
    for (const packet of packetsOf(batch)) {
      const n = packet.length - 200;
      const expected = n >= 0 && Buffer.from(packet).equals(ipv4Packet(200 + n, n));
      if (!expected || way.arrived.has(n)) way.strange++;
      else way.arrived.add(n);
    }
  });
  return way;
}
