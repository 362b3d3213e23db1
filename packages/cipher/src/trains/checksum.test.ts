import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createPacketBatch } from '@culvert/base';
import { packet, virtioBatchOf, virtioHeader } from '../../test/packets.ts';
import { createTrains } from './trains.ts';

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
      assert.deepEqual(Buffer.from(one.arena.subarray(0, one.used)), packet({ payload }), `${length} bytes`);
    }
  }
});
