import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Host, IkeBed } from '../../../../test/ike-bed.ts';

const key = { presharedKey: () => Buffer.from('secret') };
const server = { ...key, address: '192.0.2.1' };
const client = { ...key, address: '198.51.100.2' };
const DAY = 86_400_000;
const never = { idle: 365 * DAY, interval: 365 * DAY, questions: 1 };

function up(bed: IkeBed, a: Host, b: Host, more = {}): void {
  bed.connect(a, b, more);
  assert.ok(bed.until(() => a.of('child-ready').length > 0 && b.of('child-ready').length > 0, 10_000));
}

test('an address has so many phase 1 SAs, also of peers that know the key', () => {
  const bed = new IkeBed();
  const b = bed.host({ ...server, limits: { ikeSasPerSource: 3 } });
  const clients = [1, 2, 3, 4].map((n) => bed.host({ ...key, address: `10.0.0.${n}`, nat: '198.51.100.7' }));
  for (const a of clients) bed.connect(a, b);
  bed.run(20_000);
  assert.equal(b.endpoint.sizes.ikeSas, 3);
  assert.ok(b.endpoint.stats.tooMany > 0);
  const [first] = clients;
  first?.endpoint.close(first.of('established')[0]?.ikeSa ?? 0);
  bed.run(20_000);
  assert.equal(b.endpoint.sizes.ikeSas, 3, 'who is still trying has the place that became free');
});

test('where an address has as many as it may, who could not use its own makes room for who can', () => {
  const bed = new IkeBed();
  const b = bed.host({ ...server, limits: { ikeSasPerSource: 3 }, deadPeerDetection: never });
  const esp = [{ encryption: '3des-cbc', keyBytes: 24, integrity: 'hmac-sha1-96' }] as const;
  const nat = '198.51.100.7';
  const useless = [1, 2].map((n) => bed.host({ ...key, address: `10.0.0.${n}`, nat, algorithms: { esp } }));
  const [useful, newcomer, last] = [3, 4, 5].map((n) => bed.host({ ...key, address: `10.0.0.${n}`, nat }));
  assert.ok(useful && newcomer && last);
  for (const a of [...useless, useful]) bed.connect(a, b);
  assert.ok(bed.until(() => b.of('child-failed').length === 2 && useful.of('child-ready').length === 1, 5_000));
  assert.equal(b.endpoint.sizes.ikeSas, 3);
  bed.run(31_000);
  bed.connect(newcomer, b);
  assert.ok(bed.until(() => newcomer.of('child-ready').length === 1, 5_000));
  assert.deepEqual([useless[0]?.of('closed').length, useful.of('closed').length], [1, 0], 'the oldest, and it is told');
  bed.connect(last, b);
  assert.ok(bed.until(() => last.of('child-ready').length === 1, 5_000));
  assert.equal(useful.of('closed').length, 0);
});

test('no SA outlives a day, whatever life its peer asked for, and the peer is told', () => {
  const bed = new IkeBed();
  const week = { phase1Seconds: 7 * 86_400, phase2Seconds: 7 * 86_400 };
  const a = bed.host({ ...client, lifetimes: week, deadPeerDetection: never });
  const b = bed.host({ ...server, deadPeerDetection: never });
  up(bed, a, b);
  bed.filter = ({ from }) => from === server.address;
  bed.run(DAY - 60_000);
  assert.deepEqual([b.endpoint.sizes.ikeSas, b.endpoint.sizes.children], [1, 1]);
  const told = bed.sent.filter(({ from }) => from === server.address).length;
  bed.run(4 * 60_000);
  assert.deepEqual([b.endpoint.sizes.ikeSas, b.endpoint.sizes.children], [0, 0]);
  assert.equal(b.one('child-deleted').by, 'expiry');
  assert.equal(bed.sent.filter(({ from }) => from === server.address).length, told + 2, 'both deletes');
});

test('a phase 1 that its peer replaced and did not delete ends by itself', () => {
  const bed = new IkeBed();
  const a = bed.host({ ...client, lifetimes: { phase1Seconds: 600, phase2Seconds: 100 }, deadPeerDetection: never });
  const b = bed.host({ ...server, deadPeerDetection: never });
  up(bed, a, b);
  const informational = 5;
  bed.filter = ({ from, datagram }) => from === server.address || datagram[18] !== informational;
  assert.ok(bed.until(() => b.of('established').length === 2, 580_000));
  assert.equal(b.endpoint.sizes.ikeSas, 2);
  assert.ok(
    bed.until(() => b.of('succeeded').length === 1, 100_000),
    'once the new one was shown to be where the old one is',
  );
  bed.run(61_000);
  assert.equal(b.endpoint.sizes.ikeSas, 1);
});

test('work that finds no room is told as that, and blames neither the peer’s value nor its certificate', () => {
  for (const who of ['initiator', 'responder'] as const) {
    const bed = new IkeBed();
    const [a, b] = [bed.host(client), bed.host(server)];
    bed.drops = who === 'initiator' ? a : b;
    bed.connect(a, b);
    bed.run(5000);
    const { code, reason } = (who === 'initiator' ? a : b).one('closed');
    assert.equal(code, 'busy');
    assert.equal(reason.cause, 'error');
    assert.match(reason.detail, /dropped/);
    bed.drops = undefined;
    bed.connect(a, b);
    assert.ok(bed.until(() => b.of('child-ready').length > 0, 40_000));
  }
});

test('new keys with perfect forward secrecy that find no room are tried again', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host({ ...client, lifetimes: { phase2Seconds: 1000 } }), bed.host(server)];
  const selector = (address: string) => ({ network: `${address}/32`, protocol: 17, port: 1701 });
  const child = { mode: 'transport', local: selector(client.address), remote: selector(server.address) } as const;
  bed.connect(a, b, { child: { ...child, group: 'ecp384' } });
  assert.ok(bed.until(() => b.of('child-ready').length > 0, 5000));
  bed.drops = b;
  assert.ok(bed.until(() => b.of('child-failed').length > 0, 1_000_000));
  assert.equal(b.one('child-failed').code, 'busy');
  bed.drops = undefined;
  assert.ok(bed.until(() => b.of('child-ready').length > 1, 1_000_000));
});
