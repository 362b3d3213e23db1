import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { Telling } from './telling.ts';

const SECOND = 1000;

/** Asks for the addresses in turn, a second apart each time, for so many rounds; how often each was told of. */
function toldOf(telling: Telling, addresses: readonly string[], rounds: number, from = 0): Map<string, number> {
  const told = new Map(addresses.map((address) => [address, 0]));
  for (let round = 0; round < rounds; round++)
    for (const address of addresses)
      if (telling.ask(address, (from + round * SECOND) as Instant)) told.set(address, (told.get(address) ?? 0) + 1);
  return told;
}

test('a source is told of once a second, and so is another network of IPv6 as a whole', () => {
  const telling = new Telling();
  assert.equal(telling.ask('198.51.100.7', 0 as Instant), true);
  assert.equal(telling.ask('198.51.100.7', 999 as Instant), false);
  assert.equal(telling.ask('198.51.100.7', 1000 as Instant), true);
  assert.equal(telling.ask('2001:db8:1::1', 1000 as Instant), true);
  assert.equal(telling.ask('2001:db8:1::2', 1000 as Instant), false);
});

test('many sources at once are told of up to a number, and later one a second', () => {
  const telling = new Telling();
  const addresses = Array.from({ length: 100 }, (_, n) => `198.51.100.${n}`);
  assert.equal(
    [...toldOf(telling, addresses, 1).values()].reduce((sum, n) => sum + n),
    20,
  );
  const fresh = Array.from({ length: 100 }, (_, n) => `203.0.113.${n}`);
  assert.equal(
    [...toldOf(telling, fresh, 1, 3 * SECOND).values()].reduce((sum, n) => sum + n),
    3,
  );
});

test('those that fail all the time leave room for who fails now and then', () => {
  const telling = new Telling();
  toldOf(
    telling,
    Array.from({ length: 30 }, (_, n) => `198.51.100.${n}`),
    600,
  );
  for (let n = 0; n < 5; n++) {
    const now = (600 + 3 * n) * SECOND;
    assert.equal(telling.ask('203.0.113.7', now as Instant), true, `try ${n}`);
    toldOf(
      telling,
      Array.from({ length: 30 }, (_, i) => `198.51.100.${i}`),
      1,
      now,
    );
  }
});
