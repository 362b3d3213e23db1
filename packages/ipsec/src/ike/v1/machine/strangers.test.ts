import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nullLogger, seededRandom } from '@culvert/testkit';
import { type Host, IkeBed } from '../../../../test/ike-bed.ts';
import { phase1Offers, windowsPeer } from '../../../../test/peers.ts';
import { ScriptedInitiator } from '../../../../test/scripted-initiator.ts';

const server = { address: '192.0.2.1', presharedKey: () => Buffer.from('secret') };
const suite = { hash: 'sha1', keyBytes: 32, group: 'secp384r1' } as const;
const identity = Buffer.from([1, 0, 0, 0, 10, 0, 0, 2]);
const presharedKey = () => Buffer.from('another');

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

/** Clients at these addresses that keep their fifth message to themselves: so many begin at once, again and again. */
function fillWithHalfOpen(
  bed: IkeBed,
  b: Host,
  addresses: readonly string[],
  { each = 25, rounds = 12, pause = 400 } = {},
) {
  const stopped = new Set(addresses);
  bed.filter = ({ datagram, from }) => !stopped.has(from) || ((datagram[19] ?? 0) & 1) === 0;
  const attackers = addresses.map((address) => bed.host({ ...server, address }));
  for (let round = 0; round < rounds; round++) {
    for (const a of attackers) for (let n = 0; n < each; n++) bed.connect(a, b, { path: a.path(server.address, 500) });
    bed.run(pause);
  }
}

test('two addresses whose negotiations stop in the middle keep nobody else out', () => {
  const bed = new IkeBed();
  const b = bed.host({ ...server, limits: { halfOpen: 128, halfOpenPerSource: 64 } });
  fillWithHalfOpen(bed, b, ['203.0.113.1', '203.0.113.2']);
  assert.equal(b.endpoint.sizes.ikeSas, 128);
  const honest = bed.host({ ...server, address: '198.51.100.50' });
  bed.connect(honest, b);
  assert.ok(
    bed.until(() => honest.of('child-ready').length > 0, 1000),
    'without a message sent twice',
  );
  assert.ok(b.endpoint.sizes.ikeSas <= 129);
});

test('many networks whose negotiations stop in the middle keep nobody else out for long', () => {
  const bed = new IkeBed();
  const b = bed.host({ ...server, limits: { halfOpen: 32, halfOpenPerSource: 16 } });
  const addresses = Array.from({ length: 40 }, (_, n) => `203.0.113.${n + 1}`);
  fillWithHalfOpen(bed, b, addresses, { each: 1, rounds: 2, pause: 1000 });
  assert.equal(b.endpoint.sizes.ikeSas, 32);
  const honest = bed.host({ ...server, address: '198.51.100.50' });
  bed.connect(honest, b);
  assert.ok(bed.until(() => honest.of('child-ready').length > 0, 8000));
});

