/** What the wire does to a link: silence, new keys, new addresses. */
import assert from 'node:assert/strict';
import { eventually, inTime } from '../eventually.ts';
import type { ComplianceTest, OnStage } from './bed.ts';
import { batchOf, ipv4Packet } from './packets.ts';

export function wireTests<L, D>(onStage: OnStage<L, D>): ComplianceTest[] {
  return [
    [
      'a lost wire ends both ends within a few keepalives, as lost',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          stage.bed.cutWire();
          await eventually('both are closed', () => ours.closed !== undefined && theirs.closed !== undefined, 15_000);
          assert.equal(ours.closed?.cause, 'lost');
          assert.equal(theirs.closed?.cause, 'lost');
        }),
    ],
    [
      'a quiet link on a good wire stays up beyond its keepalive time',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          const { timeout } = ours.link.config.keepalive;
          const end = performance.now() + timeout * 1.5;
          await eventually('the time is over', () => performance.now() > end, timeout * 3);
          await ours.carry([ipv4Packet(100, 1)], theirs);
        }),
    ],
    [
      'a link is closed over a lost wire without waiting for the peer',
      () =>
        onStage(async (stage) => {
          const [ours] = await stage.connect();
          stage.bed.cutWire();
          await inTime('close', ours.link.close({ cause: 'operator', detail: 'enough' }), 5_000);
          assert.equal(ours.closed?.cause, 'operator');
        }),
    ],
    [
      'a dial that nobody answers can be given up',
      () =>
        onStage(async (stage) => {
          stage.bed.cutWire();
          await assert.rejects(inTime('the dial', stage.dial(AbortSignal.timeout(300)), 5_000));
        }),
    ],
    [
      'keys change under traffic and no packet is lost',
      () =>
        onStage(
          async (stage) => {
            const [ours, theirs] = await stage.connect();
            if (!stage.bed.transport.capabilities.rekey) return;
            let n = 0;
            while (stage.eventsOf('rekeyed').length < 2) {
              const packets = Array.from({ length: 8 }, () => ipv4Packet(600, n++));
              await Promise.all([ours.carry(packets, theirs), theirs.carry(packets, ours)]);
              assert.ok(n < 1_000_000, 'two changes of keys come to pass');
              await new Promise(setImmediate);
            }
            await ours.carry([ipv4Packet(100, n)], theirs);
          },
          { wishes: { rekeyAfter: 1_000 } },
        ),
    ],
    [
      'a peer whose address changes keeps its link, where the transport can roam; elsewhere it is lost, or stays where it was',
      () =>
        onStage(async (stage) => {
          const { roaming } = stage.bed.transport.capabilities;
          const [ours, theirs] = await stage.connect();
          if (stage.bed.roam === undefined) {
            const { path } = ours.link;
            const mirror = stage.bed.mirror?.();
            assert.ok(!roaming && mirror !== undefined, 'a bed shows what becomes of a peer whose address changes');
            await theirs.carry(
              Array.from({ length: 64 }, (_, n) => ipv4Packet(100, n)),
              ours,
            );
            await eventually('what came from elsewhere was refused', () => mirror.sent >= 64 && mirror.refused() >= 64);
            mirror.stop();
            assert.equal(ours.packets.length, 64, 'and nothing of it came through');
            assert.deepEqual(ours.link.path, path);
            await ours.carry([ipv4Packet(101, 2)], theirs);
            return;
          }
          const { path } = ours.link;
          stage.bed.roam();
          if (!roaming) return void (await eventually('the link is lost', () => ours.closed, 15_000));
          await eventually('a packet arrives from the new address', () => {
            theirs.link.send(batchOf([ipv4Packet(100, 1)]));
            return ours.packets.length > 0;
          });
          await eventually('the listener tells of it', () => stage.eventsOf('roamed').length > 0);
          assert.notDeepEqual(ours.link.path.remote, path.remote);
          await ours.carry([ipv4Packet(101, 2)], theirs);
        }),
    ],
  ];
}
