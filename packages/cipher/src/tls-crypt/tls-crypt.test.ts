import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createTlsCrypt } from './tls-crypt.ts';

const native = createTlsCrypt('native');
const portable = createTlsCrypt('portable');

const keys = fc.uint8Array({ minLength: 128, maxLength: 128 });
const bytes = fc.uint8Array({ maxLength: 1_300 });

test('the native one and its twin seal alike, and each opens what was sealed', () => {
  fc.assert(
    fc.property(keys, bytes, bytes, (key, head, plain) => {
      const [ours, twins] = [new Uint8Array(plain.length + 32), new Uint8Array(plain.length + 32)];
      native.seal(key, head, plain, ours);
      portable.seal(key, head, plain, twins);
      assert.deepEqual(ours, twins);
      for (const crypt of [native, portable]) {
        const opened = new Uint8Array(plain.length);
        assert.equal(crypt.open(key, head, ours, opened), true);
        assert.deepEqual(opened, plain);
      }
    }),
  );
});

for (const crypt of [native, portable]) {
  test(`what was changed in any bit of head, tag or ciphertext is not authentic, and leaves nothing behind (${crypt.implementation})`, () => {
    const key = Uint8Array.from({ length: 128 }, (_, i) => i);
    const head = Uint8Array.of(1, 2, 3);
    const plain = Uint8Array.from({ length: 40 }, (_, i) => i + 1);
    const tagged = new Uint8Array(72);
    crypt.seal(key, head, plain, tagged);
    for (const part of [head, tagged]) {
      for (let bit = 0; bit < part.length * 8; bit++) {
        const flip = () => {
          part[bit >> 3] = (part[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        };
        flip();
        const opened = new Uint8Array(40).fill(9);
        assert.equal(crypt.open(key, head, tagged, opened), false, `bit ${bit}`);
        assert.deepEqual(opened, new Uint8Array(40));
        flip();
      }
    }
    assert.equal(crypt.open(key, head, tagged, new Uint8Array(40)), true);
  });

  test(`lengths that do not fit each other are the caller's mistake (${crypt.implementation})`, () => {
    const [key, head] = [new Uint8Array(128), new Uint8Array(4)];
    assert.throws(() => crypt.seal(key.subarray(1), head, new Uint8Array(8), new Uint8Array(40)), RangeError);
    assert.throws(() => crypt.seal(key, head, new Uint8Array(8), new Uint8Array(39)), RangeError);
    assert.throws(() => crypt.open(key, head, new Uint8Array(31), new Uint8Array(0)), RangeError);
  });
}
