import assert from 'node:assert/strict';
import { type CipherGCMTypes, createCipheriv, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { enginesOf, failedEngines } from './engines.ts';
import { loadNative } from './native.ts';

const native = loadNative();
const engines = enginesOf(native);
const keyLengths = [16, 32] as const;

/** Bytes beyond the packet, which must stay as they are. */
const GUARD = 72;

interface Packet {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ad: Uint8Array;
  readonly plain: Uint8Array;
}

/** From the GCM specification (McGrew and Viega, test cases 1 to 3 and 13 to 15) and NIST's CAVP (gcmEncryptExtIV). */
const vectors = [
  ['00'.repeat(16), '00'.repeat(12), '', '', '', '58e2fccefa7e3061367f1d57a4e7455a'],
  [
    ...['00'.repeat(16), '00'.repeat(12), '', '00'.repeat(16)],
    ...['0388dace60b6a392f328c2b971b2fe78', 'ab6e47d42cec13bdf53a67b21257bddf'],
  ],
  [
    ...['feffe9928665731c6d6a8f9467308308', 'cafebabefacedbaddecaf888', ''],
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255',
    '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985',
    '4d5c2af327cd64a62cf35abd2ba6fab4',
  ],
  ['00'.repeat(32), '00'.repeat(12), '', '', '', '530f8afbc74536b9a963b4f1c4cb738b'],
  [
    ...['00'.repeat(32), '00'.repeat(12), '', '00'.repeat(16)],
    ...['cea7403d4d606b6e074ec5d3baf39d18', 'd0d1c8a799996bf0265b98b5d48ab919'],
  ],
  [
    ...['feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308', 'cafebabefacedbaddecaf888', ''],
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255',
    '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad',
    'b094dac5d93471bdec1a502270e3cc6c',
  ],
  [
    ...['c939cc13397c1d37de6ae0e1cb7c423c', 'b3d8cc017cbb89b39e0f67e2', '24825602bd12a984e0092d3e448eda5f'],
    ...['c3b3c41f113a31b73d9a5cd432103069', '93fe7d9e9bfd10348a5606e5cafa7354', '0032a1dc85f1c9786925a2e71d8272dd'],
  ],
  [
    '92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b',
    ...['ac93a1a6145299bde902f21a', '1e0889016f67601c8ebea4943bc23ad6', '2d71bcfa914e4ac045b2aa60955fad24'],
    ...['8995ae2e6df3dbf96fac7b7137bae67f', 'eca5aa77d51d4a0a14d9c51e1da474ab'],
  ],
] as const;

test('what this processor has passes its self-test, and the self-test minds every bit', () => {
  for (const { number, isRight, name } of engines) {
    assert.ok(isRight, name);
    assert.ok(native.aesGcmSelfTest(number, 128), name);
    for (let bit = 0; bit < 128; bit++) assert.ok(!native.aesGcmSelfTest(number, bit), `${name} bit ${bit}`);
  }
  assert.deepEqual(failedEngines(), []);
});

for (const { name, number } of engines) {
  test(`${name}: the published vectors`, () => {
    for (const vector of vectors) {
      const [key, nonce, ad, plain, ciphertext, tag] = vector.map((hex) => Buffer.from(hex, 'hex')) as Bytes;
      assert.deepEqual(seal(number, { key, nonce, ad, plain }), { ciphertext, tag });
      assert.deepEqual(open(number, { key, nonce, ad }, ciphertext, tag), plain);
    }
  });

  test(`${name}: every length to 2,048 bytes seals as node:crypto does, and opens`, () => {
    for (let length = 0; length <= 2048; length++) {
      const packet = random(keyLengths[length % 2] ?? 16, length, (length >> 1) % 17);
      const sealed = seal(number, packet);
      assert.deepEqual(sealed, expected(packet), `${length} bytes`);
      assert.deepEqual(open(number, packet, sealed.ciphertext, sealed.tag), packet.plain, `${length} bytes`);
    }
  });

  test(`${name}: packets so long that the counter's last byte turns over, and beyond the powers that a key keeps`, () => {
    const lengths = [240, 255, 256, 4031, 4032, 4064, 4065, 4079, 4080, 4096, 4097, 65_535, 65_536, 70_001];
    for (const blocks of [95, 96, 97, 191, 192, 193, 288]) lengths.push(16 * blocks - 1, 16 * blocks, 16 * blocks + 1);
    for (const length of lengths) {
      for (const keyLength of keyLengths) {
        const packet = random(keyLength, length, 8);
        const sealed = seal(number, packet);
        assert.deepEqual(sealed, expected(packet), `${length} bytes`);
        assert.deepEqual(open(number, packet, sealed.ciphertext, sealed.tag), packet.plain, `${length} bytes`);
      }
    }
  });

  test(`${name}: wherever bytes lie, and over each other, the same comes out and nothing beyond is touched`, () => {
    fc.assert(
      fc.property(
        place,
        place,
        place,
        fc.nat({ max: 1600 }),
        fc.nat({ max: 16 }),
        (from, to, tagAt, length, adLength) => {
          const packet = random(keyLengths[length % 2] ?? 16, length, adLength);
          const { ciphertext, tag } = expected(packet);
          const input = at(from, packet.plain);
          const [output, tags] = [at(to, new Uint8Array(length)), at(tagAt, new Uint8Array(16))];
          const [nonce, ad] = [at(to, packet.nonce), at(from, packet.ad)];
          native.aesGcm(number, 1, packet.key, nonce.bytes, ad.bytes, input.bytes, output.bytes, tags.bytes);
          assert.deepEqual([Buffer.from(output.bytes), Buffer.from(tags.bytes)], [ciphertext, tag]);
          // In place.
          native.aesGcm(number, 1, packet.key, nonce.bytes, ad.bytes, input.bytes, input.bytes, tags.bytes);
          assert.deepEqual([Buffer.from(input.bytes), Buffer.from(tags.bytes)], [ciphertext, tag]);
          assert.ok(native.aesGcm(number, 0, packet.key, nonce.bytes, ad.bytes, input.bytes, input.bytes, tags.bytes));
          assert.deepEqual(Buffer.from(input.bytes), packet.plain);
          for (const one of [input, output, tags, nonce, ad]) assert.ok(one.isGuardIntact());
        },
      ),
      { numRuns: 300 },
    );
  });

  test(`${name}: a turned bit of tag, ciphertext, additional data, nonce or key is noticed`, () => {
    for (const length of [0, 1, 16, 63, 257, 1400]) {
      const packet = random(32, length, 8);
      const { ciphertext, tag } = seal(number, packet);
      for (const part of [tag, ciphertext, packet.ad, packet.nonce, packet.key]) {
        const step = part.length > 100 ? 37 : 1;
        for (let bit = 0; bit < 8 * part.length; bit += step) {
          flip(part, bit);
          assert.equal(
            open(number, packet, ciphertext, tag),
            undefined,
            `${length} bytes, bit ${bit} of ${part.length}`,
          );
          flip(part, bit);
        }
      }
      assert.deepEqual(open(number, packet, ciphertext, tag), packet.plain);
    }
  });
}

test('engines that do not exist, and lengths that do not fit, throw', () => {
  const [key, nonce, tag, none] = [16, 12, 16, 0].map((size) => new Uint8Array(size)) as Bytes;
  for (const engine of [1, 5, 1000, 0xffff_ffff]) {
    assert.throws(() => native.aesGcm(engine, 1, key, nonce, none, none, none, tag), TypeError);
    assert.throws(() => native.aesGcmSelfTest(engine, 128), TypeError);
  }
  for (const engine of [5, 0xffff_ffff])
    assert.throws(() => native.openvpnAeadCreate(0, new Uint8Array(32), new Uint8Array(8), 4, engine), TypeError);
  const fits = [key, nonce, none, none, none, tag] as const;
  for (let i = 0; i < fits.length; i++) {
    // `map` gives a list of any length where the call takes six; one of them does not fit, on purpose.
    const odd = fits.map((one, n) => (n === i ? new Uint8Array(17) : one)) as unknown as typeof fits;
    for (const { number } of engines) assert.throws(() => native.aesGcm(number, 1, ...odd), TypeError);
  }
});

type Bytes = Buffer[] & { 0: Buffer; 1: Buffer; 2: Buffer; 3: Buffer; 4: Buffer; 5: Buffer };

const place = fc.nat({ max: 70 });

function random(keyLength: number, length: number, adLength: number): Packet {
  const [key, nonce, ad, plain] = [keyLength, 12, adLength, length].map((size) => randomBytes(size)) as Bytes;
  return { key, nonce, ad, plain };
}

function expected({ key, nonce, ad, plain }: Packet): { ciphertext: Buffer; tag: Buffer } {
  const name = `aes-${8 * key.length}-gcm` as CipherGCMTypes;
  const cipher = createCipheriv(name, key, nonce);
  cipher.setAAD(ad);
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
  return { ciphertext, tag: cipher.getAuthTag() };
}

function seal(engine: number, { key, nonce, ad, plain }: Packet): { ciphertext: Buffer; tag: Buffer } {
  const [ciphertext, tag] = [Buffer.alloc(plain.length), Buffer.alloc(16)];
  assert.equal(native.aesGcm(engine, 1, key, nonce, ad, plain, ciphertext, tag), true);
  return { ciphertext, tag };
}

function open(
  engine: number,
  { key, nonce, ad }: Omit<Packet, 'plain'>,
  ciphertext: Buffer,
  tag: Buffer,
): Buffer | undefined {
  const plain = Buffer.alloc(ciphertext.length);
  return native.aesGcm(engine, 0, key, nonce, ad, ciphertext, plain, tag) ? plain : undefined;
}

/** A copy of these bytes at an odd place, with bytes before and after it that are watched. */
function at(offset: number, bytes: Uint8Array): { bytes: Uint8Array; isGuardIntact(): boolean } {
  const all = new Uint8Array(offset + bytes.length + GUARD).fill(0xee);
  const inside = all.subarray(offset, offset + bytes.length);
  inside.set(bytes);
  return {
    bytes: inside,
    isGuardIntact: () => all.every((byte, i) => (i >= offset && i < offset + bytes.length) || byte === 0xee),
  };
}

function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
}
