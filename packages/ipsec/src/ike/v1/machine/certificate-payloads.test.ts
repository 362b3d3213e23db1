/** Chains as peers show them: by one CERT payload each, or as PKCS#7 by the openssl program. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { WireError } from '@culvert/wire';
import { subjectOf } from '../../certificate-names.ts';
import { certificatesOfPkcs7 } from '../../pkcs7.ts';
import { type Identification, IdentityType } from '../identification.ts';
import { type Payload, PayloadType } from '../payload.ts';
import { readCertificates } from './certificates.ts';

const folder = mkdtempSync(join(tmpdir(), 'culvert-chain-'));
after(() => rmSync(folder, { recursive: true }));
const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });

function issue(name: string, from?: string): Uint8Array {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`];
  const by = from === undefined ? [] : ['-CA', `${from}.crt`, '-CAkey', `${from}.key`];
  openssl('req', '-x509', ...key, ...by, '-subj', `/CN=${name}`, '-out', `${name}.crt`);
  return new Uint8Array(openssl('x509', '-in', `${name}.crt`, '-outform', 'DER'));
}

const root = issue('root');
const middle = issue('middle', 'root');
const leaf = issue('leaf', 'middle');

function pkcs7(names: readonly string[], ...more: readonly string[]): Uint8Array {
  writeFileSync(
    join(folder, 'all.pem'),
    names.map((name) => readFileSync(join(folder, `${name}.crt`), 'utf8')).join(''),
  );
  const from = names.length === 0 ? [] : ['-certfile', 'all.pem'];
  return new Uint8Array(openssl('crl2pkcs7', '-nocrl', ...from, '-outform', 'DER', ...more));
}

const shown = (encoding: number, bytes: Uint8Array): Payload => ({
  type: PayloadType.certificate,
  body: Uint8Array.of(encoding, ...bytes),
});
const x509 = (bytes: Uint8Array) => shown(4, bytes);
const named = (type: number, data: Uint8Array): Identification => ({ type, protocol: 0, port: 0, data });
const byAddress = named(IdentityType.ipv4Address, Uint8Array.of(192, 0, 2, 1));
const bySubject = named(IdentityType.derDistinguishedName, subjectOf(leaf));

for (const [how, identity] of [
  ['an address', byAddress],
  ['its subject', bySubject],
] as const) {
  test(`a chain in PKCS#7 is read in any order, by whoever calls itself ${how}`, () => {
    for (const names of [
      ['leaf', 'middle', 'root'],
      ['root', 'middle', 'leaf'],
      ['middle', 'leaf'],
    ]) {
      const chain = readCertificates([shown(1, pkcs7(names))], identity);
      assert.ok(typeof chain !== 'string', String(chain));
      assert.deepEqual(chain[0], leaf);
      assert.equal(chain.length, names.length);
      assert.ok(chain.some((each) => Buffer.compare(each, middle) === 0));
    }
    assert.deepEqual(readCertificates([x509(middle), x509(leaf), shown(1, pkcs7(['root']))], identity), [
      leaf,
      middle,
      root,
    ]);
    assert.deepEqual(readCertificates([x509(leaf)], identity), [leaf]);
  });
}

test('a payload that is no certificate stays in its place, for who verifies to refuse', () => {
  const nonsense = Uint8Array.of(0x30, 0x80, 1);
  assert.deepEqual(readCertificates([x509(nonsense)], bySubject), [nonsense]);
  assert.deepEqual(readCertificates([x509(nonsense), x509(leaf)], byAddress), [leaf, nonsense]);
});

test('what cannot be read is told as what it is', () => {
  assert.equal(readCertificates([], byAddress), 'the peer showed no certificate');
  assert.equal(
    readCertificates([shown(12, leaf), shown(7, leaf)], byAddress),
    'the peer showed a certificate in an encoding that is not read here (12, 7): X.509 (4) and PKCS#7 (1) are',
  );
  assert.match(
    String(readCertificates([shown(1, leaf)], byAddress)),
    /^the peer showed certificates as PKCS#7 that cannot be read/,
  );
  assert.match(String(readCertificates([shown(1, pkcs7([]))], byAddress)), /PKCS#7 without certificates/);
  const nine = 'the peer showed more than 8 certificates';
  assert.equal(readCertificates(Array(9).fill(x509(leaf)), byAddress), nine);
  assert.equal(readCertificates([x509(leaf), shown(1, pkcs7(Array(8).fill('leaf')))], byAddress), nine);
  assert.match(String(readCertificates([shown(1, pkcs7(Array(9).fill('leaf')))], byAddress)), /too many certificates/);
});

test('PKCS#7 that is cut, damaged or in the open lengths of BER harms nothing', () => {
  const whole = pkcs7(['leaf', 'middle']);
  for (let length = 0; length < whole.length; length++)
    assert.throws(() => certificatesOfPkcs7(whole.subarray(0, length), 8), WireError, `${length}`);
  for (let at = 0; at < 64; at++) {
    for (const value of [0, 0x30, 0x80, 0x84, 0xa0, 0xff]) {
      const damaged = Uint8Array.from(whole);
      damaged[at] = value;
      try {
        for (const each of certificatesOfPkcs7(damaged, 8)) assert.ok(each.length <= whole.length);
      } catch (error) {
        assert.ok(error instanceof WireError, `byte ${at}`);
      }
    }
  }
});
