/** Hostile bytes, and many links at once. */
import assert from 'node:assert/strict';
import { eventually } from '../eventually.ts';
import { seededRandom } from '../seeded-random.ts';
import { type ComplianceTest, goodbye, type OnStage } from './bed.ts';
import { batchOf, ipv4Packet } from './packets.ts';

/** Links that shake hands at the same moment. */
const AT_ONCE = 32;

export function strangerTests<L, D>(onStage: OnStage<L, D>, manyLinks: number): ComplianceTest[] {
  return [
    [
      'bytes of strangers of every length make no link, ask no admission and harm no link',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          const random = seededRandom(42);
          for (let length = 0; length < 1500; length += 1 + random.integer(8)) {
            stage.bed.hostile(random.bytes(length));
            if (random.chance(0.1)) await theirs.carry([ipv4Packet(100, length)], ours);
          }
          await ours.carry([ipv4Packet(100, 1)], theirs);
          await stage.connect();
          assert.equal(stage.admission.claims.length, 2);
        }),
    ],
    [
      `${manyLinks} links come up, each carries, and none leaves anything behind`,
      () =>
        onStage(
          async (stage) => {
            const dialled = await stage.connectMany(manyLinks, AT_ONCE);
            assert.equal(new Set(dialled.map(({ link }) => link.config.ipv4?.address)).size, manyLinks);
            for (const [n, { link }] of dialled.entries()) link.send(batchOf([ipv4Packet(100, n)]));
            await eventually('each is heard', () => stage.accepted.every(({ packets }) => packets.length === 1));
            for (const { link } of stage.accepted) link.send(batchOf([ipv4Packet(200, 1)]));
            await eventually('each hears', () => dialled.every(({ packets }) => packets.length === 1));
            await Promise.all(dialled.map(({ link }) => link.close(goodbye)));
          },
          { wishes: { links: manyLinks } },
        ),
    ],
  ];
}
