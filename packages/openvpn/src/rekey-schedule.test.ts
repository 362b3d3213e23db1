import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { seededRandom } from '@culvert/testkit';
import { RekeySchedule } from './rekey-schedule.ts';

test('a peer that makes every key look worn out gets new ones at a bounded pace', () => {
  const schedule = new RekeySchedule('server', 0, seededRandom(1), 0 as Instant);
  let rekeys = 0;
  for (let now = 0; now < 10_000; now += 10) {
    schedule.bringForward(now as Instant);
    if (!schedule.take(now as Instant)) continue;
    rekeys++;
    schedule.restart(now as Instant);
  }
  assert.ok(rekeys >= 15 && rekeys <= 20, `${rekeys} new keys in ten seconds`);
});

test('a key that is worn out after a while is replaced at once', () => {
  const schedule = new RekeySchedule('client', 3_600_000, seededRandom(1), 0 as Instant);
  schedule.restart(0 as Instant);
  schedule.bringForward(60_000 as Instant);
  assert.equal(schedule.next, 60_000);
});
