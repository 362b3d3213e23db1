import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Host, IkeBed } from '../../../../test/ike-bed.ts';

const key = (text: string) => () => Buffer.from(text);
const server = { address: '192.0.2.1', presharedKey: key('secret') };
const client = { address: '198.51.100.2', presharedKey: key('secret') };
const natted = { ...client, address: '10.0.0.2', nat: '198.51.100.7' };

/** Both ends have one pair, with the same keys crossed. */
function assertJoined(a: Host, b: Host): void {
  const ours = a.of('child-created').at(-1)?.sa;
  const theirs = b.of('child-created').at(-1)?.sa;
  assert.ok(ours && theirs);
  assert.deepEqual(ours.inbound, theirs.outbound);
  assert.deepEqual(ours.outbound, theirs.inbound);
  assert.deepEqual(ours.algorithms, theirs.algorithms);
  assert.notDeepEqual(ours.inbound.encryptionKey, ours.outbound.encryptionKey);
  assert.ok(a.of('child-ready').length > 0 && b.of('child-ready').length > 0);
}

const joined = (a: Host, b: Host) => () => a.of('child-ready').length > 0 && b.of('child-ready').length > 0;

test('main mode by pre-shared key and quick mode give both ends the same keys', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(client), bed.host(server)];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  assertJoined(a, b);
  assert.equal(bed.sent.length, 9, 'six messages of main mode, three of quick mode');
  const sa = b.one('child-created').sa;
  assert.equal(sa.mode, 'transport');
  assert.equal(sa.udpEncapsulated, false);
  assert.deepEqual(sa.remote, { network: '198.51.100.2/32', protocol: 17, port: 1701 });
});

test('behind a NAT the initiator moves to port 4500, and ESP goes in UDP', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(natted), bed.host(server)];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  assertJoined(a, b);
  const created = b.one('child-created');
  assert.ok(created.sa.udpEncapsulated);
  assert.equal(
    created.sa.remote.network,
    '198.51.100.7/32',
    'where packets come from, not what the peer says of itself',
  );
  assert.equal(created.peerOriginal, '10.0.0.2');
  assert.equal(created.path.local.port, 4500);
  assert.deepEqual([b.one('established').localBehindNat, b.one('established').remoteBehindNat], [false, true]);
  bed.run(61_000);
  assert.equal(
    bed.sent.filter(({ datagram }) => datagram.length === 1).length,
    3,
    'a byte each 20 s keeps the NAT open',
  );
});

test('forced encapsulation makes the peer take itself for the one behind NAT', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(client), bed.host({ ...server, forceEncapsulation: true })];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  assert.deepEqual([a.one('established').localBehindNat, a.one('established').remoteBehindNat], [true, false]);
  assert.ok(a.one('child-created').sa.udpEncapsulated);
  assertJoined(a, b);
});

test('two clients behind one NAT have a phase 1 each, with the same inner ports', () => {
  const bed = new IkeBed();
  const b = bed.host(server);
  const [first, second] = [bed.host(natted), bed.host({ ...natted, address: '10.0.0.3' })];
  bed.connect(first, b);
  bed.connect(second, b);
  assert.ok(bed.until(() => b.of('child-ready').length === 2, 5000));
  assert.equal(b.of('closed').length, 0);
  assert.equal(b.endpoint.sizes.children, 2);
});

for (const group of ['modp2048', 'ecp256', 'curve25519'] as const) {
  test(`perfect forward secrecy by group ${group}`, () => {
    const bed = new IkeBed();
    const [a, b] = [bed.host(client), bed.host(server)];
    const selector = (address: string) => ({ network: `${address}/32`, protocol: 17, port: 1701 });
    const child = {
      mode: 'transport',
      local: selector(client.address),
      remote: selector(server.address),
      group,
    } as const;
    bed.connect(a, b, { child });
    assert.ok(bed.until(joined(a, b), 5000));
    assertJoined(a, b);
  });
}

test('tunnel mode is refused unless somebody judges its networks', () => {
  const child = {
    mode: 'tunnel',
    local: { network: '10.1.0.0/16', protocol: 0, port: 0 },
    remote: { network: '10.2.0.0/16', protocol: 0, port: 0 },
  } as const;
  for (const allowed of [false, true]) {
    const bed = new IkeBed();
    const b = bed.host(
      allowed ? { ...server, acceptSelectors: ({ remote }) => remote.network === '10.1.0.0/16' } : server,
    );
    const a = bed.host(client);
    bed.connect(a, b, { child });
    bed.run(5000);
    assert.equal(b.of('child-ready').length, allowed ? 1 : 0);
    if (!allowed) assert.equal(a.one('child-failed').code, 'no-proposal');
  }
});

test('a wrong key is told at both ends, and ends the negotiation', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host({ ...client, presharedKey: key('wrong') }), bed.host(server)];
  bed.connect(a, b);
  bed.run(60_000);
  assert.equal(a.one('closed').code, 'wrong-key');
  assert.match(a.one('closed').reason.detail, /the pre-shared key differs/);
  assert.equal(b.one('closed').code, 'wrong-key');
  assert.deepEqual(b.endpoint.sizes, { firstMessages: 0, ikeSas: 0, children: 0 });
});

