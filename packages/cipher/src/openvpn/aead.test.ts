import assert from 'node:assert/strict';
import { type CipherGCMTypes, createCipheriv, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import fc from 'fast-check';
import { type AeadName, createOpenvpnAeadKey, type OpenvpnAeadKey, overhead } from '../index.ts';

const ciphers: readonly AeadName[] = ['AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305'];
const formats = ['v1', 'v2'] as const;
const implementations = ['native', 'portable'] as const;

const key = (cipher: AeadName) => Uint8Array.from({ length: cipher === 'AES-128-GCM' ? 16 : 32 }, (_, i) => i + 1);
const implicitIv = Uint8Array.of(0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7);

function create(implementation: 'native' | 'portable', cipher: AeadName, format: 'v1' | 'v2'): OpenvpnAeadKey {
  return createOpenvpnAeadKey({ cipher, key: key(cipher), implicitIv, format, implementation });
}

/** A batch of these packets with a byte between them, tagged 100 and up. */
function batchOf(packets: readonly Uint8Array[]): PacketBatch {
  const batch = createPacketBatch(
    packets.length,
    packets.reduce((sum, packet) => sum + packet.length + 1, 0),
  );
  for (const packet of packets) {
    batch.arena.set(packet, batch.used);
    batch.offsets[batch.count] = batch.used;
    batch.lengths[batch.count] = packet.length;
    batch.tags[batch.count] = 100 + batch.count;
    batch.used += packet.length + 1;
    batch.count++;
  }
  return batch;
}

function packetsOf(batch: PacketBatch): Buffer[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const at = batch.offsets[i] ?? 0;
    return Buffer.from(batch.arena.subarray(at, at + (batch.lengths[i] ?? 0)));
  });
}

/** All that a call may change, for comparing two implementations. */
function stateOf(batch: PacketBatch): unknown {
  const { count, used, offsets, lengths, tags, arena } = batch;
  return { count, used, offsets: [...offsets], lengths: [...lengths], tags: [...tags], arena: Buffer.from(arena) };
}

