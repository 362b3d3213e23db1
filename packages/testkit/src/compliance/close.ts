/** Ends: from either side, at any moment, and what is given back then. */
import assert from 'node:assert/strict';
import { CulvertError } from '@culvert/base';
import type { Admitted } from '@culvert/core';
import { eventually, inTime } from '../eventually.ts';
import { ScriptedAdmission, sampleConfig } from '../scripted-admission.ts';
import { type ComplianceTest, goodbye, type OnStage } from './bed.ts';
import { batchOf, ipv4Packet } from './packets.ts';

export function closeTests<L, D>(onStage: OnStage<L, D>): ComplianceTest[] {
  return [
    [
      'the listening end closes: both ends learn why, and the lease is released',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          await inTime('close', ours.link.close({ cause: 'idle', detail: 'no traffic for an hour' }));
          await eventually('the dialling end is closed', () => theirs.closed);
          assert.equal(ours.closed?.cause, 'idle');
          assert.equal(theirs.closed?.cause, 'peer');
          assert.equal(stage.admission.releases[0]?.[0]?.cause, 'idle');
        }),
    ],
    [
      'the dialling end closes: both ends learn why, and the lease is released',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          await inTime('close', theirs.link.close(goodbye));
          await eventually('the listening end is closed', () => ours.closed);
          assert.equal(theirs.closed?.cause, 'operator');
          assert.equal(ours.closed?.cause, 'peer');
        }),
    ],
    [
      'closing twice, and sending after the end, do nothing more',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          const first = ours.link.close(goodbye);
          const second = ours.link.close({ cause: 'error', detail: 'too late' });
          await inTime('both', Promise.all([first, second]));
          ours.link.send(batchOf([ipv4Packet(60, 1)]));
          await eventually('the dialling end is closed', () => theirs.closed);
          assert.equal(ours.closed?.cause, 'operator');
          assert.equal(theirs.packets.length, 0);
        }),
    ],
    [
      'both ends close at once',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          await inTime('both', Promise.all([ours.link.close(goodbye), theirs.link.close(goodbye)]));
        }),
    ],
    [
      'the listener closes: all its links end with its reason, and nobody gets in any more',
      () =>
        onStage(async (stage) => {
          const first = await stage.connect();
          const second = await stage.connect();
          await inTime('close', stage.listener.close({ cause: 'shutdown', detail: 'the gateway stops' }));
          for (const [ours, theirs] of [first, second]) {
            assert.equal(ours.closed?.cause, 'shutdown');
            await eventually('the dialling end is closed', () => theirs.closed);
          }
        }),
    ],
    [
      'the signal of listen stops the listener and its links',
      () =>
        onStage(async (stage) => {
          const [ours, theirs] = await stage.connect();
          stage.stop.abort();
          await eventually('both ends are closed', () => ours.closed !== undefined && theirs.closed !== undefined);
        }),
    ],
    ['a dial that is given up before it starts rejects', () => onStage(rejectsWhenAborted)],
    [
      'a dial that is given up while admission thinks releases what admission then grants, once',
      () => {
        const { promise: thought, resolve: decide } = Promise.withResolvers<Admitted>();
        const admission = new ScriptedAdmission();
        admission.answer = () => thought;
        return onStage(
          async (stage) => {
            const giveUp = new AbortController();
            const dial = stage.dial(giveUp.signal);
            dial.catch(() => {});
            await eventually('admission is asked', () => admission.claims.length === 1);
            giveUp.abort();
            await assert.rejects(inTime('the dial', dial));
            decide(admission.admitted(0, sampleConfig(0)));
            await inTime('the listener closes', stage.listener.close(goodbye));
            await stage.assertReleased();
          },
          { admission },
        );
      },
    ],
    [
      'a listener that closes while admission thinks tells admission so, and releases what it then grants, once',
      () => {
        const { promise: thought, resolve: decide } = Promise.withResolvers<Admitted>();
        const admission = new ScriptedAdmission();
        admission.answer = () => thought;
        return onStage(
          async (stage) => {
            const giveUp = new AbortController();
            const dial = stage.dial(giveUp.signal);
            dial.catch(() => {});
            await eventually('admission is asked', () => admission.claims.length === 1);
            await inTime('the listener closes', stage.listener.close(goodbye));
            assert.ok(admission.signals[0]?.aborted, 'admission knows that nobody waits for it');
            decide(admission.admitted(0, sampleConfig(0)));
            await stage.assertReleased();
            giveUp.abort();
            await assert.rejects(inTime('the dial', dial));
          },
          { admission },
        );
      },
    ],
  ];
}

async function rejectsWhenAborted(stage: { dial(signal: AbortSignal): Promise<unknown> }): Promise<void> {
  await assert.rejects(inTime('the dial', stage.dial(AbortSignal.abort())), (error) => {
    return error instanceof CulvertError || (error as Error).name === 'AbortError';
  });
}
