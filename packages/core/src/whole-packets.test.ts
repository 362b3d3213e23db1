/** What leaves as one outer packet, and changes while a link is up: SYNs are clamped to it, and flows that are up are told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPacketBatch, virtioBytes } from '@culvert/base';
import { checksumsHold, type Forged, forge } from '../test/forged-packets.ts';
import { Office } from '../test/office.ts';
import type { FilterPolicy } from './filter-policy.ts';

const server = '192.168.10.5';
const server6 = 'fd10::5';
const [alice, bob] = ['10.8.0.2', '10.8.0.3'];
const [alice6, bob6] = ['fd00::2', 'fd00::3'];
const filter: FilterPolicy = { rules: [{ action: 'allow', direction: 'fromOffice' }], default: 'allow' };

const viewOf = (packet: Uint8Array) => new DataView(packet.buffer, packet.byteOffset, packet.length);
/** A packet of `length` bytes in all. */
const tcp = (from: string, to: string, length: number, more: Partial<Forged> = {}) =>
  forge({ from, to, protocol: 'tcp', payload: length - (from.includes(':') ? 60 : 40), ...more });

test('a SYN is clamped to what leaves whole at that moment, in both directions, as it shrinks and grows', () => {
  const office = new Office({ filter });
  const link = office.connect({ mtu: 1500 });
  for (const unfragmented of [1440, 1300, 1200, undefined, 1440]) {
    link.unfragmented = unfragmented;
    link.bring(tcp(alice, server, 40, { flags: 'S', mss: 1460 }));
    office.send(tcp(server6, alice6, 60, { flags: 'SA', ports: [443, 40_000], mss: 1440 }));
    const [up] = office.delivered();
    const [down] = link.received();
    assert.ok(up && down && checksumsHold(up) && checksumsHold(down));
    assert.equal(viewOf(up).getUint16(20 + 22), (unfragmented ?? 1500) - 40);
    assert.equal(viewOf(down).getUint16(40 + 22), (unfragmented ?? 1500) - 60);
  }
});

test('TCP that no longer leaves whole reaches the peer, and its sender is told what would, in the name of the link’s address', () => {
  const office = new Office({ filter });
  const link = office.connect();
  link.unfragmented = 1308;
  office.core.refresh(link);
  const [packet, packet6] = [tcp(server, alice, 1440), tcp(server6, alice6, 1440)];
  office.send(packet);
  office.pass(1);
  office.send(packet6);
  assert.deepEqual(link.received(), [packet, packet6]);
  const [told, told6] = office.delivered();
  assert.ok(told && told6 && checksumsHold(told) && checksumsHold(told6));
  assert.deepEqual([...told.subarray(12, 20)], [10, 8, 0, 2, 192, 168, 10, 5]);
  assert.deepEqual([...told.subarray(20, 22), viewOf(told).getUint32(24)], [3, 4, 1308]);
  assert.deepEqual([told6[6], told6[40], told6[41], viewOf(told6).getUint32(44)], [58, 2, 0, 1308]);
  assert.deepEqual(office.core.view(link)?.counters.dropped.tooBig, 0);
});

test('so does a train, whose sender is told once', () => {
  const office = new Office({ filter });
  const link = office.connect();
  link.unfragmented = 1308;
  office.core.refresh(link);
  const whole = tcp(server, alice, 40 + 10 * 1400);
  const batch = createPacketBatch(1, virtioBytes + whole.length, { virtio: true });
  batch.view.setUint8(1, 1);
  batch.view.setUint16(4, 1400, true);
  batch.arena.set(whole, virtioBytes);
  batch.offsets[0] = virtioBytes;
  batch.lengths[0] = whole.length;
  batch.count = 1;
  batch.used = batch.arena.length;
  office.core.handleDevicePackets(batch, office.now);
  assert.deepEqual(
    link.received().map(({ length }) => length),
    [whole.length],
  );
  const told = office.delivered();
  assert.deepEqual(
    told.map((packet) => viewOf(packet).getUint32(24)),
    [1308],
  );
});

test('what fits is told nothing, and a path that has room again ends it', () => {
  const office = new Office({ filter });
  const link = office.connect();
  link.unfragmented = 1308;
  office.core.refresh(link);
  office.send(tcp(server, alice, 1308), tcp(server6, alice6, 1308));
  assert.deepEqual(office.delivered(), []);
  link.unfragmented = 1440;
  // The transport learns of it by what it sends.
  office.send(tcp(server, alice, 100));
  office.send(tcp(server, alice, 1440));
  assert.deepEqual(office.delivered(), []);
});

