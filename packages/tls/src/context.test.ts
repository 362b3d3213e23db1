import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { test } from 'node:test';
import { DAY, makeCertificate } from '../test/certificates.ts';
import { makeOffice } from '../test/wire.ts';
import { createTlsContext, type TlsContextOptions, type TlsError } from './index.ts';

const office = makeOffice();
const sealedKey = createPrivateKey(office.gateway.keyPem)
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hunter2' })
  .toString();
const brokenCertificate = office.gateway.pem.replace(/^MII/m, 'AII');

const mistakes: readonly (readonly [what: string, change: Partial<TlsContextOptions>, code: string])[] = [
  ['a CA file that is empty', { ca: '' }, 'CULVERT_TLS_CA'],
  ['a CA file that holds a key', { ca: office.ca.keyPem }, 'CULVERT_TLS_CA'],
  ['a CA file whose second certificate is broken', { ca: office.ca.pem + brokenCertificate }, 'CULVERT_TLS_CA'],
  ['a server without a certificate', { certificate: undefined }, 'CULVERT_TLS_CERTIFICATE'],
  ['a certificate that is no PEM', { certificate: 'hello' }, 'CULVERT_TLS_CERTIFICATE'],
  ['a broken certificate', { certificate: brokenCertificate }, 'CULVERT_TLS_CERTIFICATE'],
  ['a broken intermediate', { certificate: office.gateway.pem + brokenCertificate }, 'CULVERT_TLS_CERTIFICATE'],
  ['no key', { privateKey: undefined }, 'CULVERT_TLS_KEY'],
  ['a key that is none', { privateKey: office.gateway.pem }, 'CULVERT_TLS_KEY'],
  ['a key sealed with a passphrase', { privateKey: sealedKey }, 'CULVERT_TLS_KEY_ENCRYPTED'],
  ["another certificate's key", { privateKey: office.alice.keyPem }, 'CULVERT_TLS_KEY_MISMATCH'],
  ['a CRL that is none', { crl: office.ca.pem }, 'CULVERT_TLS_CRL'],
  ['an unknown group', { groups: 'P-256:nonsense' }, 'CULVERT_TLS_OPTION'],
  ['an unknown cipher', { ciphers: 'nonsense' }, 'CULVERT_TLS_OPTION'],
  ['an unknown cipher suite', { cipherSuites: 'nonsense' }, 'CULVERT_TLS_OPTION'],
  ['a smallest version above the largest', { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' }, 'CULVERT_TLS_OPTION'],
  ['an empty name', { name: { kind: 'prefix', value: '' } }, 'CULVERT_TLS_OPTION'],
];

for (const [what, change, code] of mistakes) {
  test(`the operator is told of ${what}`, () => {
    assert.throws(
      () => createTlsContext({ ...office.server, ...change }),
      (error: TlsError) => {
        assert.equal(error.code, code);
        assert.doesNotMatch(error.message, /hunter2|PRIVATE/);
        return true;
      },
    );
  });
}

test('text around the PEM blocks is no mistake', () => {
  const around = (pem: string) => `Certificate:\n  Data: version 3\n${pem}\n\nand a remark\n`;
  createTlsContext({ ...office.server, ca: around(office.ca.pem), certificate: around(office.gateway.pem) }).close();
});

test('a certificate of our own that has expired is warned of', () => {
  const notAfter = Date.now() - DAY;
  const old = makeCertificate({
    commonName: 'old',
    usages: ['serverAuth'],
    notBefore: notAfter - DAY,
    notAfter,
    issuer: office.ca,
  });
  const warnings: string[] = [];
  createTlsContext({
    ...office.server,
    certificate: old.pem,
    privateKey: old.keyPem,
    onWarning: (message) => warnings.push(message),
  });
  const day = new Date(notAfter).toISOString().slice(0, 10);
  assert.deepEqual(warnings, [`our own certificate expired on ${day} (CN=old)`]);
});
