import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import fc from 'fast-check';
import { prf } from '../test/vectors.ts';
import { OpenvpnError } from './errors.ts';
import { deriveByPrf, directionKey, tls1Prf } from './key-derivation.ts';
import { checkKeyMethodLength, createKeySource, decodeKeyMethod2, encodeKeyMethod2 } from './key-method-2.ts';
import { encodeText } from './text.ts';

const text = fc.option(fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme-ascii' }), { nil: undefined });

test('a key method 2 message is read as it was written, by either role', () => {
  const random = seededRandom(1);
  const message = fc.record({
    options: fc.string({ unit: 'grapheme-ascii', maxLength: 80, minLength: 1 }),
    username: text,
    password: text,
    peerInfo: text,
  });
  fc.assert(
    fc.property(fc.constantFrom('client' as const, 'server' as const), message, (role, fields) => {
      const source = createKeySource(random, role);
      const decoded = decodeKeyMethod2(encodeKeyMethod2({ ...fields, source }), role);
      assert.deepEqual(decoded, { ...fields, source });
    }),
  );
});

test('trailing strings may be missing, as 2.x servers leave them out', () => {
  const source = createKeySource(seededRandom(1), 'server');
  const whole = encodeKeyMethod2({
    source,
    options: 'V4',
    username: undefined,
    password: undefined,
    peerInfo: undefined,
  });
  for (const cut of [0, 2, 4, 6]) {
    assert.equal(decodeKeyMethod2(whole.subarray(0, whole.length - cut), 'server').options, 'V4');
  }
});

test('a message that breaks off, has another method or endless strings is refused', () => {
  const source = createKeySource(seededRandom(1), 'client');
  const whole = encodeKeyMethod2({ source, options: 'V4', username: 'a', password: 'b', peerInfo: 'c' });
  assert.throws(() => decodeKeyMethod2(whole.subarray(0, 100), 'client'), /ends before/);
  const otherMethod = whole.slice();
  otherMethod[4] = 1;
  assert.throws(() => decodeKeyMethod2(otherMethod, 'client'), OpenvpnError);
  const long = Uint8Array.of(...whole.subarray(0, 5 + 48 + 64), 0xff, 0xff);
  assert.throws(() => decodeKeyMethod2(long, 'client'), /options has 65535 bytes/);
});

test('a login too long for peers is refused before it is sent', () => {
  const fields = { options: 'V4', username: 'alice', peerInfo: undefined };
  checkKeyMethodLength({ ...fields, password: 'x'.repeat(1_800) });
  assert.throws(() => checkKeyMethodLength({ ...fields, password: 'x'.repeat(2_000) }), RangeError);
});

test("the PRF of TLS 1.0 gives what openvpn's test expects", () => {
  assert.deepEqual(tls1Prf(encodeText(prf.secret), encodeText(prf.seed), 32), prf.output);
});

test('both ends derive the same keys by the PRF, and others for another session', () => {
  const random = seededRandom(1);
  const client = createKeySource(random, 'client');
  const server = createKeySource(random, 'server');
  const sessions = { clientSession: random.bytes(8), serverSession: random.bytes(8) };
  const key2 = deriveByPrf({ client, server, ...sessions });
  assert.equal(key2.length, 256);
  assert.deepEqual(deriveByPrf({ client, server, ...sessions }), key2);
  assert.notDeepEqual(deriveByPrf({ client, server, ...sessions, serverSession: random.bytes(8) }), key2);
});

test('each direction and cipher takes its part of the keys', () => {
  const key2 = Uint8Array.from({ length: 256 }, (_, i) => i);
  assert.deepEqual(directionKey(key2, 'client', 'AES-128-GCM'), {
    key: key2.slice(0, 16),
    implicitIv: key2.slice(64, 72),
  });
  assert.deepEqual(directionKey(key2, 'server', 'CHACHA20-POLY1305'), {
    key: key2.slice(128, 160),
    implicitIv: key2.slice(192, 200),
  });
});