for (const implementation of implementations) {
  test(`${implementation}: a v2 datagram is header, packet id, tag and ciphertext, the first eight bytes authenticated`, () => {
    for (const cipher of ciphers) {
      const dst = createPacketBatch(1, 100);
      create(implementation, cipher, 'v2').seal(batchOf([Buffer.from('hello')]), 0, dst, 0x48_00_00_07, 0x01_02_03_04);
      const ad = Buffer.from('4800000701020304', 'hex');
      assert.deepEqual(packetsOf(dst), [expected(cipher, ad, ad)]);
    }
  });

  test(`${implementation}: a v1 datagram has a header of one byte, which is not authenticated`, () => {
    for (const cipher of ciphers) {
      const dst = createPacketBatch(1, 100);
      create(implementation, cipher, 'v1').seal(batchOf([Buffer.from('hello')]), 0, dst, 0x30, 0x01_02_03_04);
      const start = Buffer.from('3001020304', 'hex');
      assert.deepEqual(packetsOf(dst), [expected(cipher, start, start.subarray(1))]);
    }
  });

  test(`${implementation}: what was sealed opens, with its packet id`, () => {
    for (const cipher of ciphers) {
      for (const format of formats) {
        const sealing = create(implementation, cipher, format);
        const opening = create(implementation, cipher, format);
        const packets = [1, 20, 0, 1400, 9000].map((size) => randomBytes(size));
        const [sealed, opened] = [createPacketBatch(8, 20_000), createPacketBatch(8, 20_000)];
        assert.equal(sealing.seal(batchOf(packets), 0, sealed, 0x48, 7), 5);
        assert.deepEqual(
          [...sealed.tags.subarray(0, 4)],
          [100, 101, 103, 104],
          'tags are carried, the empty one left out',
        );
        assert.equal(sealed.lengths[0], 1 + overhead[format]);

        assert.equal(opening.open(sealed, 0, 4, opened), 4);
        assert.deepEqual(
          packetsOf(opened),
          packets.filter((packet) => packet.length > 0),
        );
        assert.deepEqual([...opened.tags.subarray(0, 4)], [7, 8, 9, 10]);
      }
    }
  });

  test(`${implementation}: a packet that fails leaves an empty slot in its place and nothing of it to read`, () => {
    const one = create(implementation, 'AES-256-GCM', 'v2');
    const sealed = createPacketBatch(3, 5000);
    const packets = [1, 2, 3].map((n) => Buffer.alloc(1000, n));
    one.seal(batchOf(packets), 0, sealed, 0x48, 1);
    const last = (sealed.offsets[1] ?? 0) + (sealed.lengths[1] ?? 0) - 1;
    sealed.arena[last] = (sealed.arena[last] ?? 0) ^ 1;
    const opened = createPacketBatch(3, 5000);
    opened.arena.fill(0xee);

    assert.equal(one.open(sealed, 0, 2, opened), 2);
    assert.deepEqual(packetsOf(opened), [packets[0], Buffer.alloc(0)]);
    assert.deepEqual([...opened.tags], [1, 0, 0]);
    assert.equal(opened.used, 1000);
    assert.ok(!opened.arena.subarray(1000).includes(2), 'no byte of the plaintext is left');
    assert.equal(one.open(sealed, 2, 1, opened), 3);
    assert.deepEqual(packetsOf(opened)[2], packets[2]);
  });

  test(`${implementation}: an empty packet that someone sealed opens as one with a packet id`, () => {
    const one = create(implementation, 'AES-256-GCM', 'v2');
    const ad = Buffer.from('4800000701020304', 'hex');
    const src = batchOf([expected('AES-256-GCM', ad, ad, '')]);
    const dst = createPacketBatch(1, 0);
    assert.equal(one.open(src, 0, 1, dst), 1);
    assert.deepEqual([dst.count, dst.lengths[0], dst.tags[0]], [1, 0, 0x01_02_03_04]);
  });

  test(`${implementation}: a full batch stops the work where it can go on`, () => {
    const one = create(implementation, 'AES-256-GCM', 'v2');
    const src = batchOf([1, 2, 3, 4, 5].map((n) => Buffer.alloc(100, n)));
    const fewSlots = createPacketBatch(2, 10_000);
    assert.equal(one.seal(src, 0, fewSlots, 0x48, 1), 2);
    const fewBytes = createPacketBatch(10, 3 * 124 + 123);
    assert.equal(one.seal(src, 2, fewBytes, 0x48, 3), 5);
    assert.equal(one.seal(src, 4, fewBytes, 0x48, 6), 4);
    const opened = createPacketBatch(10, 250);
    assert.equal(one.open(fewBytes, 0, 3, opened), 2);
    assert.deepEqual([...opened.tags.subarray(0, 2)], [3, 4]);
  });

  test(`${implementation}: mistakes of the caller throw and change nothing`, () => {
    const one = create(implementation, 'AES-256-GCM', 'v2');
    const src = batchOf([Buffer.alloc(50), Buffer.alloc(50)]);
    const dst = createPacketBatch(4, 1000);
    const before = stateOf(dst);
    assert.throws(() => one.seal(src, 0, dst, 0x1_0000_0000, 1), RangeError);
    assert.throws(() => one.seal(src, 0, dst, -1, 1), RangeError);
    assert.throws(() => create(implementation, 'AES-256-GCM', 'v1').seal(src, 0, dst, 0x100, 1), RangeError);
    assert.throws(() => one.seal(src, 3, dst, 0x48, 1), RangeError);
    assert.throws(() => one.seal(src, 0, dst, 0x48, 0xffff_ffff), RangeError);
    assert.throws(() => one.seal(src, 0, dst, 0x48, 1.5), RangeError);
    assert.throws(() => one.open(src, 0, 3, dst), RangeError);
    assert.throws(() => one.open(src, -1, 1, dst), RangeError);
    assert.throws(() => one.seal(src, 0, src, 0x48, 1), TypeError);
    assert.throws(() => one.seal(src, 0, { ...dst, arena: src.arena.subarray(60) }, 0x48, 1), TypeError);
    assert.throws(() => one.seal({ ...src, count: 3 }, 0, dst, 0x48, 1), RangeError);
    assert.throws(() => one.seal(src, 0, { ...dst, used: 1001 }, 0x48, 1), RangeError);
    src.offsets[0] = src.arena.length - 49;
    assert.throws(() => one.seal(src, 0, dst, 0x48, 1), RangeError);
    assert.throws(() => one.open(src, 0, 1, dst), RangeError);
    assert.deepEqual(stateOf(dst), before);
    src.offsets[0] = 0;
    assert.equal(one.seal(src, 0, dst, 0xffff_ffff, 0xffff_fffe), 2, 'the last two packet ids');
  });

  test(`${implementation}: a closed key works no more`, () => {
    const one = create(implementation, 'AES-256-GCM', 'v2');
    one.close();
    one.close();
    const closed = { name: 'CipherError', code: 'CULVERT_CIPHER_CLOSED' };
    assert.throws(() => one.seal(batchOf([Buffer.alloc(1)]), 0, createPacketBatch(1, 100), 0x48, 1), closed);
    assert.throws(() => one.open(batchOf([Buffer.alloc(30)]), 0, 1, createPacketBatch(1, 100)), closed);
  });
}

test('both implementations seal the same, byte for byte and slot for slot', () => {
  fc.assert(
    fc.property(arbitraryCall, ({ cipher, format, packets, first, slots, bytes, id }) => {
      const src = batchOf(packets);
      const results = implementations.map((implementation) => {
        const dst = createPacketBatch(slots, bytes);
        const at = Math.min(first, src.count);
        const next = create(implementation, cipher, format).seal(src, at, dst, 0x4a, id);
        return { next, dst: stateOf(dst) };
      });
      assert.deepEqual(results[0], results[1]);
    }),
    { numRuns: 300 },
  );
});

