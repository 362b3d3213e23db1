import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import fc from 'fast-check';
import { EVERY_CONTROL, encodeHdlc, fcs16, HdlcDecoder } from './hdlc.ts';

const frameBytes = fc.uint8Array({ minLength: 1, maxLength: 200 });

test('the check sequence is the one of RFC 1662, appendix C', () => {
  // The check value of this CRC (X.25) over "123456789"; sent as its complement, least significant byte first.
  const text = new TextEncoder().encode('123456789');
  assert.equal(~fcs16(text) & 0xffff, 0x906e);
  assert.equal(fcs16(Uint8Array.of(...text, 0x6e, 0x90)), 0xf0b8);
});

test('the first request of a pppd is framed as it frames it', () => {
  const frame = Buffer.from('ff03c021010100140206000000000506aabbccdd07020802', 'hex');
  const sent = Buffer.from(encodeHdlc(frame)).toString('hex');
  assert.match(sent, /^7eff7d23c0217d217d217d207d347d227d267d207d207d207d207d257d26aabbccdd7d277d227d287d22/);
  assert.match(sent, /7e$/);
  const bare = Buffer.from(encodeHdlc(frame, 0)).toString('hex');
  assert.match(bare, /^7eff03c02101010014/);
});

test('frames survive any cut, whatever is escaped', () => {
  fc.assert(
    fc.property(fc.array(frameBytes, { maxLength: 6 }), fc.integer({ min: 0, max: 0xffff_ffff }), (frames, map) => {
      const line = Buffer.concat(frames.map((frame) => encodeHdlc(frame, map)));
      const decoder = new HdlcDecoder(300);
      const random = seededRandom(map);
      const out: Uint8Array[] = [];
      for (let at = 0; at < line.length; ) {
        const end = at + 1 + random.integer(20);
        out.push(...decoder.push(line.subarray(at, end)));
        at = end;
      }
      assert.deepEqual(out, frames);
      assert.deepEqual(decoder.stats, { frames: frames.length, wrong: 0, tooLong: 0, aborted: 0 });
    }),
  );
});

test('escaped lines have neither flag nor control character inside', () => {
  fc.assert(
    fc.property(frameBytes, (frame) => {
      const inner = encodeHdlc(frame, EVERY_CONTROL).subarray(1, -1);
      assert.ok(inner.every((byte) => byte >= 0x20 && byte !== 0x7e));
    }),
  );
});

test('a line that inserts control characters does no harm', () => {
  const decoder = new HdlcDecoder(100);
  decoder.receiveMap = EVERY_CONTROL;
  const frame = Uint8Array.of(0xff, 0x03, 0x11, 0x13, 0x7e);
  const line = [...encodeHdlc(frame)].flatMap((byte) => [byte, 0x11]);
  assert.deepEqual(decoder.push(Uint8Array.from(line)), [frame]);
});

test('wrong, aborted and endless frames are counted, and the next one is read', () => {
  const decoder = new HdlcDecoder(50);
  const good = encodeHdlc(Uint8Array.of(1, 2, 3));
  const wrong = Uint8Array.from(good);
  wrong[6] = (wrong[6] ?? 0) ^ 1;
  const line = [
    Uint8Array.of(1, 2, 3), // before the first flag
    wrong,
    Uint8Array.of(0x41, 0x7d, 0x7e), // aborted
    new Uint8Array(1_000).fill(0x41),
    Uint8Array.of(0x7e, 0x7e, 0x41, 0x42, 0x7e), // empty, then shorter than its check sequence
    good,
  ];
  assert.deepEqual(
    line.flatMap((bytes) => decoder.push(bytes)),
    [Uint8Array.of(1, 2, 3)],
  );
  assert.deepEqual(decoder.stats, { frames: 1, wrong: 2, tooLong: 1, aborted: 1 });
});

test('any bytes are taken', () => {
  const decoder = new HdlcDecoder(100);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      for (const frame of decoder.push(bytes)) assert.ok(frame.length <= 100);
    }),
  );
});
