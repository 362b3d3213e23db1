import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import fc from 'fast-check';
import { hex, prf } from '../test/vectors.ts';
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

test('keys by the PRF take both randoms, both seeds and both sessions in the order of openvpn', () => {
  // Computed by other code (Python hmac) from the formula in ssl.c generate_key_expansion_openvpn_prf; OpenVPN 2.6 agrees on the wire.
  const fill = (byte: number, length: number) => new Uint8Array(length).fill(byte);
  const key2 = deriveByPrf({
    client: { preMaster: Uint8Array.from({ length: 48 }, (_, i) => i), random1: fill(1, 32), random2: fill(2, 32) },
    server: { preMaster: undefined, random1: fill(3, 32), random2: fill(4, 32) },
    clientSession: fill(5, 8),
    serverSession: fill(6, 8),
  });
  assert.deepEqual(key2.slice(0, 32), hex('2bfd6f765b552bd590c8b6c56f120382661f74fbca84527f15e8f1170ee41bc3'));
  assert.deepEqual(key2.slice(-32), hex('1f8900d2f0c112797b1c9bb9bd04b92e71e22c4f1ee5e79d866068a01fe35e87'));
});
