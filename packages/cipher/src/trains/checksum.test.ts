import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createPacketBatch } from '@culvert/base';
import { packet, virtioBatchOf, virtioHeader } from '../../test/packets.ts';
import { createTrains } from './trains.ts';

/** Of TCP behind an IPv4 header without options. */
const CHECKSUM = 20 + 16;

/** As the kernel's skb_checksum_help writes it: a sum of zero as 0xffff, which TCP's receivers take as well. */
function written(payload: Buffer): Buffer {
  const whole = packet({ payload });
  if (whole.readUInt16BE(CHECKSUM) === 0) whole.writeUInt16BE(0xffff, CHECKSUM);
  return whole;
}

const header = virtioHeader({ flags: 1, csumStart: 20, csumOffset: 16 });

test('the checksum of a packet is right whatever its length, and for bytes that sum up to the most', () => {
  const lengths = [...Array(1_600).keys(), 4_096, 9_000, 32_768, 65_495];
  const trains = createTrains('native');
  const one = createPacketBatch(1, 70_000);
  for (const length of lengths) {
    for (const payload of [randomBytes(length), Buffer.alloc(length, 0xff)]) {
      one.count = one.used = 0;
      const partial = virtioBatchOf([{ header, packet: packet({ payload, checksum: 'pseudo' }) }]);
      assert.equal(trains.segment(partial, 0, one), 1);
      assert.deepEqual(Buffer.from(one.arena.subarray(0, one.used)), written(payload), `${length} bytes`);
    }
  }
});

test('a sum of zero is written as 0xffff', () => {
  const trains = createTrains('native');
  // The last word makes up for what the checksum is with zeros there.
  const payload = Buffer.alloc(10);
  payload.writeUInt16BE(packet({ payload }).readUInt16BE(CHECKSUM), 8);
  assert.equal(packet({ payload }).readUInt16BE(CHECKSUM), 0);
  const one = createPacketBatch(1, 1_000);
  trains.segment(virtioBatchOf([{ header, packet: packet({ payload, checksum: 'pseudo' }) }]), 0, one);
  assert.equal(Buffer.from(one.arena.subarray(0, one.used)).readUInt16BE(CHECKSUM), 0xffff);
});
