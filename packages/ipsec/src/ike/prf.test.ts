import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digest, expand, hashBytes, type IkeHash, prf } from './prf.ts';

const text = (value: string) => new TextEncoder().encode(value);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** RFC 2202, section 3, case 2, and RFC 4231, section 4.3: key "Jefe", data "what do ya want for nothing?". */
const jefe: Readonly<Record<IkeHash, string>> = {
  sha1: 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79',
  'sha2-256': '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  'sha2-384': 'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
  'sha2-512':
    '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
};

for (const [hash, expected] of Object.entries(jefe) as [IkeHash, string][]) {
  test(`prf with ${hash}: the vector of its RFC, in parts or whole`, () => {
    assert.equal(hex(prf(hash, text('Jefe'), text('what do ya '), text('want for nothing?'))), expected);
    assert.equal(hashBytes(hash), expected.length / 2);
    assert.equal(digest(hash).length, hashBytes(hash));
  });
}

test('prf with SHA-1: RFC 2202, case 6, with a key longer than a block', () => {
  const data = text('Test Using Larger Than Block-Size Key - Hash Key First');
  assert.equal(hex(prf('sha1', new Uint8Array(80).fill(0xaa), data)), 'aa4ae5e15272d00e95705637ce8a3b55ed402112');
});

test('expansion chains each block into the next and cuts the last', () => {
  const [key, seed] = [text('key'), text('seed')];
  const k1 = prf('sha1', key, seed);
  const k2 = prf('sha1', key, k1, seed);
  assert.equal(hex(expand('sha1', key, [seed], 50)).slice(0, 80), hex(k1) + hex(k2));
  for (const length of [0, 1, 20, 21]) {
    assert.deepEqual(expand('sha1', key, [seed], length), expand('sha1', key, [seed], 50).slice(0, length));
  }
});
