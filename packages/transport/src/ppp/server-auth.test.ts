import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../clock.ts';
import { serverOffers } from './server-auth.ts';

test('a challenge has a name that tells a stranger nothing', () => {
  const [offer] = serverOffers();
  const machine = offer?.create();
  machine?.start(systemClock.now());
  const challenge = Buffer.from(machine?.pollTransmit() ?? []);
  assert.deepEqual([challenge[0], challenge[4]], [1, 16], 'a challenge of 16 bytes');
  assert.equal(challenge.subarray(21).toString('latin1'), 'vpn');
  machine?.dispose();
});
