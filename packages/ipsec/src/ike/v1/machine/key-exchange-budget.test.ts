import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { type Host, IkeBed } from '../../../../test/ike-bed.ts';
import { phase1Offers, windowsPeer } from '../../../../test/peers.ts';
import { ScriptedInitiator } from '../../../../test/scripted-initiator.ts';
import { defaultLimits } from './face.ts';
import { KeyExchangeBudget } from './key-exchange-budget.ts';

const key = { presharedKey: () => Buffer.from('secret') };
const server = { ...key, address: '192.0.2.1' };
const suite = { hash: 'sha1', keyBytes: 32, group: 'secp384r1' } as const;
/** Of P-384, which it offers. */
const COST = 2;

/** Takes no round trip more than it must. True: it was given a key exchange. */
function begin(bed: IkeBed, b: Host, from: { address: string; port: number }): ScriptedInitiator | undefined {
  const peer = new ScriptedInitiator(suite, 'secret');
  bed.inject(b, peer.first(phase1Offers.windows, windowsPeer.vendorIds), from);
  peer.takeSecond(bed.sent.at(-1)?.datagram ?? Buffer.alloc(0));
  const before = bed.sent.length;
  bed.inject(b, peer.third(20, { own: '10.0.0.2', ownPort: 500, server: server.address }), from);
  return bed.sent.length > before ? peer : undefined;
}

/** Ciphertext of nobody's key. */
function garbage({ cookie, responderCookie }: ScriptedInitiator, n: number): Buffer {
  const body = Buffer.alloc(32, n);
  return Buffer.concat([cookie, responderCookie, Buffer.from('05100201000000000000003c', 'hex'), body]);
}

test('one address whose negotiations all fail has so many key exchanges a second, and others get in beside it', () => {
  const bed = new IkeBed();
  const limits = { exchangeBurstPerSource: 20, exchangesPerSecondPerSource: 4, halfOpenPerSource: 256 };
  const b = bed.host({ ...server, limits });
  const from = { address: '198.51.100.7', port: 500 };
  let exchanges = 0;
  for (let second = 0; second < 10; second++) {
    for (let n = 0; n < 40; n++) {
      const peer = begin(bed, b, from);
      if (peer === undefined) continue;
      exchanges++;
      for (let g = 0; g < 8; g++) bed.inject(b, garbage(peer, g), from);
    }
    bed.run(1000);
  }
  assert.equal(exchanges, (20 + 9 * 4) / COST);
  assert.equal(b.endpoint.stats.tooMany, 400 - exchanges);
  const a = bed.host({ ...key, address: '198.51.100.8' });
  bed.connect(a, b);
  assert.ok(
    bed.until(() => b.of('child-ready').length > 0, 900),
    'without a message sent twice',
  );
});

test('a negotiation that fails keeps its place, and costs nothing more', () => {
  const bed = new IkeBed();
  const b = bed.host({ ...server, limits: { halfOpenPerSource: 5 } });
  const from = { address: '198.51.100.7', port: 500 };
  let exchanges = 0;
  for (let n = 0; n < 20; n++) {
    const peer = begin(bed, b, from);
    if (peer === undefined) continue;
    exchanges++;
    for (let g = 0; g < 50; g++) bed.inject(b, garbage(peer, g), from);
  }
  assert.equal(exchanges, 5);
  assert.equal(b.endpoint.sizes.ikeSas, 5);
  assert.equal(b.endpoint.stats.unauthenticated, 5 * 8, 'no more of them were looked at');
  bed.run(31_000);
  assert.equal(b.endpoint.sizes.ikeSas, 0);
  assert.ok(b.of('closed').every(({ code }) => code === 'wrong-key'));
});

test('an office behind one NAT comes back at once after our restart', () => {
  const bed = new IkeBed();
  const b = bed.host({ ...server, limits: { halfOpenPerSource: 256 } });
  const clients = Array.from({ length: 50 }, (_, n) =>
    bed.host({ ...key, address: `10.0.0.${n + 1}`, nat: '203.0.113.1' }),
  );
  for (const a of clients) bed.connect(a, b);
  assert.ok(bed.until(() => b.of('child-ready').length === clients.length, 3000));
  assert.equal(b.endpoint.stats.tooMany, 0);
});

test('an office of the most costly group has as many key exchanges at once', () => {
  const budget = new KeyExchangeBudget(defaultLimits);
  const now = 0 as Instant;
  let taken = 0;
  for (; budget.allows('203.0.113.1', 'modp4096', now); taken++) budget.take('203.0.113.1', 'modp4096', now);
  assert.equal(taken, 62);
  assert.ok(budget.allows('203.0.113.1', 'modp4096', (now + 80) as Instant));
});

test('the addresses of one network of IPv6 are one source', () => {
  const budget = new KeyExchangeBudget({ ...defaultLimits, exchangeBurstPerSource: 4 });
  const now = 0 as Instant;
  budget.take('2001:db8:1::1', 'modp4096', now);
  assert.ok(!budget.allows('2001:db8:1::2', 'modp2048', now));
  assert.ok(budget.allows('2001:db8:2::1', 'modp2048', now));
});

test('sources that come again and again leave half of what all have to those that do not', () => {
  const budget = new KeyExchangeBudget({ ...defaultLimits, exchangeBurst: 100, exchangesPerSecond: 10 });
  const sources = Array.from({ length: 30 }, (_, n) => `203.0.113.${n}`);
  let now = 0 as Instant;
  const takeAll = (address: string) => {
    let taken = 0;
    for (; budget.allows(address, 'modp2048', now); taken++) budget.take(address, 'modp2048', now);
    return taken;
  };
  for (const source of sources) takeAll(source);
  assert.equal(takeAll('198.51.100.1'), 1, 'a newcomer has one');
  for (let second = 0; second < 60; second++) {
    now = (now + 100) as Instant;
    for (const source of sources) takeAll(source);
    assert.ok(budget.allows(`198.51.100.${100 + second}`, 'modp2048', now), `at ${now} ms`);
    budget.take(`198.51.100.${100 + second}`, 'modp2048', now);
  }
});

test('what is remembered of sources is bounded by what all of them may take', () => {
  const budget = new KeyExchangeBudget(defaultLimits);
  let most = 0;
  for (let n = 0; n < 200_000; n++) {
    const now = n as Instant;
    const address = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    if (budget.allows(address, 'modp2048', now)) budget.take(address, 'modp2048', now);
    most = Math.max(most, budget.size);
  }
  assert.ok(most <= 2000 + 500 * 60, `${most}`);
});
