import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '@culvert/testkit';
import { AckWindow } from './ack-window.ts';

test('round trips are measured from one packet at a time, and smoothed', () => {
  const clock = new VirtualClock();
  const window = new AckWindow(64);
  window.sent(0, 10, clock.now());
  clock.advance(50);
  assert.equal(window.acknowledged(5, clock.now()), true);
  assert.equal(window.roundTrip, undefined, 'the packet that is timed is the last one');
  clock.advance(30);
  window.acknowledged(9, clock.now());
  assert.equal(window.roundTrip, 80);
  window.sent(10, 1, clock.now());
  window.acknowledged(10, clock.advance(160));
  assert.equal(window.roundTrip, 90);
});

test('the window grows by one a windowful and halves at a time-out, between 1 and what the peer told', () => {
  const clock = new VirtualClock();
  const window = new AckWindow(6);
  assert.equal(window.window, 3);
  let next = 0;
  const send = (count: number) => {
    window.sent(next, count, clock.now());
    next += count;
  };
  for (let n = 0; n < 20; n++) {
    send(3);
    window.acknowledged(next - 1, clock.advance(20));
  }
  assert.equal(window.window, 6);
  for (const expected of [3, 1, 1]) {
    send(1);
    clock.advance(10_000);
    assert.ok(window.room(clock.now()) >= 1, 'it never stalls');
    assert.equal(window.window, expected);
  }
  assert.equal(window.timeouts, 3);
});

test('acknowledgements of what was never sent, or again, mean nothing', () => {
  const clock = new VirtualClock();
  const window = new AckWindow(64);
  assert.equal(window.acknowledged(0, clock.now()), false);
  window.sent(0, 4, clock.now());
  assert.equal(window.acknowledged(4, clock.now()), false);
  assert.equal(window.acknowledged(-5, clock.now()), false);
  assert.equal(window.acknowledged(3, clock.now()), true);
  assert.equal(window.acknowledged(3, clock.now()), false);
  assert.equal(window.underWay, 0);
});

test('numbers go round the end', () => {
  const clock = new VirtualClock();
  const window = new AckWindow(64);
  for (let at = 0x7fff_fff0; at < 0x8000_0010; at += 4) {
    window.sent(at | 0, 4, clock.now());
    if (at === 0x7fff_fff0) continue;
    assert.equal(window.acknowledged((at + 3) | 0, clock.advance(1)), true);
  }
  assert.equal(window.underWay, 0);
});

test('a window of 0 counts as 1', () => {
  assert.equal(new AckWindow(0).room(new VirtualClock().now()), 1);
});
