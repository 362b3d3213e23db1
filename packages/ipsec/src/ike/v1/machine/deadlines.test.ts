import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { seededRandom } from '@culvert/testkit';
import { IkeBed } from '../../../../test/ike-bed.ts';
import { Deadlines } from './deadlines.ts';
import { IkeSa } from './ike-sa.ts';

test('whatever is set, moved and deleted, what is due comes out, in the order of time', () => {
  const random = seededRandom(11);
  const deadlines = new Deadlines<number>();
  const model = new Map<number, number>();
  let now = 0;
  for (let step = 0; step < 20_000; step++) {
    const item = random.integer(300);
    const at = now + random.integer(1000);
    const kind = random.integer(10);
    if (kind < 6) {
      deadlines.set(item, at as Instant);
      model.set(item, Math.min(at, model.get(item) ?? at));
    } else if (kind < 8) {
      deadlines.delete(item);
      model.delete(item);
    } else {
      now += random.integer(20);
      const due = [...model].filter(([, when]) => when <= now);
      const taken = deadlines.take(now as Instant);
      assert.deepEqual(new Set(taken), new Set(due.map(([one]) => one)));
      const times = taken.map((one) => model.get(one) ?? 0);
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      );
      for (const one of taken) model.delete(one);
    }
    assert.equal(deadlines.size, model.size);
    assert.equal(deadlines.next, model.size === 0 ? undefined : Math.min(...model.values()));
  }
});

test('a deadline of one peer costs nothing of the others', (t) => {
  const presharedKey = () => Buffer.from('secret');
  const bed = new IkeBed();
  const b = bed.host({ address: '192.0.2.1', presharedKey, limits: { exchangeBurst: 1e6 } });
  const clients = Array.from({ length: 60 }, (_, n) =>
    bed.host({ address: `10.0.0.${n + 1}`, nat: `198.51.100.${n + 1}`, presharedKey }),
  );
  for (const a of clients) {
    bed.connect(a, b);
    bed.run(137);
  }
  bed.run(70_000);
  assert.equal(b.endpoint.sizes.children, clients.length);
  const { mock: looked } = t.mock.method(IkeSa.prototype, 'deadline');
  const kept = bed.sent.length;
  bed.run(60_000);
  const sent = bed.sent.slice(kept);
  const keepalives = sent.filter(({ datagram }) => datagram.length === 1);
  assert.equal(keepalives.length, 3 * clients.length, 'each client has its own');
  assert.ok(looked.callCount() < 10 * sent.length, `${looked.callCount()} looks for ${sent.length} datagrams`);
});
