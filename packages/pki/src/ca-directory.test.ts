import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { keyAlgorithms } from './algorithms.ts';
import type { CreateOptions } from './authority.ts';
import { CaDirectory } from './ca-directory.ts';
import { parseCrl } from './crl.ts';
import { PkiError } from './errors.ts';

const DAY = 86_400_000;

/** A calendar that stands still unless it is moved. */
class Calendar {
  now = Date.now();
  unixMillis(): number {
    return this.now;
  }
}

async function makeCa(t: TestContext, options: Partial<CreateOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'cv-pki-'));
  const clock = new Calendar();
  const path = join(folder, 'ca');
  const ca = await CaDirectory.create(path, {
    name: 'Test CA',
    passphrase: undefined,
    tlsCryptV2ServerKey: 'a key file',
    clock,
    ...options,
  });
  t.after(() => {
    ca.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { ca, path, folder, clock };
}

function isCode(code: string) {
  return (error: unknown) => error instanceof PkiError && error.code === code;
}

/** OpenSSL's verdict on a certificate as a peer of ours would ask for it. */
function verify(path: string, certificate: string, purpose: string): string {
  const file = join(path, 'leaf.pem');
  writeFileSync(file, certificate);
  const args = [
    'verify',
    '-x509_strict',
    '-purpose',
    purpose,
    '-crl_check',
    '-CAfile',
    join(path, 'ca.crt'),
    '-CRLfile',
    join(path, 'crl.pem'),
    file,
  ];
  const { stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  return /: OK$/m.test(stdout) ? 'OK' : (/lookup: (.*)/.exec(stderr)?.[1] ?? stderr);
}

for (const algorithm of keyAlgorithms) {
  test(`OpenSSL accepts the certificates and the CRL of an ${algorithm} CA, each for its role, and no revoked one`, async (t) => {
    const { ca, path } = await makeCa(t, { algorithm, organization: 'Example, Inc.' });
    const server = await ca.issue({ name: 'vpn.example.com', role: 'server', algorithm });
    const client = await ca.issue({ name: 'alice, "A" #1', role: 'client', algorithm });
    const gone = await ca.issue({ name: 'bob', role: 'client', algorithm });
    await ca.revoke('bob', 'keyCompromise');
    assert.equal(verify(path, server.certificate, 'sslserver'), 'OK');
    assert.equal(verify(path, client.certificate, 'sslclient'), 'OK');
    assert.equal(verify(path, server.certificate, 'sslclient'), 'unsuitable certificate purpose');
    assert.equal(verify(path, client.certificate, 'sslserver'), 'unsuitable certificate purpose');
    assert.equal(verify(path, gone.certificate, 'sslclient'), 'certificate revoked');
  });
}

test('a certificate carries its names, a positive random serial, and a beginning one hour ago', async (t) => {
  const { ca, clock } = await makeCa(t);
  const record = await ca.issue({
    name: 'vpn.example.com',
    role: 'server',
    subjectAltNames: ['192.0.2.1', '2001:db8::1', 'dns:gw.example.com'],
  });
  const certificate = new X509Certificate(record.certificate);
  assert.equal(certificate.subject, 'CN=vpn.example.com');
  assert.equal(
    certificate.subjectAltName,
    'DNS:vpn.example.com, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, DNS:gw.example.com',
  );
  assert.equal(certificate.serialNumber.toLowerCase(), record.serial);
  assert.match(record.serial, /^[4-7][0-9a-f]{31}$/);
  assert.ok(certificate.checkPrivateKey(createPrivateKey(ca.privateKey(record.serial))));
  const days = (record.notAfter - clock.now) / DAY;
  assert.ok(
    days > 729.9 &&
      days <= 730 &&
      record.notBefore <= clock.now - 3_500_000 &&
      record.notBefore >= ca.notAfter - 3651 * DAY,
  );
});

test('the key of a sealed CA opens with its passphrase alone, and changing it shuts the old one out', async (t) => {
  const { ca, path, clock } = await makeCa(t, { passphrase: 'first' });
  assert.ok(!readFileSync(join(path, 'ca.sqlite')).includes('PRIVATE KEY'), 'no key lies in the clear');
  ca.close();
  const again = CaDirectory.open(path, { clock });
  t.after(() => again.close());
  await assert.rejects(again.issue({ name: 'alice', role: 'client' }), isCode('CULVERT_PKI_LOCKED'));
  await assert.rejects(again.unlock(undefined), isCode('CULVERT_PKI_LOCKED'));
  await assert.rejects(again.unlock('second'), isCode('CULVERT_PKI_PASSPHRASE'));
  assert.deepEqual(again.list(), []);
  await assert.rejects(again.changePassphrase('second', 'third'), isCode('CULVERT_PKI_PASSPHRASE'));
  await again.changePassphrase('first', 'second');
  await assert.rejects(again.unlock('first'), isCode('CULVERT_PKI_PASSPHRASE'));
  await again.unlock('second');
  await again.issue({ name: 'alice', role: 'client' });
  await again.changePassphrase('second', undefined);
  await again.unlock(undefined);
});

test('revoking a name takes all its valid certificates, a serial only one, and the CRL says when and why', async (t) => {
  const { ca, path } = await makeCa(t);
  const one = await ca.issue({ name: 'alice', role: 'client' });
  const two = await ca.issue({ name: 'alice', role: 'client', another: true });
  const three = await ca.issue({ name: 'alice', role: 'client', another: true });
  assert.deepEqual(
    (await ca.revoke(two.serial.toUpperCase())).map((record) => record.serial),
    [two.serial],
  );
  assert.deepEqual(
    (await ca.revoke('alice', 'superseded')).map((record) => record.serial).sort(),
    [one.serial, three.serial].sort(),
  );
  await assert.rejects(ca.revoke('alice'), isCode('CULVERT_PKI_UNKNOWN'));
  await assert.rejects(ca.revoke('nobody'), isCode('CULVERT_PKI_UNKNOWN'));
  assert.deepEqual(
    parseCrl(readFileSync(join(path, 'crl.pem'), 'utf8')).serials,
    new Set([one.serial, two.serial, three.serial]),
  );
  const text = execFileSync('openssl', ['crl', '-in', join(path, 'crl.pem'), '-noout', '-text'], { encoding: 'utf8' });
  assert.equal(text.match(/Superseded/g)?.length, 2);
  assert.match(text, /CRL Number: *\n *3\n/);
});

test('a second certificate of a name must be asked for, or be a renewal', async (t) => {
  const { ca, clock } = await makeCa(t);
  const first = await ca.issue({ name: 'alice', role: 'client', days: 10 });
  await assert.rejects(ca.issue({ name: 'alice', role: 'client' }), isCode('CULVERT_PKI_TAKEN'));
  clock.now += 5 * DAY;
  const renewed = await ca.renew('alice');
  const publicKey = (pem: string) => new X509Certificate(pem).publicKey.export({ format: 'pem', type: 'spki' });
  assert.equal(publicKey(renewed.certificate), publicKey(first.certificate), 'the profile keeps its key');
  assert.equal(ca.privateKey(renewed.serial), ca.privateKey(first.serial));
  assert.equal(ca.find('alice').serial, renewed.serial);
  await ca.revoke('alice');
  await ca.issue({ name: 'alice', role: 'client' });
});

test('a server is called by a DNS name, an address, or a name that is neither', async (t) => {
  const { ca } = await makeCa(t);
  const san = async (name: string) =>
    new X509Certificate((await ca.issue({ name, role: 'server' })).certificate).subjectAltName;
  assert.equal(await san('192.0.2.1'), 'IP Address:192.0.2.1');
  assert.equal(await san('2001:db8::1'), 'IP Address:2001:DB8:0:0:0:0:0:1');
  assert.equal(await san('Office: main gateway'), undefined);
});

test('a renewed server keeps its names', async (t) => {
  const { ca } = await makeCa(t);
  const old = await ca.issue({ name: 'vpn.example.com', role: 'server', subjectAltNames: ['2001:db8::1'] });
  const renewed = await ca.renew(old.serial);
  assert.equal(
    new X509Certificate(renewed.certificate).subjectAltName,
    new X509Certificate(old.certificate).subjectAltName,
  );
});

test('no certificate outlives its CA, and a CA that ended issues none', async (t) => {
  const { ca, clock } = await makeCa(t, { days: 100 });
  assert.equal((await ca.issue({ name: 'a', role: 'client' })).notAfter, ca.notAfter);
  for (const days of [0, -1, 1.5, Number.NaN, 40_000])
    await assert.rejects(ca.issue({ name: 'b', role: 'client', days }), isCode('CULVERT_PKI_LIFETIME'));
  clock.now += 101 * DAY;
  await assert.rejects(ca.issue({ name: 'b', role: 'client' }), isCode('CULVERT_PKI_LIFETIME'));
});

test('years beyond 2049 are encoded as X.509 wants them', async (t) => {
  const { ca, path } = await makeCa(t, { days: 36_500 });
  const { certificate } = await ca.issue({ name: 'a', role: 'client', days: 30_000 });
  assert.equal(verify(path, certificate, 'sslclient'), 'OK');
});

test('a renewed CRL lists the same and lasts longer', async (t) => {
  const { ca, clock } = await makeCa(t, { crlDays: 30 });
  const { serial } = await ca.issue({ name: 'a', role: 'client' });
  await ca.revoke(serial);
  const before = parseCrl(ca.authority.crl);
  clock.now += 20 * DAY;
  const after = parseCrl(await ca.renewCrl());
  assert.deepEqual(after.serials, before.serials);
  assert.equal(Number(after.nextUpdate) - Number(before.nextUpdate), 20 * DAY);
});

test('a forgotten private key is gone from the file as well', async (t) => {
  const { ca, path } = await makeCa(t);
  const { serial } = await ca.issue({ name: 'alice', role: 'client' });
  const line = ca.privateKey(serial).split('\n')[1] ?? '';
  assert.ok(readFileSync(join(path, 'ca.sqlite')).includes(line.slice(40)));
  await ca.forgetPrivateKey(serial);
  assert.throws(() => ca.privateKey(serial), isCode('CULVERT_PKI_KEY_GONE'));
  assert.equal(ca.find('alice').hasPrivateKey, false);
  assert.ok(!readFileSync(join(path, 'ca.sqlite')).includes(line.slice(40)));
});

test('the files are for their owner, and a CA that others can read is refused', async (t) => {
  const { ca, path, clock } = await makeCa(t);
  const mode = (file: string) => (statSync(join(path, file)).mode & 0o777).toString(8);
  assert.deepEqual(['.', 'ca.sqlite', 'tls-crypt-v2-server.key', 'ca.crt', 'crl.pem'].map(mode), [
    '700',
    '600',
    '600',
    '644',
    '644',
  ]);
  ca.close();
  chmodSync(join(path, 'ca.sqlite'), 0o640);
  assert.throws(() => CaDirectory.open(path, { clock }), isCode('CULVERT_PKI_MODE'));
});

test('copies that are missing or stale are renewed when the CA is opened', async (t) => {
  const { ca, path, clock } = await makeCa(t);
  ca.close();
  rmSync(join(path, 'crl.pem'));
  writeFileSync(join(path, 'ca.crt'), 'old');
  const again = CaDirectory.open(path, { clock });
  assert.equal(readFileSync(join(path, 'crl.pem'), 'utf8'), again.authority.crl);
  assert.equal(readFileSync(join(path, 'ca.crt'), 'utf8'), again.authority.certificate);
  again.close();
  // A copy that cannot be written keeps nobody from using the CA.
  rmSync(join(path, 'ca.crt'));
  mkdirSync(join(path, 'ca.crt', 'in-the-way'), { recursive: true });
  const blocked = CaDirectory.open(path, { clock });
  assert.match(blocked.stale ?? '', /could not be written/);
  await blocked.unlock(undefined);
  const { serial } = await blocked.issue({ name: 'alice', role: 'client' });
  await assert.rejects(blocked.revoke(serial), isCode('CULVERT_PKI_PUBLISH'));
  blocked.close();
});

test('what is no CA is not taken for one, and one is not made over another', async (t) => {
  const { ca, path, folder, clock } = await makeCa(t);
  const options = { name: 'Other', passphrase: undefined, tlsCryptV2ServerKey: 'another', clock };
  await assert.rejects(CaDirectory.create(path, options), isCode('CULVERT_PKI_EXISTS'));
  await assert.rejects(CaDirectory.create(join(folder, 'x'), { ...options, name: 'a\nb' }), isCode('CULVERT_PKI_NAME'));
  await assert.rejects(
    CaDirectory.create(join(folder, 'x'), { ...options, passphrase: '' }),
    isCode('CULVERT_PKI_PASSPHRASE'),
  );
  assert.throws(() => CaDirectory.open(join(folder, 'none'), { clock }), isCode('CULVERT_PKI_MISSING'));
  ca.close();
  for (const content of ['', 'not a database at all, but long enough to look at'.repeat(50)]) {
    writeFileSync(join(path, 'ca.sqlite'), content);
    assert.throws(() => CaDirectory.open(path, { clock }), isCode('CULVERT_PKI_DAMAGED'));
  }
});

test('a damaged database is recognised when it is opened', async (t) => {
  const { ca, path, clock } = await makeCa(t);
  for (let n = 0; n < 20; n++) await ca.issue({ name: `user${n}`, role: 'client' });
  ca.close();
  const file = join(path, 'ca.sqlite');
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.subarray(0, bytes.length - 8192));
  assert.throws(() => CaDirectory.open(path, { clock }), isCode('CULVERT_PKI_DAMAGED'));
});
