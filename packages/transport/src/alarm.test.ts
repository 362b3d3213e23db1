import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mock, test } from 'node:test';
import type { Instant } from '@culvert/base';
import { Alarm } from './alarm.ts';
import { systemClock } from './clock.ts';

function withTimers(run: (alarm: Alarm, rings: number[], tick: (millis: number) => void) => void): void {
  mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  const rings: number[] = [];
  const alarm = new Alarm({ now: () => now as Instant }, (at) => rings.push(at));
  try {
    run(alarm, rings, (millis) => {
      now += millis;
      mock.timers.tick(millis);
    });
  } finally {
    mock.timers.reset();
  }
}

test('an alarm rings once at its deadline', () => {
  withTimers((alarm, rings, tick) => {
    alarm.set(100 as Instant);
    tick(99);
    assert.deepEqual(rings, []);
    tick(1);
    assert.deepEqual(rings, [100]);
    tick(1_000);
    assert.deepEqual(rings, [100]);
  });
});

test('a deadline that moved later rings at the later time only', () => {
  withTimers((alarm, rings, tick) => {
    alarm.set(100 as Instant);
    alarm.set(250 as Instant);
    tick(100);
    assert.deepEqual(rings, []);
    tick(150);
    assert.deepEqual(rings, [250]);
  });
});

test('a deadline that moved earlier rings at the earlier time', () => {
  withTimers((alarm, rings, tick) => {
    alarm.set(1_000 as Instant);
    alarm.set(10 as Instant);
    tick(10);
    assert.deepEqual(rings, [10]);
  });
});

test('a cancelled alarm and one without a deadline stay silent', () => {
  withTimers((alarm, rings, tick) => {
    alarm.set(10 as Instant);
    alarm.set(undefined);
    tick(20);
    alarm.set(50 as Instant);
    alarm.cancel();
    tick(1_000);
    assert.deepEqual(rings, []);
  });
});

test('a deadline beyond what a Node timer keeps is reached in steps', () => {
  withTimers((alarm, rings, tick) => {
    alarm.set(0x8000_0000 as Instant);
    tick(0x7fff_ffff);
    assert.deepEqual(rings, []);
    tick(1);
    assert.deepEqual(rings, [0x8000_0000]);
  });
});

/** Holds up the event loop, as a busy machine does. */
function holdUp(millis: number): void {
  const until = performance.now() + millis;
  while (performance.now() < until);
}

test('an alarm that is late rings after what had come before it was read, which may have moved it', async () => {
  const [peer, ours] = [createSocket('udp4'), createSocket('udp4')];
  try {
    ours.bind(0, '127.0.0.1');
    peer.bind(0, '127.0.0.1');
    await Promise.all([once(ours, 'listening'), once(peer, 'listening')]);
    const told: string[] = [];
    const rung = Promise.withResolvers<void>();
    const alarm = new Alarm(systemClock, () => {
      told.push('silent');
      rung.resolve();
    });
    const extend = () => alarm.set((systemClock.now() + 50) as Instant);
    ours.on('message', () => {
      told.push('heard');
      extend();
    });
    extend();
    peer.send('', ours.address().port, '127.0.0.1');
    holdUp(400);
    await rung.promise;
    assert.deepEqual(told, ['heard', 'silent']);
  } finally {
    peer.close();
    ours.close();
  }
});
