/** Where packets go, and who may send them: forged packets through a whole core. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checksumsHold, forge } from '../test/forged-packets.ts';
import { Office } from '../test/office.ts';
import type { FilterPolicy } from './filter-policy.ts';

const server = '192.168.10.5';
const server6 = 'fd10::5';
const [alice, bob] = ['10.8.0.2', '10.8.0.3'];
const [alice6, bob6] = ['fd00::2', 'fd00::3'];
const everything: FilterPolicy = { rules: [{ action: 'allow', direction: 'fromOffice' }], default: 'allow' };

describe('forwarding', () => {
  test('each packet of the office goes to the link that has its destination, in order, one call a link', () => {
    const office = new Office({ filter: everything });
    const [a, b] = [office.connect(), office.connect({ networksBehind: ['10.50.0.0/16', 'fd50::/48'] })];
    const toA = [1, 2].map((n) => forge({ from: server, to: alice, ports: [n, n] }));
    const toB = [bob6, '10.50.3.3', 'fd50::9'].map((to) => forge({ from: to.includes(':') ? server6 : server, to }));
    office.send(...[toB[0], toA[0], toB[1], toA[1], toB[2]].filter((packet) => packet !== undefined));
    assert.deepEqual(a.received(), toA);
    assert.deepEqual(b.received(), toB);
    assert.deepEqual([a.sends, b.sends], [1, 1]);
    const { counters } = office.core.view(b) ?? {};
    assert.equal(counters?.packetsOut, 3);
    assert.equal(
      counters?.bytesOut,
      toB.reduce((sum, { length }) => sum + length, 0),
    );
  });

  test('what a link brings reaches the device unchanged, and counts', () => {
    const office = new Office();
    const link = office.connect();
    const packets = [forge({ from: alice, to: server }), forge({ from: alice6, to: server6, protocol: 'tcp' })];
    link.bring(...packets);
    assert.deepEqual(office.delivered(), packets);
    assert.deepEqual(office.core.view(link)?.counters.packetsIn, 2);
  });

  test('a network of its own is the link’s as a whole, and nobody else’s', () => {
    const office = new Office({ filter: everything });
    const [address, gateway] = ['fd00:0:0:5::2', 'fd00::1'];
    const ipv6 = { address, prefix: 56, gateway, ownNetwork: 'fd00:0:0:5::/64' };
    const [link, other] = [
      office.connect({ ipv6 }),
      office.connect({ ipv6: { address: 'fd00::3', prefix: 56, gateway } }),
    ];
    const made = 'fd00:0:0:5:8c1a:77ff:fe00:1';
    const packet = forge({ from: made, to: server6 });
    link.bring(packet, forge({ from: 'fd00:0:0:6::1', to: server6 }), forge({ from: 'fd00::3', to: server6 }));
    other.bring(forge({ from: made, to: server6 }));
    assert.deepEqual(office.delivered(), [packet]);
    assert.deepEqual(
      [link, other].map((each) => office.core.view(each)?.counters.dropped.spoofed),
      [2, 1],
    );
    const back = forge({ from: server6, to: 'fd00:0:0:5:ffff::9' });
    office.send(back, forge({ from: server6, to: 'fd00:0:0:6::9' }));
    assert.deepEqual([link.received(), office.core.dropped.noRoute], [[back], 1]);
    assert.throws(
      () => office.connect({ ipv6: { ...ipv6, address: 'fd00:0:0:5::7' } }),
      /fd00:0:0:5::\/64, which link/,
    );
  });

  test('padding behind a packet is cut off', () => {
    const office = new Office({ filter: everything });
    const link = office.connect();
    const packet = forge({ from: alice, to: server });
    link.bring(Uint8Array.of(...packet, 0, 0, 0));
    assert.deepEqual(office.delivered(), [packet]);
    const back = forge({ from: server, to: alice });
    office.send(Uint8Array.of(...back, 0));
    assert.deepEqual(link.received(), [back]);
  });

  test('what has no link, is not IP, or is for many is dropped and counted', () => {
    const office = new Office({ filter: everything });
    office.connect();
    office.send(
      forge({ from: server, to: '10.8.0.99' }),
      Uint8Array.of(1, 2, 3),
      forge({ from: server, to: '224.0.0.251' }),
      forge({ from: 'fe80::1', to: 'ff02::2' }),
      forge({ from: server6, to: 'fe80::2' }),
      forge({ from: server, to: '255.255.255.255' }),
    );
    const { noRoute, malformed, martian } = office.core.dropped;
    assert.deepEqual({ noRoute, malformed, martian }, { noRoute: 1, malformed: 1, martian: 4 });
  });

  test('a packet from a link is dropped when no router would forward it', () => {
    const office = new Office({ filter: everything });
    const link = office.connect();
    const [ip4, ip6] = [{ from: alice }, { from: alice6 }];
    for (const to of ['127.0.0.1', '0.0.0.0', '224.0.0.1', '240.0.0.1', '255.255.255.255', '169.254.169.254'])
      link.bring(forge({ ...ip4, to }));
    for (const to of ['::1', '::', 'ff02::1', 'fe80::1', '::ffff:10.0.0.1']) link.bring(forge({ ...ip6, to }));
    assert.deepEqual(office.delivered(), []);
    assert.equal(office.core.view(link)?.counters.dropped.martian, 11);
  });

  test('what the device does not take is lost and counted, and nothing waits', () => {
    const office = new Office({ filter: everything });
    const link = office.connect();
    office.deviceRoom = 2;
    link.bring(...[1, 2, 3, 4, 5].map((n) => forge({ from: alice, to: server, ports: [n, n] })));
    assert.equal(office.delivered().length, 2);
    assert.equal(office.core.view(link)?.counters.dropped.deviceFull, 3);
    office.deviceRoom = 9;
    link.bring(forge({ from: alice, to: server }));
    assert.equal(office.delivered().length, 1);
  });

  test('a link that throws costs no other link its packets', () => {
    const office = new Office({ filter: everything });
    const [a, b] = [office.connect(), office.connect()];
    a.onSend = () => {
      throw new Error('a fault');
    };
    office.send(forge({ from: server, to: alice }), forge({ from: server, to: bob }));
    assert.equal(b.received().length, 1);
    assert.equal(office.core.view(a)?.counters.dropped.sendFailed, 1);
  });

  test('a link that answers within send is heard, and the packets behind it still go', () => {
    const office = new Office({ filter: everything });
    const [a, b] = [office.connect(), office.connect()];
    const answer = forge({ from: alice, to: server });
    a.onSend = () => a.bring(answer);
    const toB = [5, 6].map((n) => forge({ from: server, to: bob, ports: [n, n] }));
    office.send(forge({ from: server, to: alice }), ...toB);
    assert.deepEqual(office.delivered(), [answer]);
    assert.deepEqual(b.received(), toB);
  });
});

describe('the inner source', () => {
  test('has to be the link’s own address or lie behind it', () => {
    const office = new Office({ filter: everything });
    const link = office.connect({ networksBehind: ['10.50.0.0/16'] });
    office.connect({ networksBehind: ['10.50.7.0/24'] });
    link.bring(
      ...[alice, '10.50.1.1'].map((from) => forge({ from, to: server })),
      forge({ from: alice6, to: server6 }),
    );
    assert.equal(office.delivered().length, 3);
    link.bring(
      ...[bob, '10.8.0.1', server, '10.8.0.99', '127.0.0.1', '0.0.0.0', '10.50.7.1'].map((from) =>
        forge({ from, to: '192.168.10.6' }),
      ),
      ...[bob6, 'fe80::1', '::', '::ffff:10.8.0.2'].map((from) => forge({ from, to: server6 })),
    );
    assert.deepEqual(office.delivered(), []);
    assert.equal(office.core.view(link)?.counters.dropped.spoofed, 11);
  });
});

describe('clients among each other', () => {
  test('are isolated unless the operator says otherwise', () => {
    const office = new Office({ filter: everything });
    const [a, b] = [office.connect(), office.connect()];
    a.bring(forge({ from: alice, to: bob }), forge({ from: alice6, to: bob6 }));
    assert.deepEqual([b.received(), office.delivered()], [[], []]);
    assert.equal(office.core.view(a)?.counters.dropped.isolated, 2);
  });

  test('an address of theirs that nobody has leads nowhere, but the gateway’s leads to the gateway', () => {
    const office = new Office({ filter: everything });
    const link = office.connect();
    link.bring(
      forge({ from: alice, to: '10.8.0.77' }),
      forge({ from: alice6, to: 'fd00::77' }),
      forge({ from: alice, to: alice }),
    );
    assert.deepEqual(office.delivered(), []);
    assert.equal(office.core.view(link)?.counters.dropped.noRoute, 3);
    link.bring(forge({ from: alice, to: '10.8.0.1' }), forge({ from: alice6, to: 'fd00::1' }));
    assert.equal(office.delivered().length, 2);
  });

  test('when allowed, packets go from link to link, one hop further, with right checksums', () => {
    const office = new Office({ clientIsolation: false });
    const [a, b] = [office.connect(), office.connect()];
    a.bring(
      forge({ from: alice, to: bob, hopLimit: 9 }),
      forge({ from: alice6, to: bob6, hopLimit: 9 }),
      forge({ from: alice, to: server }),
    );
    const [ip4, ip6] = b.received();
    assert.ok(ip4 && ip6 && checksumsHold(ip4) && checksumsHold(ip6));
    assert.deepEqual([ip4[8], ip6[7]], [8, 8]);
    assert.equal(office.delivered().length, 1, 'what is for the office goes there, in the same batch');
    b.bring(forge({ from: bob, to: alice, ports: [443, 40_000] }));
    assert.equal(a.received().length, 1);
  });

  test('a packet whose hop limit runs out is told to its sender, in the gateway’s name', () => {
    const office = new Office({ clientIsolation: false });
    const [a, b] = [office.connect(), office.connect()];
    for (const [from, to, gateway, type] of [
      [alice, bob, [10, 8, 0, 1], 11],
      [alice6, bob6, [0xfd, ...new Array<number>(14).fill(0), 1], 3],
    ] as const) {
      a.bring(forge({ from, to, hopLimit: 1 }));
      assert.deepEqual(b.received(), []);
      const [told] = a.received();
      assert.ok(told && checksumsHold(told));
      const at = from === alice ? 12 : 8;
      assert.deepEqual([...told.subarray(at, at + gateway.length)], [...gateway]);
      assert.equal(told[from === alice ? 20 : 40], type);
    }
    assert.equal(office.core.view(a)?.counters.dropped.ttl, 2);
  });

  test('the filter holds for them: the sender’s rules, and answers pass', () => {
    const admins: FilterPolicy = { rules: [{ action: 'allow', groups: ['admins'] }], default: 'deny' };
    const office = new Office({ clientIsolation: false, filter: admins });
    const [a, b] = [office.connect({}, ['admins']), office.connect({}, ['staff'])];
    b.bring(forge({ from: bob, to: alice, ports: [1, 22] }));
    assert.deepEqual(a.received(), []);
    a.bring(forge({ from: alice, to: bob, ports: [1, 22] }));
    assert.equal(b.received().length, 1);
    b.bring(forge({ from: bob, to: alice, ports: [22, 1] }), forge({ from: bob, to: alice, ports: [22, 2] }));
    assert.equal(a.received().length, 1);
  });
});

describe('a client', () => {
  test('sends what the device gives over its one link, and takes what is for its own addresses', () => {
    const office = new Office({ role: 'client' });
    const link = office.connect();
    office.send(
      forge({ from: alice, to: '8.8.8.8' }),
      forge({ from: alice6, to: '2001:db8::1' }),
      forge({ from: alice6, to: 'ff02::2' }),
    );
    assert.equal(link.received().length, 2);
    link.bring(forge({ from: '8.8.8.8', to: alice }), forge({ from: server6, to: alice6 }));
    assert.equal(office.delivered().length, 2);
  });

  test('takes nothing for other addresses from its server, unless told to', () => {
    const hostile = [
      forge({ from: server, to: '192.168.1.20' }),
      forge({ from: server, to: '127.0.0.1' }),
      forge({ from: server, to: '10.8.0.1' }),
    ];
    const office = new Office({ role: 'client' });
    const link = office.connect();
    link.bring(...hostile);
    assert.deepEqual(office.delivered(), []);
    assert.equal(office.core.view(link)?.counters.dropped.notOurs, 3);
    const site = new Office({ role: 'client', accept: ['192.168.1.0/24'] });
    site.connect().bring(...hostile);
    assert.equal(site.delivered().length, 1);
  });

  test('a new link replaces the old one', () => {
    const office = new Office({ role: 'client' });
    const old = office.connect();
    const fresh = office.connect({ ipv4: old.config.ipv4 });
    office.send(forge({ from: alice, to: server }));
    assert.deepEqual([old.received().length, fresh.received().length], [0, 1]);
  });

  test('without a link it drops and counts', () => {
    const office = new Office({ role: 'client' });
    office.send(forge({ from: alice, to: server }));
    assert.equal(office.core.dropped.noRoute, 1);
  });

  test('with a filter it is the inside: its own flows begin, others do not', () => {
    const office = new Office({ role: 'client', filter: { rules: [], default: 'allow' } });
    const link = office.connect();
    link.bring(forge({ from: server, to: alice, ports: [53, 7] }));
    assert.deepEqual(office.delivered(), []);
    office.send(forge({ from: alice, to: server, ports: [7, 53] }));
    link.bring(forge({ from: server, to: alice, ports: [53, 7] }));
    assert.deepEqual([link.received().length, office.delivered().length], [1, 1]);
  });

  test('complains of a packet too big in its gateway’s name', () => {
    const office = new Office({ role: 'client' });
    office.connect({ mtu: 1000 });
    office.send(forge({ from: alice, to: server, payload: 1200 }));
    const [told] = office.delivered();
    assert.deepEqual([...(told ?? []).slice(12, 20)], [10, 8, 0, 1, 10, 8, 0, 2]);
  });
});
