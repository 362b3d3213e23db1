import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeFrame, encodeFrame } from './frame.ts';
import { decodeControlPacket, decodeOptions, encodeControlPacket, encodeOptions } from './packet.ts';

const byte = fc.integer({ min: 0, max: 255 });
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

test('packets survive, and what follows their length is padding', () => {
  fc.assert(
    fc.property(byte, byte, bytes(300), bytes(20), (code, id, body, padding) => {
      const packet = encodeControlPacket(code, id, body);
      assert.deepEqual(decodeControlPacket(Uint8Array.of(...packet, ...padding)), { code, id, body });
      for (let length = 0; length < Math.min(packet.length, 6); length++)
        assert.equal(decodeControlPacket(packet.subarray(0, length < 4 ? length : packet.length - 1)), undefined);
    }),
  );
});

test('a length below the head is no packet', () => {
  for (let length = 0; length < 4; length++)
    assert.equal(decodeControlPacket(Uint8Array.of(1, 1, 0, length, 0, 0)), undefined);
});

test('options survive', () => {
  const option = fc.record({ type: byte, data: bytes(253) }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(option, { maxLength: 12 }), (options) => {
      assert.deepEqual(decodeOptions(encodeOptions(options)), options);
    }),
  );
});

test('any bytes are options that fill them, or none', () => {
  fc.assert(
    fc.property(bytes(80), (body) => {
      const options = decodeOptions(body);
      if (options !== undefined) assert.deepEqual(encodeOptions(options), body);
    }),
  );
  for (const body of [[1], [1, 0], [1, 1], [1, 3], [1, 2, 5], [1, 4, 0, 0, 2]])
    assert.equal(decodeOptions(Uint8Array.from(body)), undefined);
});

test('what no length field can tell is refused at the caller', () => {
  assert.throws(() => encodeControlPacket(1, 1, new Uint8Array(65_532)), RangeError);
  assert.throws(() => encodeOptions([{ type: 1, data: new Uint8Array(254) }]), RangeError);
});

test('frames are read with and without address, control and the upper byte of the protocol', () => {
  const payload = Uint8Array.of(1, 2, 3);
  const ipv4 = { protocol: 0x0021, payload };
  assert.deepEqual(decodeFrame(encodeFrame(0x0021, payload)), ipv4);
  assert.deepEqual(decodeFrame(Uint8Array.of(0x00, 0x21, 1, 2, 3)), ipv4);
  assert.deepEqual(decodeFrame(Uint8Array.of(0xff, 0x03, 0x21, 1, 2, 3)), ipv4);
  assert.deepEqual(decodeFrame(Uint8Array.of(0x21, 1, 2, 3)), ipv4);
  for (const frame of [[], [0xff, 3], [0], [0xc0], [0xc0, 0x22], [0xff, 3, 0xc0, 0x20]])
    assert.equal(decodeFrame(Uint8Array.from(frame)), undefined);
});
