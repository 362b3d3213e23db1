import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ikeSettings } from './settings.ts';

const remote = { address: '192.0.2.1' };
const proof = { kind: 'pre-shared-key', key: Buffer.from('key') } as const;

function deadPeerDetection(interval: number, timeout: number) {
  return ikeSettings({ remote, proof, username: 'alice', password: '', keepalive: { interval, timeout } })
    .deadPeerDetection;
}

test('IKE asks whether a peer lives after PPP had its time to, and gives it up when PPP does', () => {
  const { idle, interval, questions } = deadPeerDetection(10_000, 60_000);
  assert.equal(idle, 15_000);
  assert.equal(idle + questions * interval, 60_000);
});

test('with little time for answers IKE is not the last to give up', () => {
  const { idle, interval } = deadPeerDetection(10_000, 12_000);
  assert.deepEqual([idle, interval], [12_000, 0]);
});
