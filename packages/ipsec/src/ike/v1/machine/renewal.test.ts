/** New keys of either phase: when, from which end, and what becomes of the old ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertJoined, IkeBed, joined } from '../../../../test/ike-bed.ts';

const presharedKey = () => Buffer.from('secret');
const server = { address: '192.0.2.1', presharedKey };
const client = { address: '198.51.100.2', presharedKey };

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

test('a replaced pair sends on until the peer is seen to have the new one, or is likely to', () => {
  for (const sign of ['traffic', 'a deleted old one', 'none'] as const) {
    const bed = new IkeBed();
    const [a, b] = [bed.host({ ...client, lifetimes: { phase2Seconds: 100 } }), bed.host(server)];
    bed.connect(a, b);
    assert.ok(bed.until(() => a.of('child-created').length === 2, 100_000));
    const [first, second] = a.of('child-created');
    assert.equal(a.of('child-ready').length, 1);
    if (sign === 'traffic') a.endpoint.handleTraffic(second?.child ?? 0, 100, bed.now);
    bed.run(100);
    assert.equal(a.of('child-ready').length, sign === 'traffic' ? 2 : 1);
    if (sign === 'a deleted old one') b.endpoint.closeChild(b.of('child-created')[0]?.child ?? 0);
    bed.run(100);
    assert.equal(a.of('child-ready').length, sign === 'none' ? 1 : 2);
    bed.run(1000);
    assert.equal(a.of('child-ready').at(-1)?.child, second?.child);
    assert.equal(a.of('child-deleted').length, sign === 'a deleted old one' ? 1 : 0);
    bed.run(11_000);
    assert.equal(a.one('child-deleted').child, first?.child);
  }
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
  bed.run(4000);
  assert.equal(b.endpoint.sizes.ikeSas, 2, 'the peer has time to hand over what the old one has');
  bed.run(2000);
  assert.equal(b.endpoint.sizes.ikeSas, 1);
  assert.equal(a.of('closed').at(-1)?.reason.cause, 'replaced');
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

test('a pair whose sequence numbers run out gets one in its place, from the end that makes them', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(client), bed.host(server)];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  b.endpoint.renewChild(b.one('child-created').child, bed.now);
  bed.run(1000);
  assert.equal(b.of('child-created').length, 1, 'the responder waits for its peer');
  a.endpoint.renewChild(a.one('child-created').child, bed.now);
  bed.run(2000);
  assert.equal(a.of('child-ready').length, 2);
  assert.equal(b.of('child-created')[1]?.replaces, b.of('child-created')[0]?.child);
});

test('a pair whose change of keys was under way when phase 1 was replaced gets them by the next one', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host({ ...client, lifetimes: { phase1Seconds: 100, phase2Seconds: 200 } }), bed.host(server)];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  assert.ok(
    bed.until(() => a.endpoint.sizes.ikeSas === 2, 100_000),
    'the next phase 1 is under way',
  );
  const quick = 32;
  bed.filter = ({ datagram }) => datagram[18] !== quick;
  const { child } = a.one('child-created');
  a.endpoint.renewChild(child, bed.now);
  assert.ok(bed.until(() => a.of('established').length === 2, 5000));
  bed.filter = () => true;
  assert.ok(bed.until(() => a.of('child-created').length === 2, 10_000));
  assert.equal(a.of('child-created')[1]?.replaces, child);
  assert.equal(a.of('child-created')[1]?.ikeSa, a.of('established')[1]?.ikeSa);
  bed.run(1000);
  assert.deepEqual([a.spis.size, b.spis.size], [2, 2]);
});

/** At the moment when the next phase 1 has what the first had. */
function renewed() {
  const bed = new IkeBed();
  const [a, b] = [bed.host({ ...client, lifetimes: { phase1Seconds: 100 } }), bed.host(server)];
  bed.connect(a, b);
  assert.ok(bed.until(() => a.of('succeeded').length > 0, 100_000));
  bed.run(100);
  return { bed, a, b };
}

test('a phase 1 that we renewed may be deleted by its peer before we do, and what it had lives on', () => {
  const { bed, a, b } = renewed();
  b.endpoint.close(b.of('established')[0]?.ikeSa ?? 0);
  bed.run(6000);
  assert.deepEqual(
    a.of('closed').map(({ code }) => code),
    ['peer-deleted'],
  );
  assert.deepEqual([a.endpoint.sizes.ikeSas, a.endpoint.sizes.children], [1, 1]);
});

test('where we end while our old phase 1 is still there, nothing is left of either', () => {
  const { bed, a, b } = renewed();
  a.endpoint.close(a.of('established')[1]?.ikeSa ?? 0);
  bed.run(6000);
  for (const { endpoint } of [a, b]) assert.deepEqual([endpoint.sizes.ikeSas, endpoint.sizes.children], [0, 0]);
});

test('a pair whose sequence numbers run out asks again when nobody answers', () => {
  const bed = new IkeBed();
  const [a, b] = [bed.host(client), bed.host(server)];
  bed.connect(a, b);
  assert.ok(bed.until(joined(a, b), 5000));
  const { child } = a.one('child-created');
  bed.filter = ({ datagram }) => datagram[18] !== 32;
  a.endpoint.renewChild(child, bed.now);
  assert.ok(bed.until(() => a.of('child-failed').length === 1, 60_000));
  bed.filter = () => true;
  assert.ok(bed.until(() => a.of('child-created').length === 2, 15_000));
  assert.equal(a.of('child-created')[1]?.replaces, child);
});
