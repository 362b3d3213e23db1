import assert from 'node:assert/strict';
import { createDecipheriv } from 'node:crypto';
import { test } from 'node:test';
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import fc from 'fast-check';
import { type EspPeerPacket, espPeerPacket, espSuites } from '../../test/esp-peer.ts';
import { batchOf, packet, packetsOf } from '../../test/packets.ts';
import {
  createEspKey,
  ESP_INNER_IP,
  type EspAlgorithms,
  type EspKey,
  EspReplayWindow,
  EspReport,
  espKeyLengths,
  espSealedLength,
} from '../index.ts';

const implementations = ['native', 'portable'] as const;
type Implementation = (typeof implementations)[number];
const SPI = 0x1234_5678;
const some = espSuites.filter((one) => one.encryption === 'aes-gcm-16' || one.integrity === 'hmac-sha2-256-128');
const encryptionKey = (algorithms: EspAlgorithms) =>
  Uint8Array.from({ length: espKeyLengths(algorithms).encryption }, (_, i) => 3 * i + 1);
const integrityKey = (algorithms: EspAlgorithms) =>
  Uint8Array.from({ length: espKeyLengths(algorithms).integrity }, (_, i) => 5 * i + 2);

const keysOf = (algorithms: EspAlgorithms) => ({
  spi: SPI,
  encryptionKey: encryptionKey(algorithms),
  integrityKey: integrityKey(algorithms),
});

function create(implementation: Implementation, algorithms: EspAlgorithms, esn = false): EspKey {
  return createEspKey({ algorithms, keys: keysOf(algorithms), esn, implementation });
}

function peerPacket(algorithms: EspAlgorithms, plain: Uint8Array, options: EspPeerPacket = {}): Buffer {
  return espPeerPacket(algorithms, keysOf(algorithms), plain, options);
}

/** 14 bytes of payload that need no padding in any cipher. */
const plainOf = (payload = Buffer.from('fourteen bytes'), trailer = [0, 17]) =>
  Buffer.concat([payload, Buffer.from(trailer)]);

interface Opened {
  readonly next: number;
  readonly packets: Buffer[];
  /** accepted, failed, replayed, malformed, padding, nextHeader, dummy, bytes */
  readonly report: number[];
}

function open(
  key: EspKey,
  packets: readonly Uint8Array[],
  { replay = new EspReplayWindow(), nextHeader = 17, dst = createPacketBatch(200, 400_000) } = {},
): Opened {
  const report = new Uint32Array(EspReport.words).fill(99);
  const next = key.open(batchOf(packets), 0, packets.length, dst, replay, nextHeader, report);
  return { next, packets: packetsOf(dst), report: [...report].slice(0, EspReport.packets) };
}

function seal(key: EspKey, payloads: readonly Uint8Array[], sequence = 1, nextHeader = 17): PacketBatch {
  const dst = createPacketBatch(200, 400_000);
  assert.equal(key.seal(batchOf(payloads), 0, dst, sequence, nextHeader), payloads.length);
  return dst;
}

