import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PkiError } from './errors.ts';
import { open, seal } from './seal.ts';

const secret = Uint8Array.from({ length: 48 }, (_, i) => i);

test('a sealed secret opens with its passphrase, and no seal is like another', async () => {
  const [one, two] = await Promise.all([seal(secret, 'grün ist die Hoffnung'), seal(secret, 'grün ist die Hoffnung')]);
  assert.notEqual(one, two);
  assert.deepEqual(await open(one, 'grün ist die Hoffnung'), secret);
  assert.deepEqual(
    await open(two, 'gru\u0308n ist die Hoffnung'),
    secret,
    'whatever form the keyboard gives the umlaut',
  );
  assert.ok(!one.includes(Buffer.from(secret).toString('base64').slice(0, 12)));
});

test('a wrong passphrase and a changed seal do not open', async () => {
  const sealed = await seal(secret, 'right');
  await assert.rejects(open(sealed, 'wrong'), (error: PkiError) => error.code === 'CULVERT_PKI_PASSPHRASE');
  const fields = JSON.parse(sealed) as Record<string, string | number>;
  for (const name of ['salt', 'nonce', 'box']) {
    const bytes = Buffer.from(String(fields[name]), 'base64');
    bytes[3] = (bytes[3] ?? 0) ^ 1;
    const changed = JSON.stringify({ ...fields, [name]: bytes.toString('base64') });
    await assert.rejects(open(changed, 'right'), (error: PkiError) => error.code === 'CULVERT_PKI_PASSPHRASE', name);
  }
  const cheaper = JSON.stringify({ ...fields, passes: 2 });
  await assert.rejects(open(cheaper, 'right'), (error: PkiError) => error.code === 'CULVERT_PKI_PASSPHRASE');
});

test('a seal that would cost too much, or is none, is refused at once', async () => {
  const fields = JSON.parse(await seal(secret, 'x')) as object;
  const bad = [
    { memory: 1 << 30 },
    { memory: 8 },
    { passes: 1000 },
    { lanes: 0 },
    { lanes: 1.5 },
    { salt: 'AAAA' },
    { nonce: '' },
    { box: 'AAAA' },
    { v: 2 },
    { kdf: 'md5' },
  ];
  for (const change of bad) {
    const isFormat = (error: PkiError) => error.code === 'CULVERT_PKI_FORMAT';
    await assert.rejects(open(JSON.stringify({ ...fields, ...change }), 'x'), isFormat, JSON.stringify(change));
  }
  for (const text of ['', 'null', '[]', '{"v":1}', '-----BEGIN PRIVATE KEY-----'])
    await assert.rejects(open(text, 'x'), PkiError);
});
