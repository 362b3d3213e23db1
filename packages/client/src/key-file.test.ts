import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientWrap } from './key-file.ts';

const key = Uint8Array.from({ length: 256 }, (_, i) => i);
const hex = Buffer.from(key)
  .toString('hex')
  .replaceAll(/(.{32})/g, '$1\n');
const staticKey = `#\n# 2048 bit OpenVPN static key\n#\n-----BEGIN OpenVPN Static key V1-----\n${hex}-----END OpenVPN Static key V1-----\n`;

function v2(bytes: number): string {
  const body = Buffer.alloc(bytes, 7)
    .toString('base64')
    .replaceAll(/(.{64})/g, '$1\n');
  return `-----BEGIN OpenVPN tls-crypt-v2 client key-----\n${body}\n-----END OpenVPN tls-crypt-v2 client key-----\n`;
}

const inline = (text: string) => ({ kind: 'inline', text }) as const;

test('a static key is its 256 bytes', () => {
  assert.deepEqual(clientWrap({ kind: 'tls-crypt', key: inline(staticKey) }), { kind: 'tls-crypt', key });
});

test('a tls-crypt-v2 client key is the key and what wraps it for the server', () => {
  const wrap = clientWrap({ kind: 'tls-crypt-v2', key: inline(v2(600)) });
  assert.equal(wrap.kind === 'tls-crypt-v2' && wrap.clientKey.length, 256);
  assert.equal(wrap.kind === 'tls-crypt-v2' && wrap.wrapped.length, 344);
});

test('files that are no such key are told apart', () => {
  for (const [kind, text] of [
    ['tls-crypt', v2(600)],
    ['tls-crypt', staticKey.replace('00', 'xx')],
    ['tls-crypt', staticKey.replace(/^.{32}$/m, '')],
    ['tls-crypt-v2', staticKey],
    ['tls-crypt-v2', v2(300)],
    ['tls-crypt-v2', v2(3_000)],
  ] as const) {
    assert.throws(() => clientWrap({ kind, key: inline(text) }), { code: 'CULVERT_CLIENT_PROFILE' });
  }
});
