/** When a session has addresses that are of use, and when it has none of a version. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '../test/hex.ts';
import { Pair } from '../test/pair.ts';

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
