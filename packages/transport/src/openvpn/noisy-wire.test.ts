/**
 * Once in real time, over real sockets and the real TLS engine: a wire that loses 30 %, repeats, reorders and corrupts.
 *
 *     dial ──► relay: 30 % lost, 10 % twice, 20 % held back, 5 % corrupted ──► listen
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Link, TransportEvent } from '@culvert/core';
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
import { type CertificateTlsContext, createTlsContext } from '@culvert/tls';
import { createOpenvpnTransport } from './transport.ts';

const noise = { seed: 5, drop: 0.3, duplicate: 0.1, corrupt: 0.05, reorder: 0.2 };
const LIMIT = 60_000;
const PACKETS = 400;
const REKEY_AFTER = 4_000;
const key = new Uint8Array(256).map((_, i) => (i * 11) & 0xff);

let server: CertificateTlsContext;
let client: CertificateTlsContext;

before(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-noisy-'));
  const ca = await TestCa.create(folder);
  const context = async (role: 'server' | 'client') => {
    const { certificate, key: privateKey } = await ca.issue(role, { role });
    const own = { certificate: pem(certificate), privateKey: pem(privateKey) };
    return createTlsContext({ role, ca: pem(ca.certificate), ...own });
  };
  server = await context('server');
  client = await context('client');
  rmSync(folder, { recursive: true });
});
after(() => {
  server.close();
  client.close();
});

/** Numbers of the packets that came, by the seed that `ipv4Packet` puts in the last four bytes. */
class Received {
  readonly numbers: number[] = [];

  constructor(link: Link) {
    link.onPackets((batch) => {
      for (const packet of packetsOf(batch)) {
        const n = new DataView(packet.buffer, packet.byteOffset).getUint32(packet.length - 4);
        assert.deepEqual(packet, ipv4Packet(packet.length, n), 'a packet comes as it was sent');
        this.numbers.push(n);
      }
    });
  }
}

test('a session comes up, carries, rekeys and ends over a bad wire in real time', async () => {
  const transport = createOpenvpnTransport();
  const events: TransportEvent[] = [];
  const common = {
    onEvent: (event: TransportEvent) => void events.push(event),
    log: nullLogger,
    signal: new AbortController().signal,
  };
  const admission = new ScriptedAdmission({ keepalive: { interval: 1_000, timeout: 30_000 } });
  let accepted: Link | undefined;
  const listener = await transport.listen(
    {
      listen: [{ address: '127.0.0.1', port: 0, protocol: 'udp' }],
      tls: server,
      wrap: { kind: 'tls-crypt', key },
      renegotiateAfter: 0,
    },
    { ...common, admission, onLink: (link) => (accepted = link) },
  );
  const [endpoint] = listener.endpoints;
  assert.ok(endpoint);
  const relay = await openRelay('udp', endpoint, noise);
  try {
    const dialling = transport.dial(
      {
        remote: relay.endpoint,
        protocol: 'udp',
        tls: client,
        wrap: { kind: 'tls-crypt', key },
        renegotiateAfter: REKEY_AFTER,
      },
      common,
    );
    const ours = await inTime('the client is up', dialling, LIMIT);
    const theirs = await eventually('the gateway is up', () => accepted, LIMIT);
    const [atClient, atServer] = [new Received(ours), new Received(theirs)];

    await carry(ours, theirs, 0);
    assertGoodput(atClient, atServer, 1);

    const rekeyed = () => events.filter(({ kind }) => kind === 'rekeyed').length >= 2;
    await eventually('both ends have a new key', rekeyed, LIMIT);
    await carry(ours, theirs, PACKETS);
    assertGoodput(atClient, atServer, 2);

    await inTime('the client ends', ours.close({ cause: 'operator', detail: 'done' }), LIMIT);
    const why = await inTime('the gateway hears of it', theirs.closed, LIMIT);
    assert.match(why.cause, /^(peer|lost)$/);
    assert.ok(relay.stats.dropped > PACKETS / 2, 'the wire was bad enough to matter');
    const { controlUnauthenticated = 0, dataUnauthenticated = 0, dataReplayed = 0 } = listener.stats;
    assert.ok(controlUnauthenticated + dataUnauthenticated > 0, 'packets came corrupted');
    assert.ok(dataReplayed > 0, 'packets came twice');
  } finally {
    await relay.close();
    await listener.close({ cause: 'shutdown', detail: 'the test is over' });
  }
});

/** Sends packets both ways, a few each turn of the wire. */
async function carry(a: Link, b: Link, first: number): Promise<void> {
  const before = a.stats.packetsOut;
  for (let n = first; n < first + PACKETS; n += 20) {
    const packets = Array.from({ length: 20 }, (_, i) => ipv4Packet(200 + (n % 7) * 100, n + i));
    a.send(batchOf(packets));
    b.send(batchOf(packets));
    const seen = a.stats.packetsIn + b.stats.packetsIn;
    await eventually('some come through', () => a.stats.packetsIn + b.stats.packetsIn > seen, LIMIT);
  }
  assert.equal(a.stats.packetsOut - before, PACKETS);
}

/** After `rounds` of `PACKETS`: about two thirds came each way, none twice. */
function assertGoodput(a: Received, b: Received, rounds: number): void {
  for (const { numbers } of [a, b]) {
    assert.equal(new Set(numbers).size, numbers.length, 'no packet comes twice');
    const share = numbers.length / (rounds * PACKETS);
    assert.ok(share > 0.5 && share < 0.85, `${numbers.length} of ${rounds * PACKETS} arrived`);
  }
}
