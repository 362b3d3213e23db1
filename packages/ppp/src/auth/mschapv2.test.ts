import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startKeysOf } from '../start-keys.ts';
import {
  challengeHash,
  challengeResponse,
  desEncrypt,
  generateAuthenticatorResponse,
  generateNtResponse,
  getMasterKey,
  hashNtPasswordHash,
  ntPasswordHash,
  verifyMsChapV2,
  withoutDomain,
} from './mschapv2.ts';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

// RFC 2759, section 9.2, and RFC 3079, section 3.5.
const exchange = {
  username: 'User',
  authenticatorChallenge: hex('5B 5D 7C 7D 7B 3F 2F 3E 3C 2C 60 21 32 26 26 28'),
  peerChallenge: hex('21 40 23 24 25 5E 26 2A 28 29 5F 2B 3A 33 7C 7E'),
};
const passwordHash = hex('44 EB BA 8D 53 12 B8 D6 11 47 44 11 F5 69 89 AE');
const ntResponse = hex('82 30 9E CD 8D 70 8B 5E A0 8F AA 39 81 CD 83 54 42 33 11 4A 3D 85 D6 DF');

test('hashes, responses and keys are those of RFC 2759, section 9.2', () => {
  assert.deepEqual(ntPasswordHash('clientPass'), passwordHash);
  assert.deepEqual(hashNtPasswordHash(passwordHash), hex('41 C0 0C 58 4B D2 D9 1C 40 17 A2 A1 2F A5 9F 3F'));
  const challenge = challengeHash(exchange.peerChallenge, exchange.authenticatorChallenge, 'User');
  assert.deepEqual(challenge, hex('D0 2E 43 86 BC E9 12 26'));
  assert.deepEqual(challengeResponse(challenge, passwordHash), ntResponse);
  assert.deepEqual(generateNtResponse(exchange, passwordHash), ntResponse);
  assert.equal(
    generateAuthenticatorResponse(exchange, passwordHash, ntResponse),
    'S=407A5589115FD0D6209F510FE9C04566932CDA56',
  );
});

test('one DES is DES: the block of FIPS 81', () => {
  // Key 0123456789abcdef without its parity bits.
  const bits = hex('01 23 45 67 89 ab cd ef').reduce((sum, byte) => (sum << 7n) | BigInt(byte >> 1), 0n);
  const key = Uint8Array.from({ length: 7 }, (_, i) => Number((bits >> BigInt(48 - 8 * i)) & 0xffn));
  assert.deepEqual(desEncrypt(Buffer.from('Now is t'), key), hex('3F A4 0E 8A 98 4D 48 15'));
});

test('MPPE keys are those of RFC 3079, section 3.5', () => {
  const master = getMasterKey(passwordHash, ntResponse);
  assert.deepEqual(master, hex('FD EC E3 71 7A 8C 83 8C B3 88 E5 27 AE 3C DD 31'));
  const material = { authenticatorResponse: undefined, mppeMasterKey: master };
  const server = startKeysOf(material, 'server');
  assert.deepEqual(server?.send, hex('8B 7C DC 14 9B 99 3A 1B A1 18 CB 15 3F 56 DC CB'));
  assert.deepEqual(startKeysOf(material, 'client'), { send: server?.receive, receive: server?.send });
  assert.equal(startKeysOf(undefined, 'client'), undefined);
});

test('a domain is not part of the hash', () => {
  assert.deepEqual(['alice', 'OFFICE\\alice', '\\alice', 'A\\B\\alice'].map(withoutDomain), Array(4).fill('alice'));
  const prefixed = { ...exchange, username: 'OFFICE\\User' };
  assert.deepEqual(generateNtResponse(prefixed, passwordHash), ntResponse);
});

test('a response is right for its hash alone', () => {
  const material = verifyMsChapV2({ ...exchange, ntResponse }, passwordHash);
  assert.equal(material?.authenticatorResponse, 'S=407A5589115FD0D6209F510FE9C04566932CDA56');
  assert.deepEqual(material?.mppeMasterKey, getMasterKey(passwordHash, ntResponse));
  for (let bit = 0; bit < 8 * ntResponse.length; bit += 7) {
    const changed = ntResponse.slice();
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(verifyMsChapV2({ ...exchange, ntResponse: changed }, passwordHash), undefined);
  }
  assert.equal(verifyMsChapV2({ ...exchange, ntResponse: ntResponse.subarray(1) }, passwordHash), undefined);
  assert.equal(verifyMsChapV2({ ...exchange, ntResponse }, ntPasswordHash('clientpass')), undefined);
  assert.equal(verifyMsChapV2({ ...exchange, username: 'user', ntResponse }, passwordHash), undefined);
});

test('a password of other letters than ASCII is hashed as UTF-16', () => {
  assert.deepEqual(ntPasswordHash('ä€𝄞'), hashNtPasswordHash(hex('e4 00 ac 20 34 d8 1e dd')));
});
