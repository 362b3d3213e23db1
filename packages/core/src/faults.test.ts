/** A mistake of our own with one packet: it is told, and costs no packet of anybody else's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forge } from '../test/forged-packets.ts';
import { Office } from '../test/office.ts';
import type { FilterPolicy } from './filter-policy.ts';
import { LinkFilter } from './link-filter.ts';

const everything: FilterPolicy = { rules: [{ action: 'allow', direction: 'fromOffice' }], default: 'allow' };
const server = '192.168.10.5';
const [alice, bob] = ['10.8.0.2', '10.8.0.3'];

test('a packet from the device that a fault meets is lost, those before and behind it are not', (t) => {
  const office = new Office({ filter: everything });
  const [first, second] = [office.connect(), office.connect()];
  const { passes } = LinkFilter.prototype;
  let packets = 0;
  t.mock.method(LinkFilter.prototype, 'passes', function (this: LinkFilter, ...args: Parameters<typeof passes>) {
    packets++;
    if (packets === 2 || packets === 3) throw new Error(`broken at ${packets}`);
    return passes.apply(this, args);
  });
  const to = (destination: string) => forge({ from: server, to: destination });
  assert.throws(() => office.send(to(alice), to(alice), to(bob), to(bob), to(alice)), /broken at 2/);
  assert.deepEqual([first.received().length, second.received().length], [2, 1]);
  assert.equal(office.core.dropped.sendFailed, 2);
  office.send(to(alice), to(bob));
  assert.deepEqual([first.received().length, second.received().length], [1, 1]);
});
