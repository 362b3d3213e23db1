import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import type { TransportEvent } from '@culvert/core';
import { Refusals } from './refusals.ts';

type Refusal = Parameters<Refusals['handle']>[0];

class Bed {
  now = 0;
  readonly events: TransportEvent[] = [];
  readonly refusals: Refusals;
  #ids = 0;

  constructor() {
    const on = { nextId: () => ++this.#ids, onEvent: (event: TransportEvent) => void this.events.push(event) };
    this.refusals = new Refusals(on, { now: () => this.now as Instant });
  }

  refuse(address: string, more: Partial<Refusal> = {}): void {
    const endpoint = { address, port: 500 };
    const path = { socket: 1, local: endpoint, remote: endpoint };
    const reason = { cause: 'refused', detail: 'no key' } as const;
    this.refusals.handle({
      path,
      role: 'responder',
      phase: 1,
      begun: true,
      code: 'no-key',
      reason,
      offers: undefined,
      ...more,
    });
  }

  /** Whom one was told of, in turn. */
  get toldOf(): string[] {
    return this.events.flatMap((e) => (e.kind === 'refused' || e.kind === 'failed' ? [e.path.remote.address] : []));
  }
}

test('a peer that stopped in the middle is told of, and why that may be', () => {
  const bed = new Bed();
  const reason = { cause: 'lost', detail: 'the peer stopped after the key exchange' } as const;
  for (let n = 0; n < 10; n++) bed.refuse('198.51.100.7', { code: 'timeout', reason });
  assert.deepEqual(
    bed.events.map((event) => [event.kind, event.kind === 'failed' && event.reason]),
    [
      ['attempt', false],
      ['failed', reason],
    ],
  );
  assert.deepEqual(bed.refusals.stats, { ipsecRefused: 0, ipsecTimeouts: 10 });
});

test('refusals of strangers hide none of peers whose address is proven, nor does one such peer those of others', () => {
  const bed = new Bed();
  for (let n = 0; n < 600; n++) {
    bed.now = n * 500;
    bed.refuse(`203.0.${n >>> 8}.${n & 255}`, { begun: false });
    bed.refuse('192.0.2.67');
    if (n % 100 === 99) bed.refuse(`198.51.100.${(n + 1) / 100}`);
  }
  assert.equal(bed.toldOf.filter((address) => address.startsWith('198.51.100')).length, 6);
  assert.ok(bed.toldOf.filter((address) => address === '192.0.2.67').length <= 320);
  assert.equal(bed.refusals.stats.ipsecRefused, 1206);
});
