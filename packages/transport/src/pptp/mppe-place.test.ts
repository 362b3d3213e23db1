import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { MOST_LOST, MppePlace } from './mppe-place.ts';

const at = (millis: number) => millis as Instant;

test('a link may spend its key changes once, and what it gets back in time', () => {
  const place = new MppePlace();
  assert.ok(place.spend(MOST_LOST, at(1_000)));
  assert.ok(place.spend(10_000, at(2_000)));
  assert.ok(!place.spend(10_001, at(3_000)));
  const old = new MppePlace();
  assert.ok(old.spend(MOST_LOST, at(0)));
  assert.ok(old.spend(MOST_LOST, at(20_000)), 'after twenty seconds there is as much as before');
  assert.ok(!old.spend(MOST_LOST, at(39_000)));
});

test('frames that could be decrypted give key changes back, so gap after gap heals', () => {
  const place = new MppePlace();
  for (let gap = 0; gap < 10; gap++) {
    assert.ok(place.spend(MOST_LOST, at(0)));
    place.reached(1, MOST_LOST);
  }
  assert.ok(!place.spend(MOST_LOST + 1, at(0)), 'more than the most is never there');
});

test('the place is lost after 8,192 bad frames in a row, and tells it once', () => {
  const place = new MppePlace();
  assert.ok(!place.missed(8_191, at(0)));
  place.reached(1, 1);
  assert.ok(!place.missed(8_191, at(0)));
  assert.ok(place.missed(1, at(0)));
  assert.ok(!place.missed(1, at(0)));
});

test('on a slow link a few bad frames are enough, where none was good for ten seconds', () => {
  const place = new MppePlace();
  for (let n = 0; n < 10; n++) assert.ok(!place.missed(1, at(n * 1_000)));
  place.reached(1, 1);
  for (let n = 10; n < 20; n++) assert.ok(!place.missed(1, at(n * 1_000)));
  assert.ok(place.missed(1, at(20_000)));
  const quiet = new MppePlace();
  for (const second of [0, 60, 120]) assert.ok(!quiet.missed(1, at(second * 1_000)), 'three may be anything');
  assert.ok(quiet.missed(1, at(180_000)));
  const waiting = new MppePlace();
  for (let n = 0; n < 100; n++)
    assert.ok(!waiting.missed(0, at(n * 1_000)), 'frames that wait for a new start are not bad');
});