test('nobody is told who may be fragmented, speaks no TCP, or may know no smaller packets', () => {
  const office = new Office({ filter });
  const link = office.connect();
  link.unfragmented = 1000;
  office.core.refresh(link);
  const packets = [
    tcp(server, alice, 1400, { dontFragment: false }),
    forge({ from: server, to: alice, payload: 1400 }),
    forge({ from: server6, to: alice6, payload: 1400 }),
    tcp(server6, alice6, 1280),
  ];
  office.send(...packets);
  assert.deepEqual([link.received(), office.delivered()], [packets, []]);
  office.send(tcp(server6, alice6, 1281));
  const [told] = office.delivered();
  assert.ok(told);
  assert.equal(viewOf(told).getUint32(44), 1280, 'and no IPv6 host is told of less than it must have');
});

test('how much is told in a second is bounded, and leaves packets that are lost their share', () => {
  const office = new Office({ filter });
  const link = office.connect({ mtu: 1450 });
  link.unfragmented = 1308;
  office.core.refresh(link);
  office.send(...Array.from({ length: 100 }, () => tcp(server, alice, 1400)));
  assert.deepEqual([link.received().length, office.delivered().length], [100, 1], 'one a batch');
  for (let i = 0; i < 100; i++) {
    office.pass(1);
    office.send(tcp(server, alice, 1400));
  }
  assert.deepEqual([link.received().length, office.delivered().length], [100, 7], 'eight a second');
  office.send(tcp(server, alice, 1500));
  assert.equal(office.delivered().length, 1);
  office.pass(1000);
  office.send(tcp(server, alice, 1400));
  assert.equal(office.delivered().length, 1);
});

test('a client tells its own machine, in the gateway’s name', () => {
  const office = new Office({ role: 'client' });
  const link = office.connect();
  link.unfragmented = 1308;
  office.core.refresh(link);
  office.send(tcp(alice, server, 1400));
  const [told] = office.delivered();
  assert.ok(told && checksumsHold(told));
  assert.deepEqual([...told.subarray(12, 20), viewOf(told).getUint32(24)], [10, 8, 0, 1, 10, 8, 0, 2, 1308]);
  assert.equal(link.received().length, 1);
});

test('a peer that answers at once what it is told changes nothing of the packet', () => {
  const office = new Office({ filter, clientIsolation: false });
  const [a, b] = [office.connect(), office.connect()];
  b.unfragmented = 1308;
  office.core.refresh(b);
  a.onSend = () => a.bring(tcp(alice, server, 40, { flags: 'S', mss: 1460 }));
  const packet = tcp(alice, bob, 1400);
  a.bring(packet);
  const [got] = b.received();
  assert.equal(got?.length, 1400);
  assert.ok(got && checksumsHold(got));
  assert.equal(office.core.view(b)?.counters.bytesOut, 1400);
  assert.equal(office.delivered().length, 1);
});

test('a peer is told, in the gateway’s name, of what it sends to another, and nothing of what it sends to the office', () => {
  const office = new Office({ filter, clientIsolation: false });
  const [a, b] = [office.connect(), office.connect()];
  for (const link of [a, b]) {
    link.unfragmented = 1308;
    office.core.refresh(link);
  }
  a.bring(tcp(alice, server, 1400));
  assert.deepEqual([office.delivered().length, a.received().length], [1, 0]);
  a.bring(tcp(alice, bob, 1400), tcp(alice, bob, 1400), tcp(alice, bob, 1308));
  const told = a.received();
  assert.deepEqual([office.delivered().length, told.length, b.received().length], [0, 1, 3]);
  const [error] = told;
  assert.ok(error && checksumsHold(error));
  assert.deepEqual([...error.subarray(12, 22), viewOf(error).getUint32(24)], [10, 8, 0, 1, 10, 8, 0, 2, 3, 4, 1308]);
  office.pass(1);
  b.bring(tcp(bob6, alice6, 1400));
  const [error6] = b.received();
  assert.ok(error6 && checksumsHold(error6));
  assert.deepEqual([error6[40], viewOf(error6).getUint32(44)], [2, 1308]);
});
