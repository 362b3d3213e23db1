import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configOf } from '../test/fixtures.ts';
import type { IpsecKeys } from './ipsec-keys.ts';
import { l2tpIpsecOptions, pptpOptions } from './ppp-listening.ts';

/** What both transports ask by, now and after a change. */
function open(more = '') {
  let config = configOf(more);
  const listening = { config: () => config, join: 0 };
  const both = [pptpOptions(listening), l2tpIpsecOptions({ ...listening, keys: {} as IpsecKeys })];
  return {
    get keepalive() {
      const [pptp, l2tp] = both.map(({ keepalive }) => keepalive);
      assert.deepEqual(pptp, l2tp);
      return pptp;
    },
    get mostLinks() {
      return both.map(({ maxLinks }) => maxLinks);
    },
    reload: (changed: string) => {
      config = configOf(changed);
    },
  };
}

test('PPTP and L2TP keep alive as the configuration says, and as a reload says', () => {
  const gateway = open();
  assert.deepEqual(gateway.keepalive, { interval: 10_000, timeout: 60_000 });
  gateway.reload('keepalive: { interval: 45s, timeout: 5m }');
  assert.deepEqual(gateway.keepalive, { interval: 45_000, timeout: 300_000 });
});

test('PPP asks every 5 s at most, and three times before it gives up', () => {
  assert.deepEqual(open('keepalive: { interval: 1s, timeout: 2s }').keepalive, { interval: 5_000, timeout: 20_000 });
  assert.deepEqual(open('keepalive: { interval: 30s, timeout: 60s }').keepalive, {
    interval: 30_000,
    timeout: 120_000,
  });
});

test('each transport has all links that the limit allows', () => {
  assert.deepEqual(open('limits: { links: 7 }').mostLinks, [7, 7]);
});
