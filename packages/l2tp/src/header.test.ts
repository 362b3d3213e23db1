import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireError } from '@culvert/wire';
import fc from 'fast-check';
import { xl2tpd } from '../test/capture.ts';
import { bytes, hexOf, packet } from '../test/encoder.ts';
import { DATA_HEADER_BYTES, DataHeader, decodeControl, encodeControl, kindOf, writeDataHeader } from './header.ts';

const viewOf = (packet: Uint8Array) => new DataView(packet.buffer, packet.byteOffset, packet.length);
const read = (text: string) => {
  const header = new DataHeader();
  const packet = bytes(text);
  return header.read(viewOf(packet), 0, packet.length) ? { ...header } : undefined;
};

test('packets of xl2tpd are told apart and read', () => {
  assert.equal(kindOf(viewOf(xl2tpd.sccrq), 0, 98), 'control');
  assert.equal(kindOf(viewOf(xl2tpd.data), 0, xl2tpd.data.length), 'data');
  const { body, ...header } = decodeControl(xl2tpd.zlb);
  assert.deepEqual(header, { tunnelId: 0x5a6f, sessionId: 0xecb1, ns: 2, nr: 4 });
  assert.equal(body.length, 0);
  for (const captured of Object.values(xl2tpd)) {
    if (captured !== xl2tpd.data) assert.deepEqual(encodeControl(decodeControl(captured)), captured);
  }
});

test('other versions and stumps are no L2TP', () => {
  const kinds = ['c803000c000000000000', '4003000000000000', '2001000000000000', 'c802000c00'].map((text) =>
    kindOf(viewOf(bytes(text)), 0, text.length / 2),
  );
  assert.deepEqual(kinds, ['version', 'version', 'version', 'short']);
});

test('a control packet needs T, L and S, no offset, and a length that holds', () => {
  for (const flags of ['8802', 'c002', 'ca02', '8002', 'c803']) {
    assert.throws(() => decodeControl(bytes(`${flags}000c0001000200030004`)), WireError);
  }
  assert.throws(() => decodeControl(bytes('c802000b0001000200030004')), WireError);
  assert.throws(() => decodeControl(bytes('c802000d0001000200030004')), WireError);
  assert.equal(decodeControl(bytes('c802000c0001000200030004ffff')).body.length, 0, 'padding is cut');
});

test('a data header is read with every combination of L, S, O and P', () => {
  for (let bits = 0; bits < 16; bits++) {
    const [l, s, o, p] = [1, 2, 4, 8].map((bit) => (bits & bit) !== 0);
    const flags = (l ? 0x4000 : 0) | (s ? 0x0800 : 0) | (o ? 0x0200 : 0) | (p ? 0x0100 : 0) | 2;
    const length = 6 + (l ? 2 : 0) + (s ? 4 : 0) + (o ? 5 : 0) + 3;
    const text = [
      flags.toString(16).padStart(4, '0'),
      l ? length.toString(16).padStart(4, '0') : '',
      '00070008',
      s ? 'fffe0000' : '',
      o ? '0003aaaaaa' : '',
      'ff03c0',
    ].join('');
    assert.deepEqual(read(text), {
      tunnelId: 7,
      sessionId: 8,
      ns: s ? 0xfffe : undefined,
      frameAt: length - 3,
      frameLength: 3,
    });
    for (let cut = 2; cut < text.length - 6; cut += 2) {
      const stump = read(text.slice(0, cut));
      if (stump !== undefined) assert.ok(stump.frameAt + stump.frameLength <= cut / 2);
    }
  }
  assert.equal(read('4002000700070008ff'), undefined, 'a length inside the header');
  assert.equal(read('4002000a00070008ff'), undefined, 'a length past the end');
  assert.equal(read('020200070008ffff'), undefined, 'an offset past the end');
});

test('what is written is read again, both ways', () => {
  const u16 = fc.integer({ min: 0, max: 0xffff });
  fc.assert(
    fc.property(u16, u16, fc.option(u16, { nil: undefined }), fc.uint8Array({ maxLength: 40 }), (t, s, ns, frame) => {
      const arena = new Uint8Array(DATA_HEADER_BYTES + frame.length);
      arena.set(frame, DATA_HEADER_BYTES);
      const ids = { tunnelId: t, sessionId: s };
      const bytes = writeDataHeader(viewOf(arena), DATA_HEADER_BYTES, frame.length, ids, ns);
      const header = new DataHeader();
      assert.ok(header.read(viewOf(arena), DATA_HEADER_BYTES - bytes, bytes + frame.length));
      assert.deepEqual({ ...header }, { ...ids, ns, frameAt: DATA_HEADER_BYTES, frameLength: frame.length });
    }),
  );
  fc.assert(
    fc.property(u16, u16, u16, u16, fc.uint8Array(), (tunnelId, sessionId, ns, nr, body) => {
      const packed = encodeControl({ tunnelId, sessionId, ns, nr, body });
      assert.deepEqual(decodeControl(packed), { tunnelId, sessionId, ns, nr, body });
      assert.deepEqual(packed, packet(tunnelId, sessionId, ns, nr, hexOf(body)));
    }),
  );
});
