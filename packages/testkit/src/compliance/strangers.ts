/** Hostile bytes, and many links at once. */
import assert from 'node:assert/strict';
import { eventually } from '../eventually.ts';
import { resetAtOnce } from '../reset-at-once.ts';
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
      'a TCP connection that is reset with its bytes in flight, before it was accepted, is counted and harms nobody',
      () =>
        onStage(async (stage) => {
          const tcp = stage.listener.endpoints.find(({ protocol }) => protocol === 'tcp');
          if (tcp === undefined) return;
          const opening = await stage.bed.opening?.();
          assert.ok(opening !== undefined, 'a bed with TCP tells how a connection begins');
          const [ours, theirs] = await stage.connect();
          const lengths = [0, 1, opening.length >> 1, opening.length];
          resetAtOnce(
            tcp,
            lengths.map((length) => opening.subarray(0, length)),
          );
          await eventually('they are counted', () => stage.listener.stats['resetEarly'] === lengths.length);
          await ours.carry([ipv4Packet(100, 1)], theirs);
          await stage.connect();
          assert.equal(stage.admission.claims.length, 2);
          assert.equal(stage.listener.stats['faults'], 0);
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
