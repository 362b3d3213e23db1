import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { NtHashes } from './nt-hashes.ts';

let folder: string;
let keyFile: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'culvert-nt-'));
  keyFile = join(folder, 'secret.key');
});
afterEach(() => rmSync(folder, { recursive: true }));

const own = (file: string) => ({ file, ours: true });

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));

/** RFC 2759, section 9.2: user "User", password "clientPass". */
const published = {
  kind: 'mschapv2',
  username: 'User',
  authenticatorChallenge: hex('5b5d7c7d7b3f2f3e3c2c602132262628'),
  peerChallenge: hex('21402324255e262a28295f2b3a337c7e'),
  ntResponse: hex('82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df'),
} as const;

test('a sealed hash checks the response that RFC 2759 prints, and nothing else does', () => {
  const hashes = new NtHashes(own(keyFile));
  const sealed = hashes.seal('User', 'clientPass');
  const material = hashes.verify('User', sealed, published);
  assert.ok(typeof material === 'object');
  assert.equal(material.authenticatorResponse, 'S=407A5589115FD0D6209F510FE9C04566932CDA56');
  assert.equal(hashes.verify('User', hashes.seal('User', 'clientpass'), published), undefined);
  assert.equal(hashes.verify('User', undefined, published), undefined);
});

test('what is sealed is bound to its user, its key and every bit, and two seals differ', () => {
  const hashes = new NtHashes(own(keyFile));
  const sealed = hashes.seal('User', 'clientPass');
  assert.notEqual(sealed, hashes.seal('User', 'clientPass'));
  assert.equal(hashes.verify('Other', sealed, published), 'unreadable');
  assert.equal(new NtHashes(own(join(folder, 'other.key'))).verify('User', sealed, published), 'unreadable');
  const bytes = Buffer.from(sealed.slice(4), 'base64');
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
    assert.equal(hashes.verify('User', `nt1:${damaged.toString('base64')}`, published), 'unreadable');
  }
  for (const odd of ['', 'nt1', 'nt1:', 'nt2:AAAA', `nt1:${'A'.repeat(40)}`]) {
    assert.equal(hashes.verify('User', odd, published), 'unreadable', odd);
  }
});

test('the key is made once, the owner’s alone, and found again', () => {
  const sealed = new NtHashes(own(keyFile)).seal('User', 'clientPass');
  assert.equal(statSync(keyFile).mode & 0o777, 0o600);
  assert.equal(typeof new NtHashes(own(keyFile)).verify('User', sealed, published), 'object');
  assert.deepEqual(readdirSync(folder), ['secret.key'], 'no draft stays');
});

test('a key that others may read, is too short, or cannot be made is refused with its path', () => {
  writeFileSync(keyFile, new Uint8Array(32), { mode: 0o600 });
  chmodSync(keyFile, 0o640);
  const code = 'CULVERT_GATEWAY_SECRET_KEY';
  assert.throws(() => new NtHashes(own(keyFile)), { code, message: /chmod 600/ });
  writeFileSync(keyFile, new Uint8Array(31));
  assert.throws(() => new NtHashes(own(keyFile)), { code, message: /31 bytes/ });
  assert.throws(() => new NtHashes(own(join(folder, 'none', 'secret.key'))), { code, message: /secret\.key/ });
});

test('a key that an operator names is used as it is, for a group to read as well, and never made', () => {
  const named = { file: keyFile, ours: false };
  const code = 'CULVERT_GATEWAY_SECRET_KEY';
  assert.throws(() => new NtHashes(named), { code, message: /no such file, and secretKey names it/ });
  writeFileSync(keyFile, new Uint8Array(32).fill(7), { mode: 0o600 });
  chmodSync(keyFile, 0o440);
  const sealed = new NtHashes(named).seal('User', 'clientPass');
  assert.equal(typeof new NtHashes(named).verify('User', sealed, published), 'object');
  chmodSync(keyFile, 0o444);
  assert.throws(() => new NtHashes(named), { code, message: /others may read it/ });
});
