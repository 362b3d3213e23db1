import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CaDirectory } from './ca-directory.ts';
import { parseCrl } from './crl.ts';

test('a CRL that OpenSSL made is read, serials without leading zeros', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cv-pki-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe', encoding: 'utf8' });
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    'k',
    '-out',
    'c',
    '-subj',
    '/CN=Foreign',
  );
  const line = (serial: string) => `R\t301231235959Z\t260101000000Z\t${serial}\tunknown\t/CN=x\n`;
  writeFileSync(join(folder, 'index'), line('0A') + line('00FF01') + line('01'));
  writeFileSync(join(folder, 'conf'), '[ca]\ndefault_ca=d\n[d]\ndatabase=index\ndefault_md=sha256\n');
  const pem = openssl('ca', '-config', 'conf', '-gencrl', '-keyfile', 'k', '-cert', 'c', '-crldays', '7');
  const { issuer, serials, thisUpdate, nextUpdate } = parseCrl(`some text before\n${pem}`);
  assert.equal(issuer, 'CN=Foreign');
  assert.deepEqual(serials, new Set(['a', 'ff01', '1']));
  assert.equal(Number(nextUpdate) - thisUpdate, 7 * 86_400_000);
});

test('what is no CRL is refused', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cv-pki-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const ca = await CaDirectory.create(join(folder, 'ca'), {
    name: 'A',
    passphrase: undefined,
    tlsCryptV2ServerKey: 'a key file',
    clock: { unixMillis: () => Date.now() },
  });
  const { crl, certificate } = ca.authority;
  ca.close();
  const cut = crl.split('\n').toSpliced(3, 1).join('\n');
  for (const bad of [
    '',
    'x',
    certificate,
    cut,
    crl.replaceAll('X509 CRL', 'CERTIFICATE'),
    '-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n',
  ]) {
    assert.throws(() => parseCrl(bad), { code: 'CULVERT_PKI_FORMAT' });
  }
});