test('both implementations open the same of forged, cut and foreign datagrams, and never a wrong one', () => {
  const forgery = fc.record({
    packet: fc.nat(),
    byte: fc.nat(),
    bit: fc.integer({ min: 0, max: 7 }),
    cut: fc.boolean(),
  });
  fc.assert(
    fc.property(arbitraryCall, fc.array(forgery, { maxLength: 3 }), (call, forgeries) => {
      const { cipher, format, packets, slots, bytes, id } = call;
      const sealed = createPacketBatch(packets.length, 100_000);
      create('native', cipher, format).seal(batchOf(packets), 0, sealed, 0x4a, id);
      for (const one of forgeries) forge(sealed, one);
      const results = implementations.map((implementation) => {
        const dst = createPacketBatch(slots, bytes);
        dst.arena.fill(0xee);
        const next = create(implementation, cipher, format).open(sealed, 0, sealed.count, dst);
        return { next, dst: stateOf(dst), packets: packetsOf(dst), tags: [...dst.tags] };
      });
      assert.deepEqual(results[0], results[1]);
      const sent = packets.filter((packet) => packet.length > 0).map((packet) => Buffer.from(packet));
      results[0]?.packets.forEach((packet, i) => {
        if (packet.length > 0) assert.deepEqual([packet, results[0]?.tags[i]], [sent[i], id + i]);
      });
    }),
    { numRuns: 300 },
  );
});

test('a single turned bit anywhere in a datagram is noticed, but for the header of v1', () => {
  for (const cipher of ciphers) {
    for (const format of formats) {
      const one = create('native', cipher, format);
      const sealed = createPacketBatch(1, 100);
      one.seal(batchOf([Buffer.from('attack at dawn')]), 0, sealed, 0x48, 1);
      for (let bit = format === 'v1' ? 8 : 0; bit < 8 * sealed.used; bit++) {
        sealed.arena[bit >> 3] = (sealed.arena[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const dst = createPacketBatch(1, 100);
        one.open(sealed, 0, 1, dst);
        assert.deepEqual([dst.lengths[0], dst.tags[0]], [0, 0], `${cipher} ${format} bit ${bit}`);
        sealed.arena[bit >> 3] = (sealed.arena[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      }
    }
  }
});

test('a key that cannot be is refused', () => {
  const good = { cipher: 'AES-256-GCM', key: new Uint8Array(32), implicitIv, format: 'v2' } as const;
  assert.throws(() => createOpenvpnAeadKey({ ...good, key: new Uint8Array(16) }), TypeError);
  assert.throws(() => createOpenvpnAeadKey({ ...good, implicitIv: new Uint8Array(12) }), TypeError);
  assert.throws(() => createOpenvpnAeadKey({ ...good, cipher: 'BF-CBC' as AeadName }), TypeError);
  assert.throws(() => createOpenvpnAeadKey({ ...good, format: 'v3' as 'v2' }), TypeError);
});

test('the native implementation is the default', () => {
  const one = createOpenvpnAeadKey({ cipher: 'AES-128-GCM', key: new Uint8Array(16), implicitIv, format: 'v2' });
  assert.equal(one.implementation, 'native');
});

/** A call of seal that may run out of slots or bytes. */
const arbitraryCall = fc.record({
  cipher: fc.constantFrom(...ciphers),
  format: fc.constantFrom(...formats),
  packets: fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 12 }),
  first: fc.nat({ max: 3 }),
  slots: fc.nat({ max: 14 }),
  bytes: fc.integer({ min: 0, max: 3000 }),
  id: fc.integer({ min: 1, max: 0xffff_ff00 }),
});

function forge(batch: PacketBatch, how: { packet: number; byte: number; bit: number; cut: boolean }): void {
  if (batch.count === 0) return;
  const i = how.packet % batch.count;
  const length = batch.lengths[i] ?? 0;
  if (length === 0) return;
  if (how.cut) batch.lengths[i] = how.byte % length;
  else {
    // Not the first byte: v1 leaves it to its caller.
    const at = (batch.offsets[i] ?? 0) + 1 + (how.byte % (length - 1));
    batch.arena[at] = (batch.arena[at] ?? 0) ^ (1 << how.bit);
  }
}

/** The datagram as written by hand from the format's description. */
function expected(cipher: AeadName, start: Uint8Array, ad: Uint8Array, plain = 'hello'): Buffer {
  const nonce = Buffer.concat([start.subarray(-4), implicitIv]);
  const name = cipher.toLowerCase() as CipherGCMTypes;
  const seal = createCipheriv(name, key(cipher), nonce, { authTagLength: 16 });
  seal.setAAD(ad);
  const ciphertext = Buffer.concat([seal.update(plain), seal.final()]);
  return Buffer.concat([start, seal.getAuthTag(), ciphertext]);
}
