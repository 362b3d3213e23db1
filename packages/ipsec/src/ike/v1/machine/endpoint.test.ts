import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertJoined, IkeBed, joined } from '../../../../test/ike-bed.ts';

const key = (text: string) => () => Buffer.from(text);
const server = { address: '192.0.2.1', presharedKey: key('secret') };
const client = { address: '198.51.100.2', presharedKey: key('secret') };
const natted = { ...client, address: '10.0.0.2', nat: '198.51.100.7' };

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

test('suites that were chosen by hand are what is offered, and what is accepted, whichever end begins', () => {
  const phase1 = [{ cipher: 'aes-cbc', keyBytes: 24, hash: 'sha2-512', group: 'ecp521' }] as const;
  const esp = [{ encryption: 'aes-cbc', keyBytes: 24, integrity: 'hmac-sha2-256-96' }] as const;
  const truncates = { ...server, algorithms: { truncatedSha256: true } };
  const bed = new IkeBed();
  const [a, b] = [bed.host({ ...client, algorithms: { phase1, esp } }), bed.host(truncates)];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  assertJoined(a, b);
  const { cipher, hash, group } = b.one('established').suite;
  assert.deepEqual([cipher.keyBytes, hash, group], [24, 'sha2-512', 'ecp521']);
  assert.deepEqual(a.one('child-created').sa.algorithms, esp[0]);
  const other = bed.host({ ...client, address: '198.51.100.3' });
  bed.connect(other, a);
  bed.run(40_000);
  assert.match(a.of('refused')[0]?.detail ?? '', /accepted here: aes192-sha2-512-ecp521 \(pre-shared-key\)$/);
});

test('where UDP 4500 is blocked both ends say so when the time is up', () => {
  for (const forceEncapsulation of [false, true]) {
    const bed = new IkeBed();
    const [a, b] = [bed.host(forceEncapsulation ? client : natted), bed.host({ ...server, forceEncapsulation })];
    bed.filter = ({ port, from }) => from === server.address || port !== 4500;
    bed.connect(a, b);
    bed.run(120_000);
    const { code, reason } = b.one('closed');
    assert.equal(code, 'timeout');
    assert.equal(reason.cause, 'lost');
    const said = 'the peer stopped after the key exchange: what it sends to UDP 4500 probably does not get here';
    assert.equal(reason.detail, said);
    assert.match(a.one('closed').reason.detail, /pre-shared key probably differs, or .* UDP 4500 does not get there/);
  }
});

test('where the second answer is lost the responder does not blame port 4500', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(client), bed.host(server)];
  let answers = 0;
  bed.filter = ({ from }) => from !== server.address || answers++ === 0;
  bed.connect(a, b);
  bed.run(120_000);
  assert.match(b.one('closed').reason.detail, /after the key exchange: our answer probably does not get there$/);
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

test('who forces encapsulation as initiator seems to be behind NAT itself, never the server', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host({ ...client, forceEncapsulation: true }), bed.host(server)];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  assert.deepEqual([b.one('established').localBehindNat, b.one('established').remoteBehindNat], [false, true]);
  assert.deepEqual([a.one('established').localBehindNat, a.one('established').remoteBehindNat], [false, false]);
  assert.ok(b.one('child-created').sa.udpEncapsulated && a.one('child-created').sa.udpEncapsulated);
  bed.run(61_000);
  assert.equal(bed.sent.filter(({ datagram }) => datagram.length === 1).length, 0, 'nobody keeps a NAT open');
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
    if (!allowed) assert.ok((b.one('child-failed').offers?.offered.length ?? 0) > 0);
  }
});

test('a wrong key is told at both ends, and ends the negotiation', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host({ ...client, presharedKey: key('wrong') }), bed.host(server)];
  bed.connect(a, b);
  // A refusal proves nothing, so it asks once more, but waits no longer than that takes.
  assert.ok(bed.until(() => a.of('closed').length > 0, 4000));
  bed.run(60_000);
  assert.equal(a.one('closed').code, 'wrong-key');
  assert.match(a.one('closed').reason.detail, /the pre-shared key probably differs/);
  assert.equal(a.one('suspected').code, 'wrong-key');
  assert.equal(b.one('closed').code, 'wrong-key');
  assert.equal(Math.max(...Object.values(b.endpoint.sizes)), 0);
});

test('a wrong key is suspected after seconds at a peer that says nothing of it, and tried on', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host({ ...client, presharedKey: key('wrong') }), bed.host(server)];
  const informational = 5;
  bed.filter = ({ datagram }) => datagram[18] !== informational;
  bed.connect(a, b);
  assert.ok(!bed.until(() => a.of('suspected').length > 0, 2900), 'one message may be lost');
  assert.ok(bed.until(() => a.of('suspected').length > 0, 1000));
  assert.match(a.one('suspected').detail, /the pre-shared key probably differs/);
  assert.ok(!bed.until(() => a.of('closed').length > 0, 20_000));
  bed.run(20_000);
  assert.equal(a.one('closed').code, 'wrong-key');
});

