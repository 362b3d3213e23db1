import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

type Field = { readonly kind: 'u8' | 'u16' | 'u24' | 'u32'; readonly value: number };
const widths = { u8: 0xff, u16: 0xffff, u24: 0xff_ffff, u32: 0xffff_ffff };
const field: fc.Arbitrary<Field> = fc
  .constantFrom('u8', 'u16', 'u24', 'u32')
  .chain((kind) => fc.nat(widths[kind]).map((value) => ({ kind, value })));

test('fields are read as they were written, whatever their order', () => {
  fc.assert(
    fc.property(fc.array(field), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.uint8Array(), (fields, big, tail) => {
      const writer = new Writer(1);
      for (const { kind, value } of fields) writer[kind](value);
      const written = writer.u64(big).bytes(tail).finish();
      assert.equal(written.length, writer.length);
      const reader = new Reader(written);
      for (const { kind, value } of fields) assert.equal(reader[kind](kind), value);
      assert.equal(reader.u64('big'), big);
      assert.deepEqual(reader.rest(), tail);
      assert.equal(reader.remaining, 0);
    }),
  );
});

test('a field that the input does not hold is named, and nothing of it is consumed', () => {
  const reader = new Reader(Uint8Array.of(1, 2, 3));
  assert.throws(() => reader.u32('session id'), /session id wants 4 bytes, 3 are left/);
  assert.throws(() => reader.bytes(4, 'name'), { code: 'CULVERT_WIRE_TRUNCATED' });
  assert.equal(reader.u24('id'), 0x010203);
});

test('a reader of a part of a buffer stays inside of it', () => {
  const whole = Uint8Array.of(9, 1, 2, 9);
  const reader = new Reader(whole.subarray(1, 3));
  assert.equal(reader.u16('both'), 0x0102);
  assert.throws(() => reader.u8('more'), { code: 'CULVERT_WIRE_TRUNCATED' });
});

test('what a writer finished does not change when more is written', () => {
  const writer = new Writer();
  const first = writer.u8(1).finish();
  writer.u8(2);
  assert.deepEqual(first, Uint8Array.of(1));
});
