import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultDataCiphers, negotiate } from './negotiation.ts';
import { formatOptions, parseOptions } from './options-string.ts';
import { clientPeerInfo, ourProtocol, parsePeerInfo } from './peer-info.ts';

const noOptions = parseOptions('');
const info = (lines: string) => parsePeerInfo(lines);

test("the first of the server's ciphers that the client has is used", () => {
  const choose = (lines: string, options = '') =>
    negotiate(defaultDataCiphers, info(lines), parseOptions(options))?.cipher;
  assert.equal(choose('IV_CIPHERS=CHACHA20-POLY1305:AES-128-GCM\n'), 'AES-128-GCM');
  assert.equal(choose('IV_NCP=2\n'), 'AES-256-GCM', 'OpenVPN 2.4 lists no ciphers');
  assert.equal(
    choose('', 'V4,cipher AES-128-GCM,auth SHA1'),
    'AES-128-GCM',
    'no negotiation: what its options string names',
  );
  assert.equal(choose('', 'V4,cipher AES-128-CBC,auth SHA1'), undefined);
  assert.equal(choose('IV_CIPHERS=AES-128-CBC\n'), undefined);
});

test('features are those of both: 2.4, 2.5 and 2.6 as they announce themselves', () => {
  const features = (bits: number) =>
    negotiate(defaultDataCiphers, info(`IV_NCP=2\nIV_PROTO=${bits}\n`), noOptions)?.features;
  assert.deepEqual(features(2), { dataV2: true, tlsKeyExport: false, controlExit: false, dynamicTlsCrypt: false });
  assert.deepEqual(features(6), { dataV2: true, tlsKeyExport: false, controlExit: false, dynamicTlsCrypt: false });
  assert.deepEqual(features(990), { dataV2: true, tlsKeyExport: true, controlExit: true, dynamicTlsCrypt: true });
  assert.deepEqual(features(0), { dataV2: false, tlsKeyExport: false, controlExit: false, dynamicTlsCrypt: false });
});

test('our client announces what it does, and the first bit with it', () => {
  assert.equal(ourProtocol & 2, 2);
  const text = clientPeerInfo({
    version: 'x',
    maxMtu: 1_600,
    ciphers: defaultDataCiphers,
    extra: { UV_ID: '7', IV_PLAT: 'mac' },
  });
  const parsed = parsePeerInfo(text);
  assert.equal(parsed.get('IV_CIPHERS'), 'AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305');
  assert.equal(parsed.get('IV_PROTO'), String(ourProtocol));
  assert.deepEqual([parsed.get('UV_ID'), parsed.get('IV_PLAT')], ['7', 'mac']);
});

test("a peer's info is bounded, and broken lines are dropped", () => {
  const many = Array.from({ length: 1_000 }, (_, n) => `UV_${n}=x\n`).join('');
  assert.equal(parsePeerInfo(many).size, 64);
  assert.deepEqual([...parsePeerInfo('=x\nbad key=1\nIV_VER=2.6\x07\nnothing\n')], [['IV_VER', '2.6']]);
});

test('the options string is what a 2.6 without `cipher` compares with, and names our cipher', () => {
  const options = formatOptions({
    role: 'client',
    protocol: 'udp',
    ipVersion: 4,
    tunMtu: 1_500,
    cipher: 'AES-256-GCM',
  });
  assert.equal(
    options,
    'V4,dev-type tun,link-mtu 1541,tun-mtu 1500,proto UDPv4,cipher AES-256-GCM,auth SHA1,keysize 128,key-method 2,tls-client',
  );
  assert.deepEqual(parseOptions(options), { cipher: 'AES-256-GCM', compression: false, device: 'tun' });
  assert.equal(parseOptions('V4,dev-type tap,comp-lzo,cipher BF-CBC').compression, true);
});
