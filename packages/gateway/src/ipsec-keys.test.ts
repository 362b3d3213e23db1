import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Identity, TestCa } from '@culvert/testkit';
import { configOf } from '../test/fixtures.ts';
import { IpsecKeys } from './ipsec-keys.ts';

let folder: string;
let ca: TestCa;
let server: Identity;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'culvert-ipsec-'));
  ca = await TestCa.create(join(folder, 'ca'));
  server = await ca.issue('vpn.test', { role: 'server' });
});
after(() => rmSync(folder, { recursive: true }));

function sectionOf(more: object) {
  return { ...configOf().transports.l2tpIpsec, enabled: true, ...more };
}

/** Reads what `texts` holds, else the file. */
function reader(texts: Readonly<Record<string, string>>) {
  return (path: string) => texts[path] ?? readFileSync(path, 'utf8');
}

const certificate = () => ({
  ca: ca.certificate,
  certificate: server.certificate,
  privateKey: server.key,
  crl: ca.crl,
});

test('keys are the first lines of their files, those of networks before that of everybody; a reload reads them anew', () => {
  const texts = { psk: 'of everybody\n', branch: 'of the branch\r\n' };
  const section = sectionOf({ presharedKey: 'psk', presharedKeys: [{ network: '192.0.2.0/24', file: 'branch' }] });
  const keys = new IpsecKeys(section, reader(texts), () => {});
  const told = () => keys.presharedKeys.map(({ network, key }) => [network, Buffer.from(key).toString()]);
  assert.deepEqual(told(), [
    ['192.0.2.0/24', 'of the branch'],
    [undefined, 'of everybody'],
  ]);
  assert.equal(keys.certificate, undefined);
  keys.reload(sectionOf({ presharedKey: 'psk' }), reader({ psk: 'another' }));
  assert.deepEqual(told(), [[undefined, 'another']]);
  assert.throws(() => keys.reload(sectionOf({ presharedKey: 'gone' }), reader({})), { code: 'ENOENT' });
  assert.deepEqual(told(), [[undefined, 'another']], 'a failure changes nothing');
});

test('the secret of tunnels is the first line of its file, and may come and go by a reload', () => {
  const keys = new IpsecKeys(sectionOf({ presharedKey: 'psk' }), reader({ psk: 'of everybody' }), () => {});
  assert.equal(keys.tunnelSecret, undefined);
  const texts = { psk: 'of everybody', tunnel: 'of the tunnels\n' };
  keys.reload(sectionOf({ presharedKey: 'psk', tunnelSecret: 'tunnel' }), reader(texts));
  assert.deepEqual(keys.tunnelSecret, new Uint8Array(Buffer.from('of the tunnels')));
  assert.throws(() => keys.reload(sectionOf({ tunnelSecret: 'gone' }), reader({})), { code: 'ENOENT' });
  assert.notEqual(keys.tunnelSecret, undefined, 'a failure changes nothing');
  keys.reload(sectionOf({ presharedKey: 'psk' }), reader(texts));
  assert.equal(keys.tunnelSecret, undefined);
});

test('a certificate that cannot be used changes nothing; a new list is another certificate to the transport', async () => {
  const keys = new IpsecKeys(sectionOf({ certificate: certificate() }), reader({}), () => {});
  const first = keys.certificate;
  assert.equal(first?.crl, readFileSync(ca.crl, 'utf8'));
  const other = await ca.issue('other.test', { role: 'server' });
  const wrong = sectionOf({ certificate: { ...certificate(), privateKey: other.key } });
  assert.throws(() => keys.reload(wrong, reader({})), { name: 'TlsError' });
  assert.equal(keys.certificate, first);

  await ca.revoke(await ca.issue('alice', { role: 'client' }));
  keys.setCrl(readFileSync(ca.crl, 'utf8'));
  const second = keys.certificate;
  assert.notEqual(second?.crl, first?.crl);
  assert.throws(() => keys.setCrl('no list'), { name: 'TlsError' });
  assert.equal(keys.certificate, second);
});