for (const implementation of implementations) {
  test(`${implementation}: a peer's packets open with every algorithm, with ESN and without`, () => {
    for (const algorithms of espSuites) {
      const opened = open(create(implementation, algorithms), [peerPacket(algorithms, plainOf())]);
      assert.deepEqual(opened.packets, [Buffer.from('fourteen bytes')], JSON.stringify(algorithms));
      assert.deepEqual(opened.report, [1, 0, 0, 0, 0, 0, 0, 14]);
      const key = create(implementation, algorithms, true);
      const replay = new EspReplayWindow({ esn: true });
      replay.mark(2 ** 32 + 5);
      const right = peerPacket(algorithms, plainOf(), { sequence: 6, high: 1 });
      const wrong = peerPacket(algorithms, plainOf(), { sequence: 7, high: 0 });
      assert.deepEqual(open(key, [right, wrong], { replay }).report, [1, 1, 0, 0, 0, 0, 0, 14]);
    }
  });

  test(`${implementation}: a packet is laid out as RFC 4303 draws it, padded 1, 2, 3, its IV never the same`, () => {
    for (const algorithms of some) {
      const key = create(implementation, algorithms);
      for (let length = 1; length < 40; length++) {
        const payload = Buffer.alloc(length, 0xab);
        const sealed = seal(key, [payload, payload], 7);
        const [one, two] = packetsOf(sealed) as [Buffer, Buffer];
        assert.equal(one.length, espSealedLength(algorithms, length));
        assert.deepEqual([one.readUInt32BE(0), one.readUInt32BE(4), two.readUInt32BE(4)], [SPI, 7, 8]);
        assert.deepEqual([...sealed.tags.subarray(0, 2)], [100, 101]);
        if (algorithms.encryption === 'aes-gcm-16') {
          assert.equal(one.readBigUInt64BE(8), 7n);
          continue;
        }
        const block = algorithms.encryption === 'aes-cbc' ? 16 : 8;
        const name = block === 8 ? 'des-ede3-cbc' : `aes-${8 * algorithms.keyBytes}-cbc`;
        assert.notDeepEqual(one.subarray(8, 8 + block), two.subarray(8, 8 + block));
        const decipher = createDecipheriv(name, encryptionKey(algorithms), one.subarray(8, 8 + block));
        decipher.setAutoPadding(false);
        const plain = decipher.update(one.subarray(8 + block, one.length - 16));
        const padding = plain.length - length - 2;
        assert.ok(padding < block);
        const trailer = [...Array.from({ length: padding }, (_, i) => i + 1), padding, 17];
        assert.deepEqual([...plain], [...payload, ...trailer]);
      }
    }
  });

  test(`${implementation}: a packet with any byte changed, or cut short, is refused and does not move the window`, () => {
    for (const algorithms of some) {
      const key = create(implementation, algorithms);
      const packet = packetsOf(seal(key, [Buffer.from('to be kept whole')], 9))[0] ?? Buffer.alloc(0);
      const replay = new EspReplayWindow();
      for (let at = 0; at < packet.length; at++) {
        const changed = Buffer.from(packet);
        changed[at] = (packet[at] ?? 0) ^ 0x10;
        const dst = createPacketBatch(1, 1000);
        const { report } = open(key, [changed, packet.subarray(0, at)], { replay, dst });
        assert.equal(report[EspReport.accepted], 0, `byte ${at}`);
        assert.ok(!dst.arena.includes(0x6b), 'nothing is left to be read');
      }
      assert.equal(replay.highest, 0);
      assert.equal(open(key, [packet], { replay }).report[EspReport.accepted], 1);
    }
  });

  test(`${implementation}: what is replayed or older than the window is dropped`, () => {
    for (const algorithms of some) {
      const key = create(implementation, algorithms);
      const at = (sequence: number) => peerPacket(algorithms, plainOf(), { sequence });
      const replay = new EspReplayWindow({ size: 1024 });
      const order = [1, 1, 2000, 977, 976, 977, 2000, 1999, 0xffff_ffff, 2001].map(at);
      assert.deepEqual(open(key, order, { replay }).report.slice(0, 3), [5, 0, 5]);
      assert.deepEqual(open(key, [at(0)]).report.slice(0, 3), [0, 0, 1], 'no packet has sequence number 0');
    }
  });

  test(`${implementation}: authentic packets of wrong padding or next header are dropped, dummies too, each counted`, () => {
    const gcm = { encryption: 'aes-gcm-16', keyBytes: 32 } as const;
    for (const algorithms of some) {
      const wrong = [
        plainOf(Buffer.alloc(14), [1, 17]),
        plainOf(Buffer.alloc(14), [15, 17]),
        plainOf(Buffer.alloc(14), [255, 17]),
        plainOf(Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4]), [3, 17]),
        plainOf(undefined, [0, 6]),
        plainOf(undefined, [0, 59]),
      ];
      const packets = wrong.map((plain, i) => peerPacket(algorithms, plain, { sequence: i + 1 }));
      const opened = open(create(implementation, algorithms), [...packets, Buffer.alloc(0), Buffer.alloc(9)]);
      assert.deepEqual(opened.report, [0, 0, 0, 2, 4, 1, 1, 0]);
      assert.deepEqual(opened.packets, []);
    }
    const uneven = peerPacket(gcm, Buffer.alloc(15));
    assert.equal(open(create(implementation, gcm), [uneven]).report[EspReport.malformed], 1);
  });

  test(`${implementation}: in tunnel mode each packet says its own version, and what is none is not taken`, () => {
    const ipv4 = packet({ payload: Buffer.alloc(30) });
    const ipv6 = packet({ version: 6, payload: Buffer.alloc(30) });
    for (const algorithms of some) {
      const key = create(implementation, algorithms);
      const sealed = seal(key, [ipv4, Buffer.alloc(40, 0x51), ipv6, ipv4.subarray(0, 19)], 1, ESP_INNER_IP);
      assert.equal(key.skipped.malformed, 2);
      const tunnel = open(create(implementation, algorithms), packetsOf(sealed), { nextHeader: ESP_INNER_IP });
      assert.deepEqual(tunnel.packets, [ipv4, ipv6]);
      const numbers = [4, 41].map((nextHeader) =>
        open(create(implementation, algorithms), packetsOf(sealed), { nextHeader }),
      );
      assert.deepEqual(
        numbers.map(({ packets }) => packets),
        [[ipv4], [ipv6]],
      );
      const lies = [
        seal(key, [ipv4], 1, 41),
        seal(key, [ipv6], 2, 4),
        seal(key, [ipv4], 3, 17),
        seal(key, [Buffer.alloc(40)], 4, 0),
      ];
      const opened = open(create(implementation, algorithms), lies.flatMap(packetsOf), { nextHeader: ESP_INNER_IP });
      assert.equal(opened.report[EspReport.nextHeader], 4);
    }
  });

  test(`${implementation}: a full batch stops the work where it can go on`, () => {
    for (const algorithms of some) {
      const key = create(implementation, algorithms);
      const payloads = [1, 2, 3, 4, 5].map((n) => Buffer.alloc(100, n));
      const [few, rest] = [createPacketBatch(2, 1000), createPacketBatch(9, 1000)];
      assert.equal(key.seal(batchOf(payloads), 0, few, 1, 17), 2);
      assert.equal(key.seal(batchOf(payloads), 2, rest, 3, 17), 5);
      const tight = createPacketBatch(9, 250);
      const replay = new EspReplayWindow();
      const packets = [few, rest].flatMap(packetsOf);
      assert.equal(open(key, packets, { dst: tight, replay }).next, 2);
      assert.deepEqual(open(key, packets.slice(2), { replay }).packets, payloads.slice(2));
    }
  });

  test(`${implementation}: mistakes of the caller throw; a closed key works no more`, () => {
    const gcm = { encryption: 'aes-gcm-16', keyBytes: 32 } as const;
    const key = create(implementation, gcm);
    const src = batchOf([Buffer.alloc(9), Buffer.alloc(9)]);
    const dst = createPacketBatch(4, 400);
    for (const sequence of [0, -1, 1.5, 0xffff_ffff, 2 ** 32])
      assert.throws(() => key.seal(src, 0, dst, sequence, 17), RangeError);
    assert.throws(() => key.seal(src, 0, dst, 1, 257), RangeError);
    const words = new Uint32Array(EspReport.words);
    assert.throws(() => key.open(src, 0, 1, dst, new EspReplayWindow({ esn: true }), 17, words), TypeError);
    assert.throws(() => key.open(src, 0, 1, dst, new EspReplayWindow(), 17, words.subarray(1)), TypeError);
    assert.equal(dst.count, 0);
    key.close();
    key.close();
    assert.throws(() => key.seal(src, 0, dst, 1, 17), { code: 'CULVERT_CIPHER_CLOSED' });
    assert.throws(() => key.open(src, 0, 1, dst, new EspReplayWindow(), 17, words), { code: 'CULVERT_CIPHER_CLOSED' });
    const keys = { spi: 256, encryptionKey: new Uint8Array(36), integrityKey: new Uint8Array(0) };
    assert.throws(() => createEspKey({ algorithms: gcm, keys: { ...keys, spi: 255 }, implementation }), TypeError);
    const short = { ...keys, encryptionKey: new Uint8Array(32) };
    assert.throws(() => createEspKey({ algorithms: gcm, keys: short, implementation }), TypeError);
  });
}

