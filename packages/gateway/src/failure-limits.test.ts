import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { FailureLimits, sourceKey } from './failure-limits.ts';

const at = (millis: number) => millis as Instant;

test('so many failures a minute, then one more for each share of the minute that passes', () => {
  const limits = new FailureLimits(6);
  for (let n = 0; n < 6; n++) {
    assert.ok(limits.allows('a', at(0)));
    limits.fail('a', at(0));
  }
  assert.ok(!limits.allows('a', at(9_999)));
  assert.ok(limits.allows('a', at(10_000)));
  assert.ok(limits.allows('b', at(0)), 'others are not touched');
  assert.ok(limits.allows('a', at(60_000)));
});

test('the table stays small under a flood of keys, and keeps the latest', () => {
  const limits = new FailureLimits(1, 100);
  for (let n = 0; n < 10_000; n++) limits.fail(`key ${n}`, at(n));
  assert.equal(limits.size, 100);
  assert.ok(!limits.allows('key 9999', at(10_000)));
});

test('a source is an IPv4 address or an IPv6 /64', () => {
  assert.equal(sourceKey('192.0.2.1'), '192.0.2.1/32');
  assert.equal(sourceKey('2001:db8:0:1:2:3:4:5'), '2001:db8:0:1::/64');
  assert.equal(sourceKey('fe80::1%3'), 'fe80::/64');
});
