import assert from 'node:assert/strict';
import {
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
} from 'node:crypto';
import { test } from 'node:test';
import { ecdsaSign, ecdsaVerify } from '@culvert/cipher';
import fc from 'fast-check';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
const digest = (name: string, message: string) => Uint8Array.from(createHash(name).update(message).digest());

const curves = [
  { name: 'prime256v1', crv: 'P-256', hash: 'sha256', bytes: 32 },
  { name: 'secp384r1', crv: 'P-384', hash: 'sha384', bytes: 48 },
  { name: 'secp521r1', crv: 'P-521', hash: 'sha512', bytes: 66 },
] as const;
type Curve = (typeof curves)[number];

function privateKeyOf({ name, crv, bytes }: Curve, secret: Uint8Array) {
  const ecdh = createECDH(name);
  ecdh.setPrivateKey(secret);
  const point = ecdh.getPublicKey();
  const text = (from: Uint8Array) => Buffer.from(from).toString('base64url');
  const [d, x, y] = [secret, point.subarray(1, 1 + bytes), point.subarray(1 + bytes)].map(text);
  return createPrivateKey({ format: 'jwk', key: { kty: 'EC', crv, d, x, y } as never });
}

/** RFC 4754, section 8: the message is "abc", and the nonce is none that RFC 6979 gives. */
const rfc4754 = [
  {
    secret: 'dc51d3866a15bacde33d96f992fca99da7e6ef0934e7097559c27f1614c88a7f',
    signature: `cb28e0999b9c7715fd0a80d8e47a77079716cbbf917dd72e97566ea1c066957c
      86fa3bb4e26cad5bf90b7f81899256ce7594bb1ea0c89212748bff3b3d5b0315`,
  },
  {
    secret: '0beb646634ba87735d77ae4809a0ebea865535de4c1e1dcb692e84708e81a5af62e528c38b2a81b35309668d73524d9f',
    signature: `fb017b914e29149432d8bac29a514640b46f53ddab2c69948084e2930f1c8f7e08e07c9c63f2d21a07dcb56a6af56eb3
      b263a1305e057f984d38726a1b46874109f417bca112674c528262a40a629af1cbb9f516ce0fa7d2ff630863a00e8b9f`,
  },
  {
    secret: `0065fda3409451dcab0a0ead45495112a3d813c17bfd34bdf8c1209d7df5849120597779060a7ff9d704adf78b570ffad6f0
      62e95c7e0c5d5481c5b153b48b375fa1`,
    signature: `0154fd3836af92d0dca57dd5341d3053988534fde8318fc6aaaab68e2e6f4339b19f2f281a7e0b22c269d93cf8794a927888
      0ed7dbb8d9362caeacee544320552251
      017705a7030290d1ceb605a9a1bb03ff9cdd521e87a696ec926c8c10c8362df4975367101f67d1cf9bccbf2f3d239534fa50
      9e70aac851ae01aac68d62f866472660`,
  },
] as const;

/** RFC 6979, appendices A.2.5 to A.2.7: the message is "sample". */
const rfc6979 = [
  {
    secret: 'c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721',
    signature: `efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716
      f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8`,
  },
  {
    secret: '6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5',
    signature: `94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46
      99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8`,
  },
  {
    secret: `00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c70855836a6d16fcc1466
      f6d8fbec67db89ec0c08b0e996b83538`,
    signature: `00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add152b534931
      d7d4e8455cc91f9b15bf05ec36e377fa
      00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8c37ff0777b1a
      20f8ccb1dccc43997f1ee0e44da4a67a`,
  },
] as const;

