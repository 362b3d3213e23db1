/** Packets: both ways, both IP versions, every size. */
import assert from 'node:assert/strict';
import { eventually } from '../eventually.ts';
import type { ComplianceTest, OnStage } from './bed.ts';
import { batchOf, ipv4Packet, ipv6Packet } from './packets.ts';

/** More than any transport's headers. */
const AROUND = 100;

export function carryTests<L, D>(
  onStage: OnStage<L, D>,
  mtu: number,
  largestMtu: number | undefined,
): ComplianceTest[] {
  return [
    ...(largestMtu === undefined ? [] : [largeTest(onStage, largestMtu)]),
    [
      'packets of both IP versions arrive both ways, unharmed and in order',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          const kinds = stage.bed.transport.capabilities.ipv6Inside ? [ipv4Packet, ipv6Packet] : [ipv4Packet];
          for (const packet of kinds) {
            const packets = Array.from({ length: 100 }, (_, n) => packet(100 + n, n));
            await theirs.carry(packets, ours);
            await ours.carry(packets, theirs);
          }
        }),
    ],
    [
      'without IPv6 inside, an IPv6 packet is dropped and counted',
      () =>
        onStage(async (stage) => {
          if (stage.bed.transport.capabilities.ipv6Inside) return;
          const [ours, theirs] = await stage.connect();
          ours.link.send(batchOf([ipv6Packet(100, 1)]));
          await ours.carry([ipv4Packet(100, 2)], theirs);
          assert.equal(theirs.packets.length, 1);
          assert.equal(ours.link.stats.droppedOut, 1);
        }),
    ],
    [
      `every size up to ${mtu} bytes arrives`,
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          const packets: Uint8Array[] = [];
          for (let length = 20; length <= mtu; length++) packets.push(ipv4Packet(length, length));
          await theirs.carry(packets, ours);
          await ours.carry(packets, theirs);
        }),
    ],
    [
      'an empty batch and packets of length 0 send nothing',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          const batch = batchOf([ipv4Packet(60, 1), ipv4Packet(60, 2)]);
          batch.lengths[0] = 0;
          ours.link.send(batchOf([]));
          ours.link.send(batch);
          await eventually('the other packet arrives', () => theirs.packets.length > 0);
          assert.deepEqual(theirs.packets, [ipv4Packet(60, 2)]);
        }),
    ],
    [
      'the batch belongs to its owner again when send returns',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          const batch = batchOf([ipv4Packet(60, 1)]);
          ours.link.send(batch);
          batch.arena.fill(0xff);
          batch.count = 0;
          await eventually('the packet arrives', () => theirs.packets.length > 0);
          assert.deepEqual(theirs.packets, [ipv4Packet(60, 1)]);
        }),
    ],
    [
      'the counts are of inner packets, at both ends',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          await theirs.carry([ipv4Packet(100, 1), ipv4Packet(200, 2)], ours);
          await ours.carry([ipv4Packet(300, 3)], theirs);
          const { packetsIn, bytesIn, packetsOut, bytesOut } = ours.link.stats;
          assert.deepEqual([packetsIn, bytesIn, packetsOut, bytesOut], [2, 300, 1, 300]);
          assert.deepEqual([theirs.link.stats.packetsIn, theirs.link.stats.bytesOut], [1, 300]);
        }),
    ],
    [
      'a flood is dropped and counted, send neither throws nor keeps it, and the link goes on',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          const flood = batchOf(Array.from({ length: 64 }, (_, n) => ipv4Packet(1400, n)));
          for (let n = 0; n < 400; n++) ours.link.send(flood);
          await eventually('the link still carries', async () => {
            const mark = ipv4Packet(99, 7);
            ours.link.send(batchOf([mark]));
            return theirs.packets.some((packet) => packet.length === mark.length);
          });
          const { packetsOut, droppedOut } = ours.link.stats;
          assert.ok(packetsOut + droppedOut >= 400 * 64, 'each packet of the flood is counted as sent or dropped');
        }),
    ],
  ];
}

/** Buffers are made for powers of two, with headers or without. */
function largeTest<L, D>(onStage: OnStage<L, D>, mtu: number): ComplianceTest {
  return [
    `with an MTU of ${mtu}, sizes around each power of two and the last ones arrive`,
    () =>
      onStage(
        async (stage) => {
          const [ours, theirs] = await stage.connect();
          const edges = Array.from({ length: 32 }, (_, bits) => 2 ** bits).filter(
            (edge) => edge >= 1_024 && edge < mtu,
          );
          const packets = [...edges, mtu].flatMap((edge) =>
            Array.from({ length: 2 * AROUND + 1 }, (_, n) => edge - AROUND + n)
              .filter((length) => length <= mtu)
              .map((length) => ipv4Packet(length, length)),
          );
          await theirs.carry(packets, ours);
          await ours.carry(packets, theirs);
        },
        { wishes: { mtu } },
      ),
  ];
}