test('a peer that is not there is suspected of nothing, and one whose answer is late still gets in', () => {
  for (const silent of [true, false]) {
    const bed = new IkeBed();
    const [a, b] = [bed.host(client), bed.host(server)];
    let sent = 0;
    const fifths = ({ from, datagram }: { from: string; datagram: Uint8Array }) =>
      from === client.address && datagram[19] === 1 && sent++ < 2;
    bed.filter = (each) => !silent && !fifths(each);
    bed.connect(a, b);
    bed.run(40_000);
    assert.equal(a.of('suspected').length, silent ? 0 : 1, 'two losses in a row look like it');
    assert.equal(a.of('child-ready').length, silent ? 0 : 1);
  }
});

test('no common proposal is told with both offers', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(client), bed.host({ ...server, presharedKey: () => undefined })];
  bed.connect(a, b);
  assert.ok(bed.until(() => a.of('closed').length > 0, 4000));
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

test('ESP that comes from elsewhere moves its peer, and what IKE has to say goes there too', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(natted), bed.host(server)];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  const { child, path } = b.one('child-created');
  const elsewhere = { ...path, remote: { address: '198.51.100.9', port: 4_321 } };
  b.endpoint.handleTraffic(child, 100, bed.now, path);
  assert.equal(b.of('moved').length, 0);
  b.endpoint.handleTraffic(child, 100, bed.now, elsewhere);
  bed.run(1);
  assert.deepEqual(b.one('moved').path, elsewhere);
  b.endpoint.close(b.one('established').ikeSa);
  bed.run(1);
  assert.deepEqual(bed.sent.at(-1)?.destination, '198.51.100.9');
});

test('a peer that moved makes new keys in the place of its old ones, and its neighbour behind the same NAT does not', () => {
  const bed = new IkeBed();
  const b = bed.host(server);
  const [a, neighbour] = [bed.host(natted), bed.host({ ...natted, address: '10.0.0.3' })];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  a.nat = '198.51.100.9';
  bed.connect(neighbour, b);
  assert.ok(bed.until(joined(neighbour, b), 5000));
  neighbour.nat = a.nat;
  for (const moved of [a, neighbour]) moved.endpoint.renewChild(moved.one('child-created').child, bed.now);
  bed.run(3000);
  const [first, second, ...later] = b.of('child-created');
  assert.deepEqual(
    later.map(({ path, replaces }) => [path.remote.address, replaces]),
    [first, second].map((old) => [a.nat, old?.child]),
  );
});

test('a question whether a peer lives, replayed after all its followers, moves nobody', () => {
  const bed = new IkeBed();
  const asks = { idle: 1000, interval: 1000, questions: 5 };
  const [a, b] = [
    bed.host({ ...client, deadPeerDetection: asks }),
    bed.host({ ...server, deadPeerDetection: { ...asks, idle: 2000 } }),
  ];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  const informational = 5;
  const questions = () =>
    bed.sent.filter(({ from, datagram }) => from === client.address && datagram[18] === informational);
  assert.ok(bed.until(() => questions().length > 1100, 2_000_000));
  const [first] = questions();
  bed.inject(b, first?.datagram ?? new Uint8Array(0), { address: '203.0.113.9', port: 500 });
  assert.equal(b.of('moved').length, 0);
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
  const neighbour = bed.host({ ...client, address: '198.51.100.3' });
  const a = bed.host(client);
  bed.connect(neighbour, b);
  bed.connect(a, b);
  assert.ok(bed.until(() => b.of('child-ready').length === 2, 5000));
  bed.connect(a, b);
  assert.ok(bed.until(() => b.of('child-ready').length === 3, 5000));
  assert.equal(b.of('closed').length, 1);
  assert.equal(b.endpoint.sizes.children, 2);
});

test('who starts anew behind a NAT goes on with its old SAs once it answers from there', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(natted), bed.host(server)];
  for (const calls of [1, 2]) {
    bed.connect(a, b);
    assert.ok(bed.until(() => b.of('child-ready').length === calls, 5000));
  }
  const [first, second] = b.of('established');
  assert.deepEqual(b.one('succeeded').from, [first?.ikeSa]);
  assert.equal(b.one('succeeded').ikeSa, second?.ikeSa);
  assert.equal(b.of('child-created')[1]?.replaces, b.of('child-created')[0]?.child);
});

test('behind NAT a client does not say that it starts anew: strongSwan would end others of the same private address', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(natted), bed.host(server)];
  for (const calls of [1, 2]) {
    bed.connect(a, b);
    assert.ok(bed.until(() => b.of('child-ready').length === calls, 5000));
  }
  assert.equal(b.of('closed').length, 0);
});
