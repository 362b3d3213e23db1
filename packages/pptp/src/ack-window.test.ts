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

/** A peer that handles `rate` packets a millisecond, 10 ms away, and has room for ninety; told as much as the window lets go, each millisecond. */
function slowPeer(rate: number, millis: number) {
  const clock = new VirtualClock();
  const window = new AckWindow(3);
  const sent: number[] = [];
  let [next, queue, handled, most, overflow] = [0, 0, 0, 0, 0];
  for (let n = 0; n < millis; n++) {
    const now = clock.advance(1);
    const count = Math.min(n < 20 ? 1 : 200, window.room(now));
    if (count > 0) window.sent(next, count, now);
    next += count;
    sent.push(count);
    queue += sent.at(-5) ?? 0;
    if (queue > 90) overflow += queue - 90;
    queue = Math.min(90, queue);
    most = Math.max(most, n > 500 ? queue : 0);
    const done = Math.min(queue, rate);
    queue -= done;
    handled += done;
    if (done > 0) window.acknowledged(next - (next - handled - overflow) - 1, now);
  }
  return { window, handled, most, overflow };
}

test('a slow peer is kept busy, and its queue short', () => {
  const { handled, most, overflow } = slowPeer(3, 5_000);
  assert.ok(handled > 0.95 * 3 * 5_000, `${handled} of 15000`);
  assert.ok(most < 80, `${most} packets lay in its queue`);
  assert.ok(overflow < 200, `${overflow} were lost, at the start`);
});

test('the window grows where no queue does', () => {
  const clock = new VirtualClock();
  const window = new AckWindow(64);
  window.sent(0, 1, clock.now());
  window.acknowledged(0, clock.advance(50));
  let next = 1;
  for (let n = 0; n < 30; n++) {
    const count = window.room(clock.now());
    window.sent(next, count, clock.now());
    next += count;
    window.acknowledged(next - 1, clock.advance(50));
  }
  assert.equal(window.window, 1_024);
});

test('nothing is limited before the first acknowledgement, nor when none comes, nor where the peer tells a large window', () => {
  const clock = new VirtualClock();
  const window = new AckWindow(3);
  assert.equal(window.room(clock.now()), Number.POSITIVE_INFINITY);
  window.sent(0, 500, clock.now());
  assert.equal(window.room(clock.now()), Number.POSITIVE_INFINITY);
  window.acknowledged(9, clock.advance(5));
  assert.equal(window.room(clock.now()), 0);
  clock.advance(1_000);
  assert.equal(window.room(clock.now()), Number.POSITIVE_INFINITY);
  assert.equal(window.timeouts, 1);

  const trusted = new AckWindow(8_192);
  trusted.sent(0, 5_000, clock.now());
  trusted.acknowledged(0, clock.now());
  assert.equal(trusted.room(clock.now()), Number.POSITIVE_INFINITY);
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

test('a peer that owes an acknowledgement is nudged, thrice, when it may have waited for what was lost', () => {
  const clock = new VirtualClock();
  const window = new AckWindow(3);
  window.sent(0, 1, clock.now());
  assert.equal(window.nudgeAt, undefined, 'nothing is known of this peer');
  window.acknowledged(0, clock.advance(10));
  assert.equal(window.nudgeAt, undefined, 'it owes nothing');
  const sent = clock.advance(1_000);
  window.sent(1, 2, sent);
  for (const wait of [330, 660, 990]) {
    assert.equal(window.nudgeAt, sent + wait);
    window.nudged(clock.advance(330));
  }
  assert.equal(window.nudgeAt, undefined);
  const progress = clock.advance(5);
  window.acknowledged(1, progress);
  assert.equal(window.nudgeAt, progress + 330, 'it still owes one');
  window.acknowledged(2, clock.advance(5));
  assert.equal(window.nudgeAt, undefined);
});

test('a peer that waits for what was lost is not taken for a slow one', () => {
  const clock = new VirtualClock();
  const window = new AckWindow(3);
  let next = 0;
  for (let n = 0; n < 100; n++) {
    const count = Math.min(40, window.room(clock.now()));
    assert.equal(count, 40);
    window.sent(next, count, clock.now());
    next += count;
    window.acknowledged(next - 1, clock.advance(n % 2 === 0 ? 5 : 350));
  }
});
