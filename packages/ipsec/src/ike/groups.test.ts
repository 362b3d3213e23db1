import assert from 'node:assert/strict';
import { createDiffieHellmanGroup } from 'node:crypto';
import { test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import { WireError } from '@culvert/wire';
import { createKeyAgreement, groupNumbers, type IkeGroup, publicValueBytes } from './groups.ts';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const given = (bytes: Uint8Array) => ({ bytes: (length: number) => bytes.slice(0, length) });
const groups = Object.keys(groupNumbers) as IkeGroup[];

for (const group of groups) {
  test(`${group}: two ends agree, and every run repeats`, () => {
    const one = createKeyAgreement(group, seededRandom(1));
    const other = createKeyAgreement(group, seededRandom(2));
    assert.equal(one.publicValue.length, publicValueBytes(group));
    assert.notDeepEqual(one.publicValue, other.publicValue);
    assert.deepEqual(one.agree(other.publicValue), other.agree(one.publicValue));
    assert.deepEqual(createKeyAgreement(group, seededRandom(1)).publicValue, one.publicValue);
  });

  test(`${group}: values that the group does not allow are refused`, () => {
    const end = createKeyAgreement(group, seededRandom(3));
    const bytes = publicValueBytes(group);
    const good = createKeyAgreement(group, seededRandom(4)).publicValue;
    const bad = [new Uint8Array(bytes), good.slice(1), Uint8Array.of(...good, 0), new Uint8Array()];
    if (group !== 'curve25519') bad.push(new Uint8Array(bytes).fill(0xff), new Uint8Array(bytes).with(-1, 1));
    for (const value of bad) assert.throws(() => end.agree(value), WireError);
  });
}

for (const [group, name] of [
  ['modp1024', 'modp2'],
  ['modp1536', 'modp5'],
  ['modp2048', 'modp14'],
  ['modp3072', 'modp15'],
  ['modp4096', 'modp16'],
] as const) {
  test(`${group} is OpenSSL's group, and p-1 is refused`, () => {
    const theirs = createDiffieHellmanGroup(name);
    theirs.generateKeys();
    const ours = createKeyAgreement(group, seededRandom(5));
    assert.deepEqual(ours.agree(padded(theirs.getPublicKey(), publicValueBytes(group))), secret());
    const almost = Uint8Array.from(theirs.getPrime());
    almost[almost.length - 1] = (almost.at(-1) ?? 0) - 1;
    assert.throws(() => ours.agree(almost), /out of range/);
    assert.throws(() => ours.agree(theirs.getPrime()), /out of range/);

    function secret(): Uint8Array {
      return padded(theirs.computeSecret(ours.publicValue), publicValueBytes(group));
    }
  });
}

/** 2^bits pi, whole, by Machin's formula, with 64 bits more on the way. */
function piTimes(bits: number): bigint {
  const one = 1n << BigInt(bits + 64);
  const arccot = (x: bigint) => {
    let sum = 0n;
    for (let power = one / x, n = 1n, sign = 1n; power > 0n; power /= x * x, n += 2n, sign = -sign)
      sum += (sign * power) / n;
    return sum;
  };
  return (4n * (4n * arccot(5n) - arccot(239n))) >> 64n;
}

for (const [group, bits, added] of [
  ['modp1024', 1024, 129_093n],
  ['modp1536', 1536, 741_804n],
  ['modp2048', 2048, 124_476n],
  ['modp3072', 3072, 1_690_314n],
  ['modp4096', 4096, 240_904n],
] as const) {
  test(`${group}: the prime is that of RFC 2409, section 6, and RFC 3526, made of pi`, () => {
    const middle = (piTimes(bits - 130) + added) << 64n;
    const prime = (1n << BigInt(bits)) - (1n << BigInt(bits - 64)) - 1n + middle;
    const value = (less: bigint) => hex((prime - less).toString(16));
    const end = createKeyAgreement(group, seededRandom(9));
    // All below p-1 are taken, so that the largest of them tells the prime.
    assert.throws(() => end.agree(value(1n)), /out of range/);
    assert.equal(end.agree(value(2n)).length, bits / 8);
  });
}

test('curve25519: the vectors of RFC 7748, section 5.2', () => {
  for (const [scalar, u, out] of [
    [
      'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4',
      'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c',
      'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
    ],
    [
      '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d',
      'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493',
      '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
    ],
  ] as const) {
    assert.deepEqual(createKeyAgreement('curve25519', given(hex(scalar))).agree(hex(u)), hex(out));
  }
});

test('public values and secrets with zeros in front keep their length', () => {
  let short = 0;
  for (let seed = 0; seed < 600; seed++) {
    const end = createKeyAgreement('modp1024', seededRandom(seed));
    assert.equal(end.publicValue.length, 128);
    if (end.publicValue[0] === 0) short++;
  }
  assert.ok(short > 0, 'one in 256 begins with a zero');
});

/** RFC 5903, sections 8.1 to 8.3; RFC 7748, section 6.1. */
const vectors: readonly { group: IkeGroup; i: string; gi: string; r: string; gr: string; secret: string }[] = [
  {
    group: 'ecp256',
    i: 'c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433',
    gi:
      'dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180' +
      '5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3',
    r: 'c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53',
    gr:
      'd12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63' +
      '56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab',
    secret: 'd6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de',
  },
  {
    group: 'ecp384',
    i: '099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194',
    gi:
      '667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808acb4bdb4c88732aee95f41aa' +
      '9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c',
    r: '41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942e0308312916b8ed2960e4bd55a7448fc',
    gr:
      'e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571' +
      'dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c',
    secret: '11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746',
  },
  {
    group: 'ecp521',
    i:
      '0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a095aa85a30fe1c2952c6771d937ba9777' +
      'f5957b2639bab072462f68c27a57382d4a52',
    gi:
      '0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbee1e3bf42e00b8e380aeae57c2d107564' +
      '941885942af5a7f4601723c4195d176ced3e' +
      '017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4a10ad8a788015ac405d7799dc75e7b7d5b6c' +
      'f2261a6a7f1507438bf01beb6ca3926f9582',
    r:
      '0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e9c677d600b343757a3bdbf2a3163e4c2' +
      'f869cca7458aa4a4effc311f5cb151685eb9',
    gr:
      '00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a219b97c356436adc6e95bb0352f6be64a6' +
      'c2912d4ef2d0433ced2b6171640012d9460f' +
      '015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d9852077b87220b6536c5c408a1d2aebb8e86d678ae' +
      '49cb57091f4732296579ab44fcd17f0fc56a',
    secret:
      '01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04d1427e73ca4baa240a34786859810c06' +
      'b3c715a3a8cc3151f2bee417996d19f3ddea',
  },
  {
    group: 'curve25519',
    i: '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a',
    gi: '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
    r: '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
    gr: 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
    secret: '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
  },
];

for (const { group, i, gi, r, gr, secret } of vectors) {
  test(`${group}: the vectors of its RFC`, () => {
    const initiator = createKeyAgreement(group, given(hex(i)));
    const responder = createKeyAgreement(group, given(hex(r)));
    assert.deepEqual(initiator.publicValue, hex(gi));
    assert.deepEqual(responder.publicValue, hex(gr));
    assert.deepEqual(initiator.agree(hex(gr)), hex(secret));
    assert.deepEqual(responder.agree(hex(gi)), hex(secret));
  });
}

test('a point beside the curve is refused', () => {
  const point = createKeyAgreement('ecp256', seededRandom(6)).publicValue;
  point[63] = (point[63] ?? 0) ^ 1;
  assert.throws(() => createKeyAgreement('ecp256', seededRandom(7)).agree(point), /no point of the curve/);
});

test('a source that is not random ends in an error instead of a loop', () => {
  const zeros = { bytes: (length: number) => new Uint8Array(length) };
  assert.throws(() => createKeyAgreement('ecp256', zeros), RangeError);
  assert.throws(() => createKeyAgreement('modp2048', zeros), RangeError);
});

function padded(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(bytes, length - bytes.length);
  return out;
}