for (const implementation of ['native', 'portable'] as const)
  for (const [n, curve] of curves.entries()) {
    test(`${implementation}, ${curve.crv}: the vectors of RFC 4754 verify, and no bit of them may differ`, () => {
      const { secret, signature } = rfc4754[n] as (typeof rfc4754)[number];
      const publicKey = createPublicKey(privateKeyOf(curve, hex(secret)));
      const hash = digest(curve.hash, 'abc');
      const good = hex(signature);
      assert.ok(ecdsaVerify(publicKey, hash, good, implementation));
      for (let bit = 0; bit < good.length * 8; bit += 37) {
        const changed = good.slice();
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.ok(!ecdsaVerify(publicKey, hash, changed), `bit ${bit}`);
      }
      assert.ok(!ecdsaVerify(publicKey, digest(curve.hash, 'abd'), good, implementation));
      assert.ok(!ecdsaVerify(publicKey, hash, good.subarray(1), implementation));
      assert.ok(!ecdsaVerify(publicKey, hash, new Uint8Array(good.length), implementation));
      assert.ok(!ecdsaVerify(publicKey, hash, new Uint8Array(good.length).fill(0xff), implementation));
    });

    test(`${implementation}, ${curve.crv}: signatures are those of RFC 6979`, () => {
      const { secret, signature } = rfc6979[n] as (typeof rfc6979)[number];
      const privateKey = privateKeyOf(curve, hex(secret));
      assert.deepEqual(ecdsaSign(privateKey, digest(curve.hash, 'sample'), implementation), hex(signature));
    });

    test(`${implementation}, ${curve.crv}: node:crypto takes our signatures, and we take its`, () => {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve.name });
      const message = Buffer.from('a message');
      const hash = digest(curve.hash, 'a message');
      for (let turn = 0; turn < 20; turn++) {
        const theirs = sign(curve.hash, message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
        assert.ok(ecdsaVerify(publicKey, hash, theirs, implementation));
      }
      const ours = ecdsaSign(privateKey, hash, implementation);
      assert.ok(verify(curve.hash, message, { key: publicKey, dsaEncoding: 'ieee-p1363' }, ours));
    });
  }

for (const implementation of ['native', 'portable'] as const)
  test(`${implementation}: a key of another kind and a digest of another length are refused, and leave no error behind in OpenSSL`, () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const other = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    const good = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const hash = digest('sha256', 'abc');
    for (const { privateKey, publicKey } of [rsa, other]) {
      assert.throws(() => ecdsaSign(privateKey, hash, implementation), { code: 'CULVERT_CIPHER_FAILED' });
      assert.ok(!ecdsaVerify(publicKey, hash, new Uint8Array(64), implementation));
    }
    assert.throws(() => ecdsaSign(good.privateKey, hash.subarray(1), implementation), {
      code: 'CULVERT_CIPHER_FAILED',
    });
    assert.ok(sign('sha256', hash, good.privateKey).length > 0);
  });

const ofCurve = fc.constantFrom(...curves).map(({ name }) => generateKeyPairSync('ec', { namedCurve: name }));
const anyDigest = fc.constantFrom(32, 48, 64).chain((n) => fc.uint8Array({ minLength: n, maxLength: n }));

test('for any key and digest both sign alike and agree on what is a signature', () => {
  fc.assert(
    fc.property(ofCurve, anyDigest, fc.nat(), fc.integer({ min: 1, max: 255 }), (key, hash, at, flip) => {
      const signature = ecdsaSign(key.privateKey, hash, 'native');
      assert.deepEqual(ecdsaSign(key.privateKey, hash, 'portable'), signature);
      const changed = signature.slice();
      changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ flip;
      for (const implementation of ['native', 'portable'] as const) {
        assert.ok(ecdsaVerify(key.publicKey, hash, signature, implementation));
        assert.ok(!ecdsaVerify(key.publicKey, hash, changed, implementation));
      }
    }),
    { numRuns: 60 },
  );
});

test('digests at the edges: of zeros, of ones, of the order', () => {
  for (const { name } of curves) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: name });
    for (const fill of [0, 0xff]) {
      for (const bytes of [32, 48, 64]) {
        const hash = new Uint8Array(bytes).fill(fill);
        const signature = ecdsaSign(privateKey, hash, 'portable');
        assert.deepEqual(signature, ecdsaSign(privateKey, hash, 'native'));
        assert.ok(ecdsaVerify(publicKey, hash, signature, 'portable'));
      }
    }
  }
});
