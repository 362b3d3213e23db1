import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { adjustChecksum, checksum, foldChecksum, pseudoHeaderSum, sumWords } from './checksum.ts';

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

test('the example of RFC 1071 sums to what it says', () => {
  const view = viewOf(hex('0001 f203 f4f5 f6f7'));
  assert.equal(sumWords(view, 0, 8), 0x2_ddf0);
  assert.equal(checksum(view, 0, 8), ~0xddf2 & 0xffff);
});

test('a captured IPv4 header has the checksum that its sender gave it', () => {
  // Linux ping, 192.0.2.1 to 192.0.2.2.
  const header = viewOf(hex('4500 0054 1c46 4000 4001 9a5f c000 0201 c000 0202'));
  assert.equal(checksum(header, 0, 20), 0);
});

test('bytes that hold their own checksum sum to zero, at any length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 70 }), (bytes) => {
      const view = viewOf(bytes);
      view.setUint16(0, 0);
      view.setUint16(0, checksum(view, 0, bytes.length));
      assert.equal(checksum(view, 0, bytes.length), 0);
    }),
  );
});

test('a checksum adjusted for a changed word is right for the changed bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 40 }), fc.nat(0xffff), fc.nat(100), (bytes, word, seed) => {
      const view = viewOf(bytes);
      const at = 2 + 2 * (seed % ((bytes.length >> 1) - 1));
      view.setUint16(0, 0);
      const before = checksum(view, 0, bytes.length);
      const adjusted = adjustChecksum(before, view.getUint16(at), word);
      view.setUint16(at, word);
      view.setUint16(0, adjusted);
      assert.equal(checksum(view, 0, bytes.length), 0);
    }),
  );
});

test('the pseudo-header is part of the sum, in both IP versions', () => {
  // An ICMPv6 echo request, fe80::1 to fe80::2, id 1, sequence 1, no data; the sum by hand.
  const packet = viewOf(
    hex('60000000 0008 3a 40 fe80000000000000 0000000000000001 fe80000000000000 0000000000000002 8000 0000 0001 0001'),
  );
  const sum = pseudoHeaderSum(packet, 6, 8, 58, 8);
  assert.equal(sum, 0xfe80 * 2 + 1 + 2 + 58 + 8);
  assert.equal(foldChecksum(sumWords(packet, 40, 8, sum)), ~(0xfd00 + 1 + 3 + 66 + 0x8000 + 2 - 0x1_0000 + 1) & 0xffff);
  const udp = viewOf(hex('4500 0000 0000 0000 4011 0000 0a080001 0a080002'));
  assert.equal(pseudoHeaderSum(udp, 4, 12, 17, 9), 0x0a08 * 2 + 1 + 2 + 17 + 9);
});
