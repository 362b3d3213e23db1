import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import { clientKeyFile, serverKeyFile, staticKeyFile } from '../test/vectors.ts';
import { OpenvpnError } from './errors.ts';
import {
  formatStaticKey,
  formatTlsCryptV2ClientKey,
  formatTlsCryptV2ServerKey,
  makeStaticKey,
  makeTlsCryptV2ClientKey,
  makeTlsCryptV2ServerKey,
  parseStaticKey,
  parseTlsCryptV2ClientKey,
  parseTlsCryptV2ServerKey,
} from './static-key.ts';
import { unwrapClientKey } from './wrap/wrapped-key.ts';

test('key files of openvpn are read', () => {
  assert.equal(parseStaticKey(staticKeyFile)[0], 0x37);
  const serverKey = parseTlsCryptV2ServerKey(serverKeyFile);
  assert.deepEqual(
    serverKey,
    Uint8Array.from({ length: 128 }, (_, i) => i),
  );
  const { clientKey, wrapped } = parseTlsCryptV2ClientKey(clientKeyFile);
  assert.deepEqual(
    clientKey,
    Uint8Array.from({ length: 256 }, (_, i) => i),
  );
  const unwrapped = unwrapClientKey(serverKey, wrapped);
  assert.deepEqual(unwrapped?.clientKey, clientKey);
  assert.deepEqual(unwrapped?.metadata, { type: 0, bytes: Uint8Array.of(0x00, 0x00, 0x41, 0x08, 0x20, 0xc3) });
});

test('what is made is printed and read again', () => {
  const random = seededRandom(1);
  const key = makeStaticKey(random);
  assert.deepEqual(parseStaticKey(formatStaticKey(key)), key);
  const serverKey = makeTlsCryptV2ServerKey(random);
  assert.deepEqual(parseTlsCryptV2ServerKey(formatTlsCryptV2ServerKey(serverKey)), serverKey);
  const client = makeTlsCryptV2ClientKey(serverKey, { type: 1, bytes: new Uint8Array(8) }, random);
  assert.deepEqual(parseTlsCryptV2ClientKey(formatTlsCryptV2ClientKey(client)), client);
  assert.deepEqual(unwrapClientKey(serverKey, client.wrapped)?.metadata, { type: 1, bytes: new Uint8Array(8) });
});

test('a key wrapped by another server, or changed in any byte, is not unwrapped', () => {
  const random = seededRandom(2);
  const serverKey = makeTlsCryptV2ServerKey(random);
  const { wrapped } = makeTlsCryptV2ClientKey(serverKey, undefined, random);
  assert.equal(unwrapClientKey(makeTlsCryptV2ServerKey(random), wrapped), undefined);
  for (let at = 0; at < wrapped.length; at++) {
    const changed = wrapped.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.equal(unwrapClientKey(serverKey, changed), undefined, `byte ${at}`);
  }
});

test('files of the wrong kind, cut short or changed are named', () => {
  const fails = (parse: () => unknown, sentence: RegExp) =>
    assert.throws(parse, (error) => error instanceof OpenvpnError && sentence.test(error.message));
  fails(() => parseStaticKey(serverKeyFile), /there is no "-----BEGIN OpenVPN Static key V1-----"/);
  fails(() => parseStaticKey(staticKeyFile.replace('37268ea8', '')), /256 bytes of hexadecimal/);
  fails(() => parseTlsCryptV2ServerKey(serverKeyFile.replace('AAECAwQF', '')), /122 bytes/);
  fails(() => parseTlsCryptV2ClientKey(clientKeyFile.replace('BKQ==', 'BKA==')), /cut short or changed/);
  fails(() => parseTlsCryptV2ClientKey(clientKeyFile.replace('AAEC', '!!!!')), /not base64/);
  fails(() => parseStaticKey('x'.repeat(20_000)), /too long/);
});

test('metadata that does not fit is an error', () => {
  const random = seededRandom(3);
  const serverKey = makeTlsCryptV2ServerKey(random);
  const metadata = { type: 0, bytes: new Uint8Array(734) };
  assert.throws(() => makeTlsCryptV2ClientKey(serverKey, metadata, random), /at most 733 fit/);
});
