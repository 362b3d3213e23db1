import assert from 'node:assert/strict';
import { constants, createPublicKey, generateKeyPairSync, publicDecrypt } from 'node:crypto';
import { test } from 'node:test';
import { authenticationHash, type SignatureMethod, signatureMethod, signHash, verifyHash } from '@culvert/ipsec';
import { seededRandom } from '@culvert/testkit';

const random = seededRandom(1);
const pair = {
  'rsa-signature': () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'ecdsa-256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'ecdsa-384': () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'ecdsa-521': () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
};
const methods = Object.keys(pair) as SignatureMethod[];
const signatureBytes = { 'rsa-signature': 256, 'ecdsa-256': 64, 'ecdsa-384': 96, 'ecdsa-521': 132 };
const hashBytes = { 'rsa-signature': 20, 'ecdsa-256': 32, 'ecdsa-384': 48, 'ecdsa-521': 64 };

for (const method of methods) {
  test(`${method}: a signature is over the hash alone, and another hash, key, method or length is refused`, () => {
    const { privateKey, publicKey } = pair[method]();
    const hash = random.bytes(hashBytes[method]);
    const signature = signHash(method, privateKey, hash) ?? new Uint8Array();
    assert.equal(signatureMethod(publicKey), method);
    assert.equal(signature.length, signatureBytes[method]);
    assert.ok(verifyHash(method, publicKey, hash, signature));
    assert.ok(!verifyHash(method, publicKey, random.bytes(hash.length), signature));
    assert.ok(!verifyHash(method, pair[method]().publicKey, hash, signature));
    assert.ok(!verifyHash(method, publicKey, hash, signature.slice(1)));
    assert.ok(!verifyHash(method, publicKey, hash, new Uint8Array()));
    for (const other of methods.filter((name) => name !== method)) {
      assert.equal(signHash(other, privateKey, hash), undefined);
      assert.ok(!verifyHash(other, publicKey, hash, signature));
    }
  });
}

test('RSA pads the hash as it is, with no DigestInfo', () => {
  const { privateKey } = pair['rsa-signature']();
  const hash = random.bytes(20);
  const signature = signHash('rsa-signature', privateKey, hash) ?? new Uint8Array();
  const block = publicDecrypt({ key: createPublicKey(privateKey), padding: constants.RSA_NO_PADDING }, signature);
  assert.deepEqual(block, Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(233, 0xff), Buffer.from([0]), hash]));
});

test('an RSA signature that begins with a zero is not taken without it', () => {
  const { privateKey, publicKey } = pair['rsa-signature']();
  for (;;) {
    const hash = random.bytes(20);
    const signature = signHash('rsa-signature', privateKey, hash) ?? new Uint8Array();
    if (signature[0] !== 0) continue;
    assert.ok(verifyHash('rsa-signature', publicKey, hash, signature));
    assert.ok(!verifyHash('rsa-signature', publicKey, hash, signature.slice(1)));
    return;
  }
});

test('keys that IKEv1 has no use for have no method', () => {
  assert.equal(signatureMethod(generateKeyPairSync('ed25519').publicKey), undefined);
  assert.equal(signatureMethod(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey), undefined);
  assert.equal(signatureMethod(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey), undefined);
});

test('with ECDSA the curve decides by which hash an end proves itself', () => {
  assert.equal(authenticationHash('pre-shared-key', 'sha1'), 'sha1');
  assert.equal(authenticationHash('rsa-signature', 'sha2-384'), 'sha2-384');
  assert.equal(authenticationHash('ecdsa-256', 'sha1'), 'sha2-256');
  assert.equal(authenticationHash('ecdsa-384', 'sha1'), 'sha2-384');
  assert.equal(authenticationHash('ecdsa-521', 'sha1'), 'sha2-512');
});
