/** Hostile bytes, and many links at once. */
import assert from 'node:assert/strict';
import { eventually } from '../eventually.ts';
import { resetAtOnce } from '../reset-at-once.ts';
import { seededRandom } from '../seeded-random.ts';
import { type Accepted, type ComplianceTest, goodbye, type OnStage } from './bed.ts';
import { batchOf, ipv4Packet } from './packets.ts';

/** Links that shake hands at the same moment. */
const AT_ONCE = 32;
/** A datagram may be lost where so many come at once; then another is sent. */
const SEND_AGAIN = 1_000;

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
            await eachHeard('each is heard', dialled, stage.accepted);
            await eachHeard('each hears', stage.accepted, dialled);
            await Promise.all(dialled.map(({ link }) => link.close(goodbye)));
          },
          { wishes: { links: manyLinks } },
        ),
    ],
  ];
}

/** Sends a packet by each link of one end until it, or another such one, has come out of the link's other end, and out of no other. */
async function eachHeard(what: string, from: readonly Accepted[], to: readonly Accepted[]): Promise<void> {
  const ends = new Map(to.map((each) => [addressOf(each), each]));
  const links = from.map((each, n) => ({
    link: each.link,
    end: ends.get(addressOf(each)),
    packet: ipv4Packet(100, n),
  }));
  let nextAt = 0;
  await eventually(what, () => {
    const silent = links.filter(({ end }) => end === undefined || end.packets.length === 0);
    if (performance.now() >= nextAt) {
      nextAt = performance.now() + SEND_AGAIN;
      for (const { link, packet } of silent) link.send(batchOf([packet]));
    }
    return silent.length === 0;
  });
  for (const { end, packet } of links) for (const came of end?.packets ?? []) assert.deepEqual(came, packet);
}

function addressOf({ link }: Accepted): string | undefined {
  return link.config.ipv4?.address;
}