test('no common proposal is told with both offers', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(client), bed.host({ ...server, presharedKey: () => undefined })];
  bed.connect(a, b);
  bed.run(60_000);
  assert.equal(b.of('refused')[0]?.code, 'no-key');
  assert.match(
    b.of('refused')[0]?.detail ?? '',
    /the peer offers aes256-sha2-256-ecp384.*accepted here: .*no key for this address/,
  );
  assert.equal(a.one('closed').code, 'no-proposal');
  assert.match(a.one('closed').reason.detail, /we offered aes256-sha2-256-ecp384/);
});

test('nobody there: a clear end in half a minute', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(client), bed.host(server)];
  bed.filter = () => false;
  bed.connect(a, b);
  bed.run(40_000);
  assert.equal(a.one('closed').code, 'timeout');
});

for (const seed of [1, 2, 3, 5, 8, 13, 21, 34]) {
  test(`both come together over a bad wire (seed ${seed})`, () => {
    const bed = new IkeBed(seed);
    bed.weather = { drop: 0.2, duplicate: 0.2, corrupt: 0.05, jitter: 200 };
    const [a, b] = [bed.host(seed % 2 === 0 ? client : natted), bed.host(server)];
    // A first message that was damaged on its way and yet made sense ends in a failure: then whoever dials, dials again.
    for (let tries = 0; tries < 4 && b.of('child-ready').length === 0; tries++) {
      bed.connect(a, b);
      bed.until(() => joined(a, b)() || a.of('closed').length > tries, 60_000);
    }
    assertJoined(a, b);
  });
}

test('close deletes children and phase 1 at both ends', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(client), bed.host(server)];
  const id = bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  a.endpoint.close(id);
  bed.run(1000);
  assert.equal(b.one('child-deleted').by, 'peer');
  assert.equal(b.one('closed').code, 'peer-deleted');
  assert.deepEqual([a.spis.size, b.spis.size], [0, 0]);
});

test('the initiator makes new keys in time; the old ones go when the new ones are in use', () => {
  const bed = new IkeBed();
  const lifetimes = { phase1Seconds: 600, phase2Seconds: 100 };
  const [a, b] = [bed.host({ ...client, lifetimes }), bed.host(server)];
  bed.connect(a, b);
  bed.run(3_600_000);
  assert.ok(a.of('child-created').length > 36, `${a.of('child-created').length}`);
  assert.ok(a.of('established').length > 5);
  assert.deepEqual(a.endpoint.sizes.children, 1);
  assert.deepEqual(b.endpoint.sizes.children, 1);
  assert.equal(b.endpoint.sizes.ikeSas, 1);
  assert.ok(
    b
      .of('child-created')
      .slice(1)
      .every(({ replaces }) => replaces !== undefined),
  );
  assert.ok(b.of('child-deleted').every(({ by }) => by === 'peer'));
  assertJoined(a, b);
});

test('a new phase 1 that does not come to be is tried again while the old one lasts', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host({ ...client, lifetimes: { phase1Seconds: 1800 } }), bed.host(server)];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  bed.filter = ({ datagram }) => datagram[18] !== 2;
  assert.ok(bed.until(() => a.of('closed').length > 0, 1_800_000));
  assert.equal(a.one('closed').code, 'timeout');
  bed.filter = () => true;
  assert.ok(bed.until(() => a.of('established').length === 2, 70_000));
  bed.run(5000);
  assert.equal(b.endpoint.sizes.ikeSas, 1);
  assert.equal(b.of('child-deleted').length, 0);
});

test('the initiator makes new keys by bytes', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host({ ...client, lifetimes: { phase2Bytes: 1_000_000 } }), bed.host(server)];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  a.endpoint.handleSent(a.one('child-created').child, 700_000, bed.now);
  bed.run(1000);
  a.one('child-created');
  const [{ child } = { child: 0 }] = a.of('child-created');
  a.endpoint.handleTraffic(child, 250_000, bed.now);
  bed.run(20_000);
  assert.equal(a.of('child-created')[1]?.replaces, child);
  assert.deepEqual(
    a.of('child-deleted').map((e) => e.child),
    [child],
  );
});

test('a peer that died is noticed by its silence, a live one is not disturbed', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(client), bed.host(server)];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  bed.run(300_000);
  assert.equal(b.of('closed').length, 0);
  bed.filter = ({ from }) => from !== client.address;
  bed.run(120_000);
  assert.equal(b.one('closed').code, 'dead-peer');
  assert.equal(b.one('child-deleted').by, 'expiry');
});

test('a client that starts anew takes the place of its old self and of nobody else', () => {
  const bed = new IkeBed();
  const b = bed.host(server);
  const neighbour = bed.host({ ...natted, address: '10.0.0.3' });
  const a = bed.host(natted);
  bed.connect(neighbour, b);
  bed.connect(a, b);
  assert.ok(bed.until(() => b.of('child-ready').length === 2, 5000));
  bed.connect(a, b);
  assert.ok(bed.until(() => b.of('child-ready').length === 3, 5000));
  assert.equal(b.of('closed').length, 1);
  assert.equal(b.endpoint.sizes.children, 2);
});
