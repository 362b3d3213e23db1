/** What becomes of links: their addresses, limits, counts and ends in a whole core. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { forge } from '../test/forged-packets.ts';
import { Office } from '../test/office.ts';
import { CoreError } from './errors.ts';
import type { FilterPolicy } from './filter-policy.ts';

const server = '192.168.10.5';
const [alice, bob] = ['10.8.0.2', '10.8.0.3'];
const [alice6, server6] = ['fd00::2', 'fd10::5'];
const everything: FilterPolicy = { rules: [{ action: 'allow', direction: 'fromOffice' }], default: 'allow' };

describe('links', () => {
  test('an address or network that another link has is refused with both links named, and the refused leaves no trace', () => {
    const office = new Office({ filter: everything });
    const first = office.connect({ networksBehind: ['10.50.0.0/16'] });
    const wants = { ipv4: { address: '10.8.9.9', prefix: 16, gateway: '10.8.0.1' } };
    assert.throws(
      () => office.connect({ ...wants, networksBehind: ['10.50.0.0/16'] }),
      (error) =>
        error instanceof CoreError &&
        error.code === 'CULVERT_CORE_ADDRESS_TAKEN' &&
        /link 2 of user2 wants 10\.50\.0\.0\/16, which link 1 of user1 has/.test(error.message),
    );
    assert.equal([...office.core.links()].length, 1);
    office.send(forge({ from: server, to: '10.8.9.9' }), forge({ from: server, to: '10.50.0.1' }));
    assert.equal(first.received().length, 1);
    const third = office.connect({ ...wants, networksBehind: ['10.50.7.0/24'] });
    office.send(forge({ from: server, to: '10.50.7.1' }));
    assert.equal(third.received().length, 1, 'a narrower network is another one');
  });

  test('an address that is none is refused', () => {
    const office = new Office();
    assert.throws(() => office.connect({ networksBehind: ['10.50.0.1/16'] }), { code: 'CULVERT_CORE_ADDRESS' });
  });

  test('a closed link is forgotten: its address is free, and what it brings is not heard', async () => {
    const office = new Office({ filter: everything });
    const first = office.connect();
    await first.close({ cause: 'peer', detail: 'bye' });
    await first.closed;
    assert.equal([...office.core.links()].length, 0);
    first.bring(forge({ from: alice, to: server }));
    office.send(forge({ from: server, to: alice }));
    assert.deepEqual([office.delivered(), first.received()], [[], []]);
    const { ipv4 } = first.config;
    const second = office.connect({ ipv4 });
    office.send(forge({ from: server, to: alice }));
    assert.equal(second.received().length, 1);
  });

  test('a changed configuration counts after refresh', () => {
    const office = new Office({ filter: everything });
    const [link, other] = [office.connect(), office.connect()];
    link.update({ ...link.config, networksBehind: ['10.60.0.0/16'], mtu: 700 });
    office.core.refresh(link);
    office.send(forge({ from: server, to: '10.60.0.1' }), forge({ from: server, to: alice, payload: 900 }));
    assert.equal(link.received().length, 1);
    other.update({ ...other.config, networksBehind: ['10.60.0.0/16'] });
    assert.throws(() => office.core.refresh(other), { code: 'CULVERT_CORE_ADDRESS_TAKEN' });
    office.send(forge({ from: server, to: bob }));
    assert.equal(other.received().length, 1, 'what it had before it still has');
  });

  test('what the peer changes itself counts at once: it hears, and is heard, by what it has now', () => {
    const office = new Office({ filter: everything });
    const link = office.connect({ ipv6: undefined });
    const ipv6 = { address: alice6, prefix: 64, gateway: 'fd00::1' };
    const both = () => {
      link.bring(forge({ from: alice, to: server }), forge({ from: alice6, to: server6 }));
      office.send(forge({ from: server, to: alice }), forge({ from: server6, to: alice6 }));
      return [office.delivered().length, link.received().length];
    };
    assert.deepEqual(both(), [1, 1]);
    link.reconfigure({ ipv6 });
    assert.deepEqual(both(), [2, 2]);
    link.reconfigure({ ipv4: undefined });
    assert.deepEqual(both(), [1, 1]);
    assert.equal(link.closedWhy, undefined);
  });

  test('a link that takes an address that another one has is ended', () => {
    const office = new Office({ filter: everything });
    const [link, other] = [office.connect(), office.connect()];
    link.reconfigure({ ipv4: other.config.ipv4 });
    assert.equal(link.closedWhy?.cause, 'error');
    assert.equal(other.closedWhy, undefined);
  });

  test('closeLinks closes those that are chosen, once', () => {
    const office = new Office();
    const [a, b] = [office.connect({}, ['staff']), office.connect()];
    const why = { cause: 'revoked', detail: 'the certificate was revoked' } as const;
    assert.equal(
      office.core.closeLinks((link) => link.principal.groups.includes('staff'), why),
      1,
    );
    assert.equal(
      office.core.closeLinks((link) => link === a, why),
      0,
    );
    assert.deepEqual([a.closedWhy, b.closedWhy], [why, undefined]);
  });

  test('a link that is idle for its limit is closed, one with traffic lives on', () => {
    const office = new Office({ filter: everything });
    const [idle, busy] = [office.connect({ idleTimeout: 600_000 }), office.connect({ idleTimeout: 600_000 })];
    assert.equal(office.core.pollTimeout(), office.now + 30_000, 'flows are swept first');
    office.pass(400_000);
    busy.bring(forge({ from: bob, to: server }));
    office.pass(200_000);
    office.core.handleTimeout(office.now);
    assert.deepEqual(idle.closedWhy, { cause: 'idle', detail: 'no traffic for 10 minutes' });
    assert.equal(busy.closedWhy, undefined);
    office.pass(399_999);
    office.core.handleTimeout(office.now);
    assert.equal(busy.closedWhy, undefined);
    assert.ok((office.core.pollTimeout() ?? 0) <= office.now + 1);
    office.send(forge({ from: server, to: bob }));
    office.pass(1);
    office.core.handleTimeout(office.now);
    assert.equal(busy.closedWhy, undefined, 'traffic to it counts too');
  });

  test('dropped packets are no traffic', () => {
    const office = new Office();
    const link = office.connect({ idleTimeout: 1000 });
    office.pass(1000);
    link.bring(forge({ from: bob, to: server }));
    office.send(forge({ from: server, to: alice }));
    office.core.handleTimeout(office.now);
    assert.equal(link.closedWhy?.cause, 'idle');
  });

  test('a session that reaches its limit is closed whatever it does', () => {
    const office = new Office();
    const link = office.connect({ sessionTimeout: 7_200_000 });
    office.pass(7_199_999);
    link.bring(forge({ from: alice, to: server }));
    office.core.handleTimeout(office.now);
    assert.equal(link.closedWhy, undefined);
    assert.equal(office.core.pollTimeout(), office.now + 1);
    office.pass(1);
    office.core.handleTimeout(office.now);
    assert.deepEqual(link.closedWhy, { cause: 'session-limit', detail: "the session's time of 2 hours is over" });
  });

  test('without links nothing has to be woken', () => {
    assert.equal(new Office().core.pollTimeout(), undefined);
  });

  test('forgotten flows give their memory back', () => {
    const office = new Office();
    const link = office.connect();
    for (let port = 0; port < 300; port++) link.bring(forge({ from: alice, to: server, ports: [port, 53] }));
    assert.equal(office.core.view(link)?.flows, 300);
    office.pass(31_000);
    office.core.handleTimeout(office.now);
    assert.equal(office.core.view(link)?.flows, 0);
  });
});
