/** When a session has addresses that are of use, and when it has none of a version. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, hex } from '../test/hex.ts';
import { mppe128, Pair } from '../test/pair.ts';
import { encodeAdvertisement, linkLocal } from './router/message.ts';

test('a client is not up with a link-local address alone while IPCP goes on', () => {
  const pair = new Pair();
  const until = pair.link.now + 10_000;
  const isIpcp = (frame: Uint8Array) => hex(frame).startsWith('ff038021');
  for (const end of [pair.client, pair.server]) {
    const handle = end.handleDatagram.bind(end);
    end.handleDatagram = (frame, path, now) => {
      if (!isIpcp(frame) || now >= until) handle(frame, path, now);
    };
  }
  pair.open().run();
  const [first] = pair.events(0, 'up');
  assert.equal(first?.terms.ipv4?.local, '10.99.0.7');
  assert.ok(pair.clientTerms?.ipv6?.global);
  assert.deepEqual(pair.reasons(), [undefined, undefined]);
});

test('a link whose packets are too small for IPv6 has none, and says so', () => {
  for (const [mru, mppe, has] of [
    [1_284, mppe128, true],
    [1_283, mppe128, false],
    [1_280, undefined, true],
    [1_279, undefined, false],
  ] as const) {
    const pair = new Pair({ mru, mppe }, { mru, mppe }).open().run();
    assert.equal(pair.clientTerms?.ipv4?.local, '10.99.0.7');
    assert.equal(pair.clientTerms.ipv6 !== undefined, has, `MRU ${mru}`);
    assert.equal(pair.serverTerms?.ipv6 !== undefined, has, `MRU ${mru}`);
    for (const side of [0, 1] as const) {
      const notes = pair.events(side, 'note').filter(({ message }) => /no IPv6/.test(message));
      assert.equal(notes.length, has ? 0 : 1);
    }
  }
});

test('a link is told, once, that the router took its IPv6 prefix back, and that it gives it again', () => {
  const pair = new Pair().open().run();
  assert.ok(pair.clientTerms?.ipv6?.global);
  const before = pair.events(0, 'changed').length;
  const tell = (valid: number) => {
    const prefix = bytes('fd00009900000007 0000000000000000');
    const advertisement = {
      lifetime: 1_800,
      prefixes: [{ prefix, bits: 64, valid, preferred: valid, autonomous: true }],
      mtu: undefined,
      nameServers: [],
    };
    const packet = encodeAdvertisement(linkLocal(bytes('0000000000000001')), advertisement);
    pair.client.session.handlePacket(packet, pair.link.now);
    pair.run(1);
  };
  for (const valid of [0, 0, 7_200, 7_200]) tell(valid);
  const told = pair.events(0, 'changed').slice(before);
  assert.deepEqual(
    told.map(({ terms }) => terms.ipv6?.global?.address.startsWith('fd00:99:0:7:')),
    [undefined, true],
  );
});
