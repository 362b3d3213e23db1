/** Segment sizes, MTUs and fragments: forged packets through a whole core. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checksumsHold, forge } from '../test/forged-packets.ts';
import { Office } from '../test/office.ts';
import type { FilterPolicy } from './filter-policy.ts';

const server = '192.168.10.5';
const server6 = 'fd10::5';
const [alice, bob] = ['10.8.0.2', '10.8.0.3'];
const [alice6, _bob6] = ['fd00::2', 'fd00::3'];
const everything: FilterPolicy = { rules: [{ action: 'allow', direction: 'fromOffice' }], default: 'allow' };

const viewOf = (packet: Uint8Array) => new DataView(packet.buffer, packet.byteOffset, packet.length);

describe('sizes', () => {
  test('a TCP SYN is clamped to the link’s MTU in both directions, in both IP versions', () => {
    const office = new Office({ filter: everything });
    const link = office.connect({ mtu: 1400 });
    for (const [from, to, mss] of [
      [alice, server, 1360],
      [alice6, server6, 1340],
    ] as const) {
      link.bring(forge({ from, to, protocol: 'tcp', flags: 'S', mss: 1460 }));
      office.send(forge({ from: to, to: from, protocol: 'tcp', flags: 'SA', ports: [443, 40_000], mss: 1460 }));
      for (const packet of [...office.delivered(), ...link.received()]) {
        assert.equal(viewOf(packet).getUint16((from === alice ? 20 : 40) + 22), mss);
        assert.ok(checksumsHold(packet));
      }
    }
  });

  test('a TCP SYN is clamped to what leaves as one whole outer packet, where that is less than the MTU', () => {
    const office = new Office({ filter: everything });
    const link = office.connect({ mtu: 1500 });
    link.unfragmented = 1440;
    office.core.refresh(link);
    link.bring(forge({ from: alice, to: server, protocol: 'tcp', flags: 'S', mss: 1460 }));
    const [packet] = office.delivered();
    assert.ok(packet !== undefined && checksumsHold(packet));
    assert.equal(viewOf(packet).getUint16(20 + 22), 1400);
  });

  test('a smaller segment size, and packets that are no SYN, are left alone', () => {
    const office = new Office();
    const link = office.connect({ mtu: 1400 });
    const packets = [
      forge({ from: alice, to: server, protocol: 'tcp', flags: 'S', mss: 1000 }),
      forge({ from: alice, to: server, protocol: 'tcp', flags: 'A', mss: 1460 }),
    ];
    link.bring(...packets);
    assert.deepEqual(office.delivered(), packets);
  });

  test('the device’s MTU counts as well', () => {
    const office = new Office({ filter: everything, mtu: 1300 });
    const link = office.connect({ mtu: 1400 });
    office.send(forge({ from: server, to: alice, payload: 1300 }));
    assert.deepEqual(link.received(), []);
    assert.equal(office.core.view(link)?.counters.dropped.tooBig, 1);
  });

  test('a packet too big for its link is told to its sender, with the size that fits, in the name of the link’s address', () => {
    const office = new Office({ filter: everything });
    const link = office.connect({ mtu: 1400 });
    const packet = forge({ from: server, to: alice, payload: 1400 });
    office.send(packet);
    const [told] = office.delivered();
    assert.ok(told && checksumsHold(told));
    assert.equal(told.length, 576);
    assert.deepEqual([...told.subarray(12, 20)], [10, 8, 0, 2, 192, 168, 10, 5]);
    assert.deepEqual([...told.subarray(20, 22), viewOf(told).getUint32(24)], [3, 4, 1400]);
    assert.deepEqual(told.subarray(28), packet.subarray(0, 576 - 28));
    const packet6 = forge({ from: server6, to: alice6, payload: 1400 });
    office.send(packet6);
    const [told6] = office.delivered();
    assert.ok(told6 && checksumsHold(told6));
    assert.equal(told6.length, 1280);
    assert.deepEqual([told6[6], told6[40], told6[41], viewOf(told6).getUint32(44)], [58, 2, 0, 1400]);
    assert.deepEqual(told6.subarray(8, 24), packet6.subarray(24, 40));
    assert.deepEqual(told6.subarray(48), packet6.subarray(0, 1280 - 48));
    assert.deepEqual(link.received(), []);
  });

  test('between links it is told to the sending link, in the gateway’s name', () => {
    const office = new Office({ clientIsolation: false });
    const [a, b] = [office.connect(), office.connect({ mtu: 1300 })];
    a.bring(forge({ from: alice, to: bob, payload: 1400 }));
    const [told] = a.received();
    assert.ok(told && checksumsHold(told));
    assert.deepEqual([...told.subarray(12, 20)], [10, 8, 0, 1, 10, 8, 0, 2]);
    assert.deepEqual([b.received(), office.delivered()], [[], []]);
  });

  test('nothing is told about ICMP errors, later fragments, or to a source that is no host', () => {
    const office = new Office({ filter: everything });
    const link = office.connect({ mtu: 600 });
    office.core.setFilter({
      rules: [
        { action: 'allow', direction: 'fromOffice', protocol: 'icmp' },
        { action: 'allow', direction: 'fromOffice' },
      ],
    });
    office.send(
      forge({ from: server6, to: alice6, protocol: 'icmp', icmp: [1, 0, 0], payload: 1000 }),
      forge({ from: server6, to: alice6, payload: 1000, fragment: [1480, false, 3] }),
      forge({ from: '0.0.0.0', to: alice, payload: 1000 }),
      forge({ from: 'ff02::1', to: alice6, payload: 1000 }),
    );
    assert.deepEqual(office.delivered(), []);
    assert.equal(office.core.view(link)?.counters.dropped.tooBig, 4);
  });

  test('how much is told in a second is bounded', () => {
    const office = new Office({ filter: everything });
    office.connect({ mtu: 600 });
    for (let i = 0; i < 100; i++) office.send(forge({ from: server, to: alice, payload: 1000 }));
    assert.equal(office.delivered().length, 32);
    office.pass(1000);
    office.send(forge({ from: server, to: alice, payload: 1000 }));
    assert.equal(office.delivered().length, 1);
  });

  test('an IPv4 packet that may be fragmented arrives in pieces that fit and add up', () => {
    const office = new Office({ filter: everything });
    const link = office.connect({ mtu: 600 });
    const packet = forge({ from: server, to: alice, payload: 1390, dontFragment: false });
    office.send(packet);
    const pieces = link.received();
    const whole = new Uint8Array(packet.length - 20);
    for (const [i, piece] of pieces.entries()) {
      const flags = viewOf(piece).getUint16(6);
      assert.ok(piece.length <= 600 && viewOf(piece).getUint16(2) === piece.length);
      assert.equal((flags & 0x2000) !== 0, i < pieces.length - 1);
      whole.set(piece.subarray(20), (flags & 0x1fff) * 8);
    }
    assert.equal(pieces.length, 3);
    assert.deepEqual(whole, packet.subarray(20));
    assert.deepEqual(office.delivered(), []);
    assert.deepEqual(office.core.view(link)?.counters.packetsOut, 1);
  });

  test('a fragment that is cut again keeps its place', () => {
    const office = new Office({ filter: everything });
    const link = office.connect({ mtu: 600 });
    office.send(forge({ from: server, to: alice, payload: 1000, fragment: [800, true, 4] }));
    const flags = link.received().map((piece) => viewOf(piece).getUint16(6));
    assert.deepEqual(flags, [0x2000 | 100, 0x2000 | (100 + 576 / 8)]);
  });
});