test('of many clients that come at once those that were first go on, and the others have their turn', () => {
  const bed = new IkeBed();
  const b = bed.host({ ...server, limits: { halfOpen: 8, halfOpenPerSource: 8 } });
  const clients = Array.from({ length: 24 }, (_, n) => bed.host({ ...server, address: `198.51.100.${n + 1}` }));
  for (const a of clients) bed.connect(a, b);
  bed.run(20_000);
  assert.equal(b.of('established').length, clients.length);
  assert.ok(b.endpoint.stats.tooMany > 0);
  assert.deepEqual(b.of('closed'), [], 'nobody lost a place');
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

test('the addresses of one network of IPv6 are one source', () => {
  const bed = new IkeBed();
  const b = bed.host({ ...server, address: '2001:db8::1', limits: { halfOpenPerSource: 5 } });
  for (let n = 0; n < 20; n++) {
    const peer = new ScriptedInitiator(suite, 'secret');
    const from = { address: `2001:db8:1::${n + 1}`, port: 500 };
    bed.inject(b, peer.first(phase1Offers.windows, windowsPeer.vendorIds), from);
    peer.takeSecond(bed.sent.at(-1)?.datagram ?? Buffer.alloc(0));
    bed.inject(b, peer.third(20, { own: '10.0.0.2', ownPort: 500, server: '192.0.2.1' }), from);
  }
  assert.equal(b.endpoint.sizes.ikeSas, 5);
  assert.equal(b.endpoint.stats.tooMany, 15);
  bed.run(31_000);
  assert.deepEqual([b.endpoint.sizes.ikeSas, b.endpoint.sizes.firstMessages], [0, 0]);
});

test('wrong keys are logged once a second, however many strangers have them', () => {
  const bed = new IkeBed();
  const warned: string[] = [];
  const logger = { ...nullLogger, warn: (message: string) => void warned.push(message) };
  const b = bed.host({ ...server, logger });
  for (let n = 0; n < 10; n++) {
    const peer = new ScriptedInitiator(suite, 'another');
    const from = { address: `198.51.100.${n + 1}`, port: 500 };
    bed.inject(b, peer.first(phase1Offers.windows, windowsPeer.vendorIds), from);
    peer.takeSecond(bed.sent.at(-1)?.datagram ?? Buffer.alloc(0));
    bed.inject(b, peer.third(20, { own: '10.0.0.2', ownPort: 500, server: server.address }), from);
    peer.takeFourth(bed.sent.at(-1)?.datagram ?? Buffer.alloc(0));
    bed.inject(b, peer.fifth(identity), from);
  }
  assert.equal(b.endpoint.stats.unauthenticated, 10);
  assert.equal(warned.length, 1);
});

test('a wrong key is logged with what to do, once for each peer that comes again and again', () => {
  const bed = new IkeBed();
  const warned: [string, unknown][] = [];
  const logger = { ...nullLogger, warn: (message: string, fields?: unknown) => void warned.push([message, fields]) };
  const b = bed.host({ ...server, logger });
  const [first, second] = ['198.51.100.2', '198.51.100.3'].map((address) =>
    bed.host({ ...server, address, presharedKey }),
  );
  assert.ok(first && second);
  for (let n = 0; n < 10; n++) {
    for (const a of [first, second]) {
      bed.connect(a, b);
      bed.run(5000);
    }
  }
  assert.deepEqual(
    warned.map(([, fields]) => fields),
    [{ remote: first.options.address }, { remote: second.options.address }],
  );
  assert.match(warned[0]?.[0] ?? '', /the pre-shared key probably differs.*compare it/);
  bed.run(600_000);
  bed.connect(first, b);
  bed.run(5000);
  assert.equal(warned.length, 3);
});

test('who knows the key takes no SA of another address, whatever address its messages have', () => {
  const bed = new IkeBed();
  const b = bed.host(server);
  const a = bed.host({ ...server, address: '198.51.100.2' });
  bed.connect(a, b);
  assert.ok(bed.until(() => b.of('child-ready').length > 0, 5000));
  const peer = new ScriptedInitiator(suite, 'secret');
  const from = { address: '198.51.100.7', port: 500 };
  const victim = { address: '198.51.100.2', port: 500 };
  const initialContact = Buffer.from([0, 0, 0, 1, 1, 0, 0x60, 0x02]);
  bed.inject(b, peer.first(phase1Offers.windows, windowsPeer.vendorIds), from);
  peer.takeSecond(bed.sent.at(-1)?.datagram ?? Buffer.alloc(0));
  bed.inject(b, peer.third(20, { own: '10.0.0.2', ownPort: 500, server: server.address }), from);
  peer.takeFourth(bed.sent.at(-1)?.datagram ?? Buffer.alloc(0));
  bed.inject(b, peer.fifth(Buffer.from([1, 0, 0, 0, 198, 51, 100, 2]), [[11, initialContact]]), victim);
  bed.run(1000);
  assert.equal(b.of('established').length, 1);
  assert.equal(b.of('closed').length, 0);
  assert.equal(b.endpoint.sizes.children, 1);
});

test('a message of quick mode that makes no sense is taken once, and moves nobody when it comes again', () => {
  const bed = new IkeBed();
  const b = bed.host(server);
  const peer = new ScriptedInitiator(suite, 'secret');
  const from = { address: '198.51.100.7', port: 500 };
  bed.inject(b, peer.first(phase1Offers.windows, windowsPeer.vendorIds), from);
  peer.takeSecond(bed.sent.at(-1)?.datagram ?? Buffer.alloc(0));
  bed.inject(b, peer.third(20, { own: '10.0.0.2', ownPort: 500, server: server.address }), from);
  peer.takeFourth(bed.sent.at(-1)?.datagram ?? Buffer.alloc(0));
  bed.inject(b, peer.fifth(identity), from);
  peer.takeSixth(bed.sent.at(-1)?.datagram ?? Buffer.alloc(0));
  const senseless = peer.quickFirst(7, Buffer.alloc(1), []);
  bed.inject(b, senseless, from);
  assert.equal(b.endpoint.stats.malformed, 1);
  bed.inject(b, senseless, { address: '203.0.113.9', port: 500 });
  assert.equal(b.endpoint.stats.duplicates, 1);
  assert.equal(b.of('moved').length, 0);
});

test('one stranger that is refused again and again hides no refusal of others, in events and on the wire', () => {
  const bed = new IkeBed();
  const b = bed.host(server);
  const question = () => new ScriptedInitiator({ ...suite, group: 'modp2' }, 'secret').first(phase1Offers.android, []);
  for (let n = 0; n < 100; n++) {
    bed.inject(b, question(), { address: '203.0.113.66', port: 500 });
    bed.run(n % 10 === 9 ? 100 : 1000);
    if (n % 10 === 9) bed.inject(b, question(), { address: '198.51.100.20', port: 500 });
  }
  const told = b.of('refused').map(({ path }) => path.remote.address);
  assert.equal(told.filter((address) => address === '198.51.100.20').length, 10);
  assert.equal(bed.sent.filter(({ destination }) => destination === '198.51.100.20').length, 10);
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

test('a refusal that would be longer than its question is told in an event alone', () => {
  const bed = new IkeBed();
  const b = bed.host(server);
  const question = new ScriptedInitiator(suite, 'secret').first(phase1Offers.apple, []).subarray(0, 28);
  question[18] = 4;
  question.writeUInt32BE(28, 24);
  bed.inject(b, question, { address: '198.51.100.7', port: 500 });
  assert.equal(b.one('refused').code, 'aggressive-mode');
  assert.equal(bed.sent.length, 0);
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
