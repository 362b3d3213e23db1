import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  makeTlsCryptV2ClientKey,
  makeTlsCryptV2ServerKey,
  parseTlsCryptV2ClientKey,
  parseTlsCryptV2ServerKey,
} from '@culvert/config';
import { seededRandom } from '@culvert/testkit';
import { clientKeyFile, serverKeyFile } from '../../test/vectors.ts';
import { unwrapClientKey } from './wrapped-key.ts';

const random = seededRandom(2);

test("openvpn's own wrapped key is opened, and is what we make of the same key and metadata", () => {
  const serverKey = parseTlsCryptV2ServerKey(serverKeyFile);
  const { clientKey, wrapped } = parseTlsCryptV2ClientKey(clientKeyFile);
  const metadata = Uint8Array.of(0x00, 0x00, 0x41, 0x08, 0x20, 0xc3);
  assert.deepEqual(unwrapClientKey(serverKey, wrapped), { clientKey, metadata: { type: 0, bytes: metadata } });
  const ours = makeTlsCryptV2ClientKey(serverKey, Uint8Array.of(0, ...metadata), { bytes: () => clientKey });
  assert.deepEqual(ours.wrapped, wrapped);
});

test('a key wrapped by another server, changed in any byte, cut short or prolonged is not unwrapped', () => {
  const serverKey = makeTlsCryptV2ServerKey(random);
  const { wrapped } = makeTlsCryptV2ClientKey(serverKey, Uint8Array.of(0), random);
  assert.equal(unwrapClientKey(makeTlsCryptV2ServerKey(random), wrapped), undefined);
  for (let at = 0; at < wrapped.length; at++) {
    const changed = wrapped.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.equal(unwrapClientKey(serverKey, changed), undefined, `byte ${at}`);
    assert.equal(unwrapClientKey(serverKey, wrapped.subarray(0, at)), undefined, `${at} bytes`);
  }
  assert.equal(unwrapClientKey(serverKey, Uint8Array.of(...wrapped, 0)), undefined);
});

test('metadata of every length that fits comes back', () => {
  const serverKey = makeTlsCryptV2ServerKey(random);
  for (const length of [1, 2, 9, 733, 734]) {
    const metadata = random.bytes(length);
    const { clientKey, wrapped } = makeTlsCryptV2ClientKey(serverKey, metadata, random);
    const unwrapped = { clientKey, metadata: { type: metadata[0], bytes: metadata.slice(1) } };
    assert.deepEqual(unwrapClientKey(serverKey, wrapped), unwrapped);
  }
});