test('native and portable do the same, whatever comes', () => {
  const arbitrary = fc.record({
    algorithms: fc.constantFrom(...espSuites),
    esn: fc.boolean(),
    start: fc.constantFrom(1, 2 ** 31, 2 ** 32 - 40),
    payloads: fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 12 }),
    order: fc.array(fc.record({ of: fc.nat(11), flip: fc.option(fc.nat(400)) }), { maxLength: 24 }),
    size: fc.constantFrom(1, 32, 1024),
  });
  fc.assert(
    fc.property(arbitrary, ({ algorithms, esn, start, payloads, order, size }) => {
      const results = implementations.map((implementation) => {
        const key = create(implementation, algorithms, esn);
        const packets = packetsOf(seal(key, payloads, start));
        const received = order.map(({ of, flip }) => {
          const packet = Buffer.from(packets[of] ?? []);
          if (flip !== null && flip < packet.length) packet[flip] = (packet[flip] ?? 0) ^ 1;
          return packet;
        });
        const replay = new EspReplayWindow({ size, esn });
        return { packets, opened: open(key, received, { replay }), window: [...replay.state] };
      });
      assert.deepEqual(results[0], results[1]);
    }),
    { numRuns: 400 },
  );
});

test('the high half of a sequence number is the one nearest to the window (RFC 4303, appendix A2)', () => {
  const after = (highest: number) => {
    const replay = new EspReplayWindow({ size: 64, esn: true });
    replay.mark(highest);
    return (low: number) => replay.sequenceOf(low);
  };
  const half = 2 ** 32;
  const inside = after(3 * half + 1000);
  assert.deepEqual([937, 5000, half - 1, 936, 0].map(inside), [
    ...[3 * half + 937, 3 * half + 5000, 4 * half - 1, 4 * half + 936, 4 * half],
  ]);
  const across = after(3 * half + 10);
  assert.deepEqual([half - 53, half - 1, half - 54, 0, 10, 11].map(across), [
    ...[3 * half - 53, 3 * half - 1, 4 * half - 54, 3 * half, 3 * half + 10, 3 * half + 11],
  ]);
  assert.equal(after(10)(half - 1), half - 1, 'nothing lies below the first half');
});
