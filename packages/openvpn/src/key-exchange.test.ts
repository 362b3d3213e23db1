import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { seededRandom } from '@culvert/testkit';
import { KeyExchange } from './key-exchange.ts';
import { Opcode } from './opcode.ts';

test('packets that came together are acknowledged together, behind the last of them', () => {
  const now = 0 as Instant;
  const exchange = new KeyExchange({
    keyId: 0,
    role: 'server',
    opening: undefined,
    random: seededRandom(1),
    createTls: () => assert.fail('nothing of TLS came'),
    payloadBytes: () => 1_000,
    tlsTimeout: 2_000,
    now,
  });
  const take = (packetId: number) =>
    exchange.handlePacket(
      Opcode.controlV1,
      { acks: [], ackedSession: undefined, packetId, payload: new Uint8Array(0) },
      now,
    );
  take(1);
  assert.equal(exchange.poll(now, true), undefined);
  take(2);
  const sent = exchange.poll(now);
  assert.deepEqual([sent?.opcode, sent?.acks], [Opcode.ackV1, [0, 1, 2]]);
  assert.equal(exchange.poll(now), undefined);
});
