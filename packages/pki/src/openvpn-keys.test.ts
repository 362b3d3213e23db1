import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { PkiError } from './errors.ts';
import {
  generateStaticKey,
  generateTlsCryptV2ClientKey,
  generateTlsCryptV2ServerKey,
  parseStaticKey,
  parseTlsCryptV2ClientKey,
  parseTlsCryptV2ServerKey,
  printStaticKey,
  unwrapClientKey,
  wrapClientKey,
} from './openvpn-keys.ts';

test('a client key unwraps with the server key that wrapped it, and with no other', () => {
  const server = parseTlsCryptV2ServerKey(generateTlsCryptV2ServerKey());
  const client = parseTlsCryptV2ClientKey(generateTlsCryptV2ClientKey(server, 1_800_000_000));
  const { key, metadata } = unwrapClientKey(server, client.wrapped);
  assert.deepEqual(Buffer.from(key), Buffer.from(client.key));
  assert.equal(Buffer.from(metadata).toString('hex'), '01000000006b49d200', 'type 1, then the time');
  assert.throws(() => unwrapClientKey(randomBytes(128), client.wrapped), PkiError);
});

test('wrapping round-trips for every metadata that fits', () => {
  const server = randomBytes(128);
  const key = randomBytes(256);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 733 }), (metadata) => {
      const back = unwrapClientKey(server, wrapClientKey(server, key, metadata));
      assert.deepEqual([...back.metadata], [...metadata]);
    }),
    { numRuns: 50 },
  );
  assert.equal(wrapClientKey(server, key, new Uint8Array(734)).length, 1024);
  assert.throws(() => wrapClientKey(server, key, new Uint8Array(735)), RangeError);
});

test('a wrapped key with any byte changed, added or cut off is refused', () => {
  const server = randomBytes(128);
  const wrapped = wrapClientKey(server, randomBytes(256), Uint8Array.of(0));
  for (let at = 0; at < wrapped.length; at++) {
    const changed = Uint8Array.from(wrapped);
    changed[at] = (changed[at] ?? 0) ^ 0x80;
    assert.throws(() => unwrapClientKey(server, changed), PkiError, `byte ${at}`);
  }
  for (let length = 0; length < wrapped.length; length++)
    assert.throws(() => unwrapClientKey(server, wrapped.subarray(0, length)), PkiError);
  assert.throws(() => unwrapClientKey(server, Buffer.concat([wrapped, Uint8Array.of(0)])), PkiError);
});

test('static keys round-trip, and what is none is refused', () => {
  const text = generateStaticKey();
  assert.equal(printStaticKey(parseStaticKey(text)), text);
  assert.deepEqual(parseStaticKey(text.replaceAll('\n', '\r\n')), parseStaticKey(text));
  for (const bad of [
    '',
    text.replace('V1', 'V2'),
    text.replace(/\n[0-9a-f]{32}\n/, '\n'),
    generateTlsCryptV2ServerKey(),
  ]) {
    assert.throws(() => parseStaticKey(bad), PkiError);
  }
  assert.throws(() => parseTlsCryptV2ServerKey(text), PkiError);
  assert.throws(() => parseTlsCryptV2ClientKey(generateTlsCryptV2ServerKey()), PkiError);
});

test('OpenVPN makes client keys with our server key, and ours match its own in form', (t) => {
  if (spawnSync('openvpn', ['--version']).error !== undefined) {
    assert.ok(process.env['CI'] !== '1' && process.env['CULVERT_CI'] !== '1', 'openvpn is not installed');
    return t.skip('openvpn is not installed');
  }
  const folder = mkdtempSync(join(tmpdir(), 'cv-pki-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = (name: string) => join(folder, name);
  const read = (name: string) => readFileSync(path(name), 'utf8');

  const serverText = generateTlsCryptV2ServerKey();
  writeFileSync(path('server'), serverText);
  execFileSync('openvpn', ['--tls-crypt-v2', path('server'), '--genkey', 'tls-crypt-v2-client', path('client')]);
  const server = parseTlsCryptV2ServerKey(serverText);
  const theirs = parseTlsCryptV2ClientKey(read('client'));
  assert.deepEqual(Buffer.from(unwrapClientKey(server, theirs.wrapped).key), Buffer.from(theirs.key));
  assert.equal(
    generateTlsCryptV2ClientKey(server, 0).replace(/[^\n]/g, '').length,
    read('client').replace(/[^\n]/g, '').length,
  );

  execFileSync('openvpn', ['--genkey', 'tls-crypt-v2-server', path('other')]);
  assert.equal(parseTlsCryptV2ServerKey(read('other')).length, 128);
  execFileSync('openvpn', ['--genkey', 'secret', path('static')]);
  assert.equal(printStaticKey(parseStaticKey(read('static'))), read('static'));
  return undefined;
});
