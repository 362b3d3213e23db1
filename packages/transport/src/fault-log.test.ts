import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { RecordingLogger } from '@culvert/testkit';
import { FaultLog } from './fault-log.ts';

test('a fault is logged with its stack, once a minute however often it comes, and counted each time', () => {
  const log = new RecordingLogger();
  let now = 5 as Instant;
  const faults = new FaultLog(log, { now: () => now });
  for (let n = 0; n < 1_000; n++) faults.tell('a connection', new Error('broken'));
  assert.equal(log.lines.length, 1);
  assert.equal(log.lines[0]?.level, 'error');
  assert.match(log.text, /ended a connection stack=Error: broken\n.*fault-log\.test\.ts/);
  assert.equal(faults.count, 1_000);
  now = 60_005 as Instant;
  faults.tell('a connection', 'thrown as text');
  assert.match(log.text, /stack=thrown as text faults=1001$/);
});
