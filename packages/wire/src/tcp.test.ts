import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checksum } from './checksum.ts';
import { clampMaximumSegmentSize, findMaximumSegmentSize } from './tcp.ts';

/** A SYN with these options, padded to whole words, and a right checksum (without a pseudo-header, which clamping does not touch). */
function syn(options: readonly number[]): DataView<ArrayBuffer> {
  const size = 20 + Math.ceil(options.length / 4) * 4;
  const view = new DataView(new ArrayBuffer(size));
  view.setUint16(12, ((size / 4) << 12) | 0x02);
  for (const [i, byte] of options.entries()) view.setUint8(20 + i, byte);
  view.setUint16(16, checksum(view, 0, size));
  return view;
}

const mss = (value: number) => [2, 4, value >> 8, value & 0xff];

test('a segment size above the limit is lowered, and the checksum stays right', () => {
  fc.assert(
    fc.property(fc.nat(65_535), fc.nat(65_535), fc.nat(3), (value, limit, nops) => {
      const view = syn([...new Array<number>(nops).fill(1), ...mss(value), 4, 2]);
      assert.equal(clampMaximumSegmentSize(view, 0, view.byteLength, limit), value > limit);
      assert.equal(view.getUint16(22 + nops), Math.min(value, limit));
      assert.equal(checksum(view, 0, view.byteLength), 0);
    }),
  );
});

test('options before it are stepped over, and a list that ends early has none', () => {
  assert.equal(findMaximumSegmentSize(syn([8, 10, 0, 0, 0, 0, 0, 0, 0, 0, ...mss(1460)]), 0, 36), 32);
  assert.equal(findMaximumSegmentSize(syn([0, 2, 4, 5, 180]), 0, 28), 0);
  assert.equal(findMaximumSegmentSize(syn([]), 0, 20), 0);
});

test('an option list that lies about its lengths is left alone', () => {
  for (const options of [[3, 0, 2, 4], [3, 1, 2, 4], [2, 4, 5], [2, 200, 5, 180], [8, 9, 2, 4], [2, 3, 5, 0], [2]]) {
    const view = syn(options);
    const before = new Uint8Array(view.buffer.slice(0));
    // One byte past the header belongs to somebody else.
    const at = findMaximumSegmentSize(view, 0, 20 + options.length);
    assert.equal(at, 0, options.join());
    assert.equal(clampMaximumSegmentSize(view, 0, 20 + options.length, 1), false);
    assert.deepEqual(new Uint8Array(view.buffer), before);
  }
});

test('no bytes send the reader out of the segment', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 80 }), (bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const at = findMaximumSegmentSize(view, 0, bytes.length);
      assert.ok(at === 0 || (at >= 22 && at + 2 <= bytes.length));
    }),
  );
});
