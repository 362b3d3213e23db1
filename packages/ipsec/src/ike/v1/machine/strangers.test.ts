import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import { IkeBed } from '../../../../test/ike-bed.ts';
import { phase1Offers, windowsPeer } from '../../../../test/peers.ts';
import { ScriptedInitiator } from '../../../../test/scripted-initiator.ts';

const server = { address: '192.0.2.1', presharedKey: () => Buffer.from('secret') };
const suite = { hash: 'sha1', keyBytes: 32, group: 'secp384r1' } as const;

test('a flood of first messages costs bounded memory and no key exchange; who is there still gets in', () => {
  const bed = new IkeBed();
  const b = bed.host({ ...server, limits: { unproven: 500 } });
  const random = seededRandom(4);
  let asked = 0;
  for (let n = 0; n < 5000; n++) {
    const datagram = Buffer.from(windowsPeer.firstMessage);
    datagram.set(random.bytes(8));
    const address = `203.0.${random.integer(256)}.${random.integer(256)}`;
    bed.inject(b, datagram, { address, port: 500 });
    asked += datagram.length;
  }
  assert.equal(b.endpoint.sizes.firstMessages, 500);
  assert.equal(b.endpoint.sizes.ikeSas, 0);
  const answered = bed.sent.reduce((sum, { datagram }) => sum + datagram.length, 0);
  assert.equal(bed.sent.length, 5000);
  assert.ok(answered < asked, `${answered} for ${asked}`);
  const a = bed.host({ ...server, address: '198.51.100.2' });
  bed.connect(a, b);
  assert.ok(bed.until(() => b.of('child-ready').length > 0, 5000));
  bed.run(60_000);
  assert.equal(b.endpoint.sizes.firstMessages, 0, 'they end by themselves');
});

test('no answer to a stranger is longer than its question, also when it repeats it', () => {
  for (const [offer, ids] of [
    [phase1Offers.windows, windowsPeer.vendorIds],
    [phase1Offers.apple, windowsPeer.vendorIds],
    [phase1Offers.debian, []],
    [phase1Offers.chromeos, windowsPeer.vendorIds.slice(2, 5)],
  ] as const) {
    const bed = new IkeBed();
    const b = bed.host(server);
    const question = new ScriptedInitiator(suite, 'secret').first(offer, ids);
    for (let n = 0; n < 50; n++) bed.inject(b, question, { address: '198.51.100.7', port: 500 });
    assert.ok(bed.sent.length >= 1 && bed.sent.length <= 4);
    for (const { datagram } of bed.sent) assert.ok(datagram.length <= question.length);
  }
});

test('one address has a bounded number of key exchanges under way', () => {
  const bed = new IkeBed();
  const b = bed.host({ ...server, limits: { halfOpenPerSource: 5 } });
  for (let n = 0; n < 20; n++) {
    const peer = new ScriptedInitiator(suite, 'secret');
    const from = { address: '198.51.100.7', port: 1000 + n };
    bed.inject(b, peer.first(phase1Offers.windows, windowsPeer.vendorIds), from);
    peer.takeSecond(bed.sent.at(-1)?.datagram ?? Buffer.alloc(0));
    bed.inject(b, peer.third(20, { own: '10.0.0.2', ownPort: 500, server: server.address }), from);
  }
  assert.equal(b.endpoint.sizes.ikeSas, 5);
  assert.equal(b.endpoint.stats.tooMany, 15);
  bed.run(31_000);
  assert.equal(b.endpoint.sizes.ikeSas, 0);
});

test('a third message from another address than the first makes no key exchange', () => {
  const bed = new IkeBed();
  const b = bed.host(server);
  const peer = new ScriptedInitiator(suite, 'secret');
  bed.inject(b, peer.first(phase1Offers.windows, windowsPeer.vendorIds), { address: '198.51.100.7', port: 500 });
  peer.takeSecond(bed.sent.at(-1)?.datagram ?? Buffer.alloc(0));
  const third = peer.third(20, { own: '10.0.0.2', ownPort: 500, server: server.address });
  bed.inject(b, third, { address: '198.51.100.8', port: 500 });
  assert.equal(b.endpoint.sizes.ikeSas, 0);
  assert.equal(bed.sent.length, 1);
});

test('aggressive mode is refused, and told why', () => {
  const bed = new IkeBed();
  const b = bed.host(server);
  const question = new ScriptedInitiator(suite, 'secret').first(phase1Offers.apple, []);
  question[18] = 4;
  bed.inject(b, question, { address: '198.51.100.7', port: 500 });
  assert.equal(b.one('refused').code, 'aggressive-mode');
  assert.equal(b.endpoint.sizes.firstMessages, 0);
});

test('hostile bytes make no endpoint throw, in any state of a negotiation', () => {
  const random = seededRandom(77);
  for (let round = 0; round < 60; round++) {
    const bed = new IkeBed(round);
    const [a, b] = [bed.host({ ...server, address: '198.51.100.2' }), bed.host(server)];
    let seen = 0;
    bed.filter = (sent) => {
      if (seen++ > 40) return true;
      for (let n = 0; n < 20; n++) {
        const bytes = sent.datagram.slice();
        for (let flips = 1 + random.integer(4); flips > 0; flips--)
          bytes[random.integer(bytes.length)] = random.integer(256);
        const to = sent.destination === server.address ? b : a;
        const path = {
          socket: 500,
          local: { address: sent.destination, port: 500 },
          remote: { address: sent.source, port: 500 },
        };
        to.endpoint.handleDatagram(
          random.chance(0.2) ? bytes.subarray(0, random.integer(bytes.length)) : bytes,
          path,
          bed.now,
        );
      }
      return true;
    };
    bed.connect(a, b);
    bed.run(40_000);
    assert.ok(b.endpoint.sizes.ikeSas <= 20);
  }
});
