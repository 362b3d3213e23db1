import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant, Path } from '@culvert/base';
import { Liveness } from './liveness.ts';

const path: Path = {
  socket: 0,
  local: { address: '192.0.2.1', port: 4500 },
  remote: { address: '198.51.100.7', port: 61_000 },
};
const settings = { idle: 30_000, interval: 5000, questions: 5 };

function asked() {
  const liveness = new Liveness(settings, { bytes: (count) => new Uint8Array(count).fill(0xfe) }, 0 as Instant);
  const sequence = liveness.due(settings.idle as Instant, path);
  assert.ok(typeof sequence === 'number');
  return { liveness, sequence };
}

test('a question begins with a clear bit, and its answer proves where the peer hears', () => {
  const { liveness, sequence } = asked();
  assert.equal(sequence, 0x7efefefe);
  assert.equal(liveness.proves(sequence + 1, path), false);
  assert.equal(liveness.proves(sequence, { ...path, remote: { ...path.remote, port: 61_001 } }), false);
  assert.equal(liveness.proves(sequence, path), true);
});

test('who guesses the answer has eight tries', () => {
  const { liveness, sequence } = asked();
  for (let guess = 0; guess < 8; guess++) assert.equal(liveness.proves(guess, path), false);
  assert.equal(liveness.proves(sequence, path), false);
});

test('a question that does not wait for silence is asked again in a second, and is none of those that count', () => {
  const liveness = new Liveness(settings, { bytes: (count) => new Uint8Array(count).fill(7) }, 0 as Instant);
  liveness.hurry(100 as Instant);
  const sequence = liveness.due(100 as Instant, path);
  assert.equal(liveness.due(1000 as Instant, path), undefined);
  for (const at of [1100, 6100, 11_100, 16_100, 21_100]) assert.equal(liveness.due(at as Instant, path), sequence);
  assert.equal(liveness.due(26_099 as Instant, path), undefined);
  assert.equal(liveness.due(26_100 as Instant, path), 'dead');
});
