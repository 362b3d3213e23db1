import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digest, expand, hashBytes, type IkeHash, prf } from './prf.ts';

const text = (value: string) => new TextEncoder().encode(value);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** RFC 2202, section 3, case 2, and RFC 4231, section 4.3: key "Jefe", data "what do ya want for nothing?". */
const jefe: Readonly<Record<IkeHash, string>> = {
  sha1: 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79',
  'sha2-256': '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  'sha2-384': 'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
  'sha2-512':
    '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
};

for (const [hash, expected] of Object.entries(jefe) as [IkeHash, string][]) {
  test(`prf with ${hash}: the vector of its RFC, in parts or whole`, () => {
    assert.equal(hex(prf(hash, text('Jefe'), text('what do ya '), text('want for nothing?'))), expected);
    assert.equal(hashBytes(hash), expected.length / 2);
    assert.equal(digest(hash).length, hashBytes(hash));
  });
}

/** RFC 4231, sections 4.2 to 4.8: key, data, and what SHA-256, SHA-384 and SHA-512 make of them. Case 5 is cut, which is ESP's business. */
const rfc4231: readonly (readonly [
  key: Uint8Array,
  data: Uint8Array,
  ...expected: readonly [string, string, string],
])[] = [
  [
    new Uint8Array(20).fill(0x0b),
    text('Hi There'),
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    'afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6',
    '87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854',
  ],
  [
    new Uint8Array(20).fill(0xaa),
    new Uint8Array(50).fill(0xdd),
    '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
    '88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27',
    'fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb',
  ],
  [
    Uint8Array.from({ length: 25 }, (_, n) => n + 1),
    new Uint8Array(50).fill(0xcd),
    '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
    '3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb',
    'b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd',
  ],
  [
    new Uint8Array(131).fill(0xaa),
    text('Test Using Larger Than Block-Size Key - Hash Key First'),
    '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    '4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952',
    '80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598',
  ],
  [
    new Uint8Array(131).fill(0xaa),
    text(
      'This is a test using a larger than block-size key and a larger than block-size data. ' +
        'The key needs to be hashed before being used by the HMAC algorithm.',
    ),
    '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
    '6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e',
    'e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58',
  ],
];

test('prf with SHA-2: the cases of RFC 4231', () => {
  for (const [key, data, ...expected] of rfc4231) {
    const found = (['sha2-256', 'sha2-384', 'sha2-512'] as const).map((hash) => hex(prf(hash, key, data)));
    assert.deepEqual(found, expected);
  }
});

/** RFC 2202, section 3, cases 1, 3, 4, 6 and 7. */
const rfc2202: readonly (readonly [key: Uint8Array, data: Uint8Array, expected: string])[] = [
  [new Uint8Array(20).fill(0x0b), text('Hi There'), 'b617318655057264e28bc0b6fb378c8ef146be00'],
  [new Uint8Array(20).fill(0xaa), new Uint8Array(50).fill(0xdd), '125d7342b9ac11cd91a39af48aa17b4f63f175d3'],
  [
    Uint8Array.from({ length: 25 }, (_, n) => n + 1),
    new Uint8Array(50).fill(0xcd),
    '4c9007f4026250c6bc8414f9bf50c86c2d7235da',
  ],
  [
    new Uint8Array(80).fill(0xaa),
    text('Test Using Larger Than Block-Size Key - Hash Key First'),
    'aa4ae5e15272d00e95705637ce8a3b55ed402112',
  ],
  [
    new Uint8Array(80).fill(0xaa),
    text('Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data'),
    'e8e99d0f45237d786d6bbaa7965c7808bbff1a91',
  ],
];

test('prf with SHA-1: the cases of RFC 2202', () => {
  for (const [key, data, expected] of rfc2202) assert.equal(hex(prf('sha1', key, data)), expected);
});

test('expansion chains each block into the next and cuts the last', () => {
  const [key, seed] = [text('key'), text('seed')];
  const k1 = prf('sha1', key, seed);
  const k2 = prf('sha1', key, k1, seed);
  assert.equal(hex(expand('sha1', key, [seed], 50)).slice(0, 80), hex(k1) + hex(k2));
  for (const length of [0, 1, 20, 21]) {
    assert.deepEqual(expand('sha1', key, [seed], length), expand('sha1', key, [seed], 50).slice(0, length));
  }
});
