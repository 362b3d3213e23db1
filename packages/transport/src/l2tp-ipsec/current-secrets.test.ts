import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { nullLogger, RecordingLogger, TestCa } from '@culvert/testkit';
import { CurrentSecrets } from './current-secrets.ts';
import type { L2tpIpsecCertificate, PresharedKey } from './options.ts';

let folder: string;
const made: Record<string, L2tpIpsecCertificate> = {};
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'culvert-secrets-'));
  const ca = await TestCa.create(join(folder, 'ca'));
  for (const name of ['first', 'second']) {
    const { certificate, key } = await ca.issue(name, { role: 'server' });
    const [own, privateKey, authority] = [certificate, key, ca.certificate].map((path) => readFileSync(path, 'utf8'));
    made[name] = { certificate: own ?? '', privateKey: privateKey ?? '', ca: authority ?? '' };
  }
});
after(() => rmSync(folder, { recursive: true }));

const keyOf = (text: string, network?: string): PresharedKey => ({ network, key: new TextEncoder().encode(text) });

test('keys that are exchanged count from the next peer on; a network that is none changes nothing, and that is told', () => {
  const log = new RecordingLogger();
  const at: { presharedKeys: readonly PresharedKey[]; certificate: undefined } = {
    presharedKeys: [keyOf('everyone')],
    certificate: undefined,
  };
  const secrets = new CurrentSecrets(at, log);
  const found = () => Buffer.from(secrets.keyFor('192.0.2.7') ?? []).toString();
  assert.equal(found(), 'everyone');
  at.presharedKeys = [keyOf('branch', '192.0.2.0/24'), keyOf('everyone')];
  assert.equal(found(), 'branch');
  at.presharedKeys = [keyOf('wrong', '192.0.2.0/33')];
  assert.equal(found(), 'branch');
  assert.equal(found(), 'branch');
  assert.equal(log.text.match(/warn new keys cannot be used/g)?.length, 1, log.text);
  at.presharedKeys = [];
  assert.equal(secrets.keyFor('192.0.2.7'), undefined);
  secrets.close();
});

test('a certificate that is exchanged counts from the next peer on, and one that cannot be used does not', () => {
  const log = new RecordingLogger();
  const at: { presharedKeys: []; certificate: L2tpIpsecCertificate | undefined } = {
    presharedKeys: [],
    certificate: made['first'],
  };
  const secrets = new CurrentSecrets(at, log);
  const first = secrets.credentials();
  assert.equal(secrets.credentials(), first);
  at.certificate = made['second'];
  const second = secrets.credentials();
  assert.notDeepEqual(second?.own.chain, first?.own.chain);
  at.certificate = { ...made['first'], privateKey: 'none' } as L2tpIpsecCertificate;
  assert.equal(secrets.credentials(), second);
  assert.match(log.text, /warn new certificate cannot be used, what was before stays/);
  at.certificate = undefined;
  assert.equal(secrets.credentials(), undefined);
  secrets.close();
});

test('a certificate that cannot be used is an error where listening begins', () => {
  const certificate = { ...made['first'], privateKey: 'none' } as L2tpIpsecCertificate;
  assert.throws(() => new CurrentSecrets({ presharedKeys: [], certificate }, nullLogger), { name: 'TlsError' });
});
