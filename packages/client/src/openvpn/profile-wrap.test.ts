import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeTlsCryptV2ClientKey, printTlsCryptV2ClientKey } from '@culvert/config';
import { seededRandom } from '@culvert/testkit';
import { clientWrap } from './profile-wrap.ts';

const inline = (text: string) => ({ kind: 'inline', text }) as const;
const staticKey = `-----BEGIN OpenVPN Static key V1-----\n${'07'.repeat(256)}\n-----END OpenVPN Static key V1-----\n`;

test('the keys of a profile protect the control channel', () => {
  const client = makeTlsCryptV2ClientKey(new Uint8Array(128), Uint8Array.of(0), seededRandom(1));
  assert.deepEqual(clientWrap({ kind: 'none' }), { kind: 'none' });
  assert.deepEqual(clientWrap({ kind: 'tls-crypt', key: inline(staticKey) }), {
    kind: 'tls-crypt',
    key: new Uint8Array(256).fill(7),
  });
  assert.deepEqual(clientWrap({ kind: 'tls-crypt-v2', key: inline(printTlsCryptV2ClientKey(client)) }), {
    kind: 'tls-crypt-v2',
    ...client,
  });
});

test('what is no such key is a mistake in the profile', () => {
  for (const kind of ['tls-crypt', 'tls-crypt-v2'] as const) {
    assert.throws(() => clientWrap({ kind, key: inline('nonsense') }), {
      code: 'CULVERT_CONFIG_KEY_FILE',
      exitCode: 3,
    });
    assert.throws(() => clientWrap({ kind, key: { kind: 'file', path: 'ta.key' } }), /ta\.key was not read/);
  }
});
