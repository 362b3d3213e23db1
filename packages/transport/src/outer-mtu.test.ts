import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { SecondLimit } from '@culvert/core';
import { OuterMtu, QUESTIONS_A_SECOND, USUAL_OUTER_MTU } from './outer-mtu.ts';

const at = (millis: number) => (5_000_000 + millis) as Instant;

function measured(family: 4 | 6, first: number | undefined) {
  const kernel = { answer: first, asked: 0 };
  const mtu = new OuterMtu(family, () => {
    kernel.asked++;
    return kernel.answer;
  });
  return { kernel, mtu };
}

test('it is what the kernel says, from the least that it believes to what most paths take', () => {
  for (const [family, says, bytes] of [
    [4, 1_400, 1_400],
    [4, 65_536, USUAL_OUTER_MTU],
    [4, 552, 552],
    [4, 0, 552],
    [6, 1_400, 1_400],
    [6, 1_000, 1_280],
    [6, undefined, USUAL_OUTER_MTU],
  ] as const) {
    assert.equal(measured(family, says).mtu.bytes, bytes, `${says} over IPv${family}`);
  }
});

test('a refusal is asked about at once, and no more than once a second, and none is forgotten', () => {
  const { kernel, mtu } = measured(4, 1_500);
  assert.equal(mtu.handleSent(at(0), false), false);
  kernel.answer = 1_400;
  assert.equal(mtu.handleSent(at(1), true), true);
  assert.deepEqual([mtu.bytes, kernel.asked], [1_400, 2]);
  kernel.answer = 1_300;
  for (let millis = 2; millis < 1_001; millis++) assert.equal(mtu.handleSent(at(millis), millis < 10), false);
  assert.equal(kernel.asked, 2);
  assert.equal(mtu.handleSent(at(1_001), false), true);
  assert.deepEqual([mtu.bytes, kernel.asked], [1_300, 3]);
});

test('while the path is used it is asked about once a minute, so that room which comes back is found', () => {
  const { kernel, mtu } = measured(4, 1_400);
  kernel.answer = 1_500;
  for (let second = 0; second < 60; second++) assert.equal(mtu.handleSent(at(second * 1_000), false), false);
  assert.equal(mtu.handleSent(at(60_000), false), true);
  assert.deepEqual([mtu.bytes, kernel.asked], [USUAL_OUTER_MTU, 2]);
  assert.equal(mtu.handleSent(at(119_999), false), false);
  assert.equal(mtu.handleSent(at(120_000), false), false, 'asked, and the same');
  assert.equal(kernel.asked, 3);
});

test('where the kernel knows no way for a while, what it said last holds', () => {
  const { kernel, mtu } = measured(4, 1_400);
  kernel.answer = undefined;
  assert.equal(mtu.handleSent(at(0), true), false);
  assert.equal(mtu.bytes, 1_400);
});

test('peers that move all the time cost their port a bounded number of questions', () => {
  const limit = new SecondLimit(QUESTIONS_A_SECOND);
  const granted = (millis: number) =>
    Array.from({ length: 1_000 }, () => limit.take(at(millis))).filter(Boolean).length;
  assert.deepEqual([granted(0), granted(999), granted(1_000)], [256, 0, 256]);
});
