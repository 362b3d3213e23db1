import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import { ConfigError } from './errors.ts';
import {
  makeTlsCryptV2ClientKey,
  makeTlsCryptV2ServerKey,
  parseStaticKey,
  parseTlsCryptV2ClientKey,
  parseTlsCryptV2ServerKey,
  printTlsCryptV2ClientKey,
  printTlsCryptV2ServerKey,
  timeMetadata,
} from './openvpn-keys.ts';

const random = seededRandom(1);
const serverKey = makeTlsCryptV2ServerKey(random);
const serverText = printTlsCryptV2ServerKey(serverKey);
const client = makeTlsCryptV2ClientKey(serverKey, timeMetadata(1_800_000_000), random);
const clientText = printTlsCryptV2ClientKey(client);

/** 256 bytes, the first of them 0, the second 1 and so on. */
const staticKey = Uint8Array.from({ length: 256 }, (_, i) => i);
const staticText = [
  '# 2048 bit OpenVPN static key',
  '-----BEGIN OpenVPN Static key V1-----',
  ...(Buffer.from(staticKey).toString('hex').match(/.{32}/g) ?? []),
  '-----END OpenVPN Static key V1-----\n',
].join('\n');

test('what is made is printed and read again, whatever ends a line', () => {
  for (const lineEnd of ['\n', '\r\n']) {
    const file = (text: string) => text.replaceAll('\n', lineEnd);
    assert.deepEqual(parseStaticKey(file(staticText)), staticKey);
    assert.deepEqual(parseTlsCryptV2ServerKey(file(serverText)), serverKey);
    assert.deepEqual(parseTlsCryptV2ClientKey(file(clientText)), client);
  }
});

test('files of the wrong kind, cut short or changed are named', () => {
  const fails = (parse: (text: string) => unknown, text: string, sentence: RegExp) =>
    assert.throws(
      () => parse(text),
      (error) =>
        error instanceof ConfigError && error.code === 'CULVERT_CONFIG_KEY_FILE' && sentence.test(error.message),
    );
  fails(parseStaticKey, '', /there is no "-----BEGIN OpenVPN Static key V1-----"/);
  fails(parseStaticKey, serverText, /there is no "-----BEGIN OpenVPN Static key V1-----"/);
  fails(parseStaticKey, staticText.replace('00', ''), /256 bytes of hexadecimal/);
  fails(parseStaticKey, staticText.replace('00', 'xx'), /256 bytes of hexadecimal/);
  fails(parseStaticKey, 'x'.repeat(20_000), /too long/);
  fails(parseTlsCryptV2ServerKey, clientText, /there is no "-----BEGIN OpenVPN tls-crypt-v2 server key-----"/);
  fails(parseTlsCryptV2ServerKey, serverText.replace(/\n.{8}/, '\n'), /122 bytes/);
  fails(parseTlsCryptV2ClientKey, clientText.replace(/\n.{4}/, '\n!!!!'), /not base64/);
  fails(parseTlsCryptV2ClientKey, clientText.replace(/\n.{4}/, '\n'), /cut short or changed/);
  const tiny = { clientKey: staticKey, wrapped: Uint8Array.of(0, 2) };
  fails(parseTlsCryptV2ClientKey, printTlsCryptV2ClientKey(tiny), /cut short or changed/);
  const huge = { clientKey: staticKey, wrapped: Uint8Array.from({ length: 0x0505 }, () => 5) };
  fails(parseTlsCryptV2ClientKey, printTlsCryptV2ClientKey(huge), /cut short or changed/);
});

test('metadata that does not fit is an error', () => {
  assert.equal(makeTlsCryptV2ClientKey(serverKey, new Uint8Array(734), random).wrapped.length, 1_024);
  assert.throws(() => makeTlsCryptV2ClientKey(serverKey, new Uint8Array(735), random), /at most 734 fit/);
});

test('OpenVPN makes the same client key with our server key as we do', (t) => {
  const genkey = openvpnGenkey(t);
  if (genkey === undefined) return;
  const from = Math.floor(Date.now() / 1_000);
  const theirs = parseTlsCryptV2ClientKey(genkey('tls-crypt-v2-client', serverText));
  const until = Math.floor(Date.now() / 1_000);
  const possible = Array.from({ length: until - from + 1 }, (_, i) =>
    makeTlsCryptV2ClientKey(serverKey, timeMetadata(from + i), { bytes: () => theirs.clientKey }),
  );
  assert.ok(
    possible.some(({ wrapped }) => Buffer.from(wrapped).equals(theirs.wrapped)),
    'byte for byte, with one of the seconds that went by',
  );
});

test("OpenVPN's own keys are read, and printed as it does", (t) => {
  const genkey = openvpnGenkey(t);
  if (genkey === undefined) return;
  const server = genkey('tls-crypt-v2-server');
  assert.equal(printTlsCryptV2ServerKey(parseTlsCryptV2ServerKey(server)), server);
  const client = genkey('tls-crypt-v2-client', server);
  assert.equal(printTlsCryptV2ClientKey(parseTlsCryptV2ClientKey(client)), client);
  const text = genkey('secret');
  const digits = text.split('\n').filter((line) => /^[0-9a-f]{32}$/.test(line));
  assert.equal(Buffer.from(parseStaticKey(text)).toString('hex'), digits.join(''));
});

/** Makes a key file with `openvpn --genkey`; undefined where there is no openvpn. */
function openvpnGenkey(t: TestContext): ((kind: string, server?: string) => string) | undefined {
  if (spawnSync('openvpn', ['--version']).error !== undefined) {
    assert.ok(process.env['CI'] !== '1' && process.env['CULVERT_CI'] !== '1', 'openvpn is not installed');
    t.skip('openvpn is not installed');
    return undefined;
  }
  const folder = mkdtempSync(join(tmpdir(), 'cv-keys-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return (kind, server) => {
    const serverFile = join(folder, 'server');
    if (server !== undefined) writeFileSync(serverFile, server);
    const wrapper = server === undefined ? [] : ['--tls-crypt-v2', serverFile];
    execFileSync('openvpn', [...wrapper, '--genkey', kind, join(folder, 'made')], { stdio: 'pipe' });
    return readFileSync(join(folder, 'made'), 'utf8');
  };
}
