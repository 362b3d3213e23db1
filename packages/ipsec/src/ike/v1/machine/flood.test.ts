import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flood, held } from '../../../../test/flood.ts';
import { IkeBed } from '../../../../test/ike-bed.ts';
import { phase1Offers, windowsPeer } from '../../../../test/peers.ts';
import { ScriptedInitiator } from '../../../../test/scripted-initiator.ts';

const key = { presharedKey: () => Buffer.from('secret') };
const server = { ...key, address: '192.0.2.1' };
const ROUND = 10_000;
const ROUNDS = 6;

test('under 50,000 invented first messages a second memory stays, an SA is served, and who is there gets in', () => {
  const bed = new IkeBed();
  const b = bed.host(server);
  const a = bed.host({ ...key, address: '198.51.100.2' });
  const ikeSa = bed.connect(a, b);
  assert.ok(bed.until(() => b.of('child-ready').length > 0, 10_000));
  flood(bed, b, 2 * ROUND, 1);
  const warm = held();
  for (let round = 0; round < ROUNDS; round++) {
    const side = (address: string) => ({ network: `${address}/32`, protocol: 17, port: 2000 + round });
    const [local, remote] = [side('198.51.100.2'), side(server.address)];
    a.endpoint.createChild(ikeSa, { mode: 'transport', local, remote }, bed.now);
    const newcomer = bed.host({ ...key, address: `203.0.113.${round + 1}` });
    bed.connect(newcomer, b);
    const { answers, bytesAnswered, bytesAsked } = flood(bed, b, ROUND, 2 + round);
    assert.equal(answers, ROUND);
    assert.ok(bytesAnswered < bytesAsked);
    assert.equal(newcomer.of('child-ready').length, 1, 'within 200 ms of a flood');
    assert.equal(a.of('child-ready').length, 2 + round);
  }
  assert.equal(b.endpoint.sizes.firstMessages, 16_384);
  assert.equal(b.endpoint.sizes.ikeSas, 1 + ROUNDS);
  const growth = held() - warm;
  assert.ok(growth < 16 * 1_048_576, `${growth} bytes more than when the table was full`);
  bed.run(31_000);
  assert.equal(b.endpoint.sizes.firstMessages, 0);
});

test('a first message that is longer than any peer’s is not read', () => {
  const bed = new IkeBed();
  const b = bed.host(server);
  const filler = Array.from({ length: 60 }, () => new Uint8Array(80));
  const peer = new ScriptedInitiator({ hash: 'sha1', keyBytes: 32, group: 'secp384r1' }, 'secret');
  const long = peer.first(phase1Offers.windows, [...windowsPeer.vendorIds, ...filler]);
  bed.inject(b, long, { address: '198.51.100.7', port: 500 });
  assert.equal(b.endpoint.sizes.firstMessages, 0);
  assert.equal(b.endpoint.stats.unknown, 1);
});

test('what is kept of a datagram does not lie in the memory that it came in', () => {
  const bed = new IkeBed();
  const b = bed.host(server);
  const peer = new ScriptedInitiator({ hash: 'sha1', keyBytes: 32, group: 'secp384r1' }, 'secret');
  const arena = Buffer.alloc(4096);
  const from = { address: '198.51.100.7', port: 500 };
  const send = (datagram: Uint8Array) => {
    arena.set(datagram);
    bed.inject(b, arena.subarray(0, datagram.length), from);
    arena.fill(0xee);
    return bed.sent.at(-1)?.datagram ?? Buffer.alloc(0);
  };
  peer.takeSecond(send(peer.first(phase1Offers.windows, windowsPeer.vendorIds)));
  peer.takeFourth(send(peer.third(20, { own: from.address, ownPort: 500, server: server.address })));
  peer.takeSixth(send(peer.fifth(Uint8Array.of(1, 0, 0, 0, 198, 51, 100, 7))));
  assert.equal(b.of('established').length, 1);
});
