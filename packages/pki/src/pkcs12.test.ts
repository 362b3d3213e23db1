import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { keyAlgorithms } from './algorithms.ts';
import { CaDirectory } from './ca-directory.ts';
import { PkiError } from './errors.ts';
import { makePkcs12, readPkcs12 } from './pkcs12.ts';

const clock = { unixMillis: () => Date.now() };

async function anIdentity(t: TestContext, algorithm: (typeof keyAlgorithms)[number]) {
  const path = mkdtempSync(join(tmpdir(), 'cv-pki-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  const ca = await CaDirectory.create(join(path, 'ca'), {
    name: 'P12 CA',
    passphrase: undefined,
    tlsCryptV2ServerKey: 'a key file',
    clock,
  });
  const { certificate, serial } = await ca.issue({ name: 'alice', role: 'client', algorithm });
  const identity = { certificate, privateKey: ca.privateKey(serial), ca: ca.authority.certificate };
  ca.close();
  return { path, identity };
}

for (const algorithm of keyAlgorithms) {
  for (const strength of ['modern', 'legacy'] as const) {
    test(`a ${strength} PKCS#12 file with an ${algorithm} key is read by us and by OpenSSL`, async (t) => {
      const { path, identity } = await anIdentity(t, algorithm);
      const der = makePkcs12({ ...identity, name: 'alice', password: 'pass word', strength });
      const expected = { privateKey: identity.privateKey, certificate: identity.certificate, others: [identity.ca] };
      assert.deepEqual(readPkcs12(der, 'pass word'), expected);

      writeFileSync(join(path, 'a.p12'), der);
      const args = [
        'pkcs12',
        '-in',
        join(path, 'a.p12'),
        '-passin',
        'pass:pass word',
        '-nodes',
        ...(strength === 'legacy' ? ['-legacy'] : []),
      ];
      const text = execFileSync('openssl', args, { encoding: 'utf8' });
      for (const pem of [identity.privateKey, identity.certificate, identity.ca]) assert.ok(text.includes(pem));
      assert.match(text, /friendlyName: alice/);
    });
  }
}

test('a PKCS#12 file that OpenSSL made is read', async (t) => {
  const { path, identity } = await anIdentity(t, 'ec-p256');
  writeFileSync(join(path, 'all.pem'), identity.privateKey + identity.certificate + identity.ca);
  for (const more of [[], ['-legacy']]) {
    execFileSync('openssl', [
      'pkcs12',
      '-export',
      '-in',
      join(path, 'all.pem'),
      '-out',
      join(path, 'o.p12'),
      '-passout',
      'pass:x',
      ...more,
    ]);
    const der = execFileSync('cat', [join(path, 'o.p12')]);
    assert.deepEqual(readPkcs12(der, 'x'), {
      privateKey: identity.privateKey,
      certificate: identity.certificate,
      others: [identity.ca],
    });
  }
});

test('a wrong password, a damaged file and a password beyond ASCII are refused', async (t) => {
  const { identity } = await anIdentity(t, 'ec-p256');
  const der = makePkcs12({ ...identity, name: 'alice', password: 'right' });
  assert.throws(
    () => readPkcs12(der, 'wrong'),
    (error: PkiError) => error.code === 'CULVERT_PKI_FORMAT',
  );
  assert.throws(() => readPkcs12(der.subarray(0, -40), 'right'), PkiError);
  assert.throws(() => readPkcs12(Buffer.alloc(100, 0x30), 'right'), PkiError);
  assert.throws(() => makePkcs12({ ...identity, name: 'alice', password: 'grün' }), RangeError);
});
