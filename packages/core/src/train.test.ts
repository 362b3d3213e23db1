import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPacketBatch, type PacketBatch, virtioBytes } from '@culvert/base';
import { checksum, pseudoHeaderSum } from '@culvert/wire';
import { Office } from '../test/office.ts';

const SYN = 0x02;
const ACK = 0x10;
const TCP_OPTIONS = 4;

interface Header {
  readonly gso?: number;
  readonly size?: number;
  readonly partial?: boolean;
}

/** A TCP packet from the office to client 1 (10.8.0.2) behind a virtio header, its checksum partial: the pseudo-header's sum. */
function train(payload: number, flags: number, header: Header = {}): PacketBatch {
  const batch = createPacketBatch(1, virtioBytes + 20 + 20 + TCP_OPTIONS + payload, { virtio: true });
  const { view } = batch;
  const at = virtioBytes;
  const length = 20 + 20 + TCP_OPTIONS + payload;
  view.setUint8(0, header.partial === false ? 0 : 1);
  view.setUint8(1, header.gso ?? 0);
  view.setUint16(2, 20 + 20 + TCP_OPTIONS, true);
  view.setUint16(4, header.size ?? 0, true);
  view.setUint16(6, 20, true);
  view.setUint16(8, 16, true);
  view.setUint8(at, 0x45);
  view.setUint16(at + 2, length);
  view.setUint8(at + 8, 64);
  view.setUint8(at + 9, 6);
  batch.arena.set([192, 168, 5, 9], at + 12);
  batch.arena.set([10, 8, 0, 2], at + 16);
  view.setUint16(at + 10, checksum(view, at, 20));
  view.setUint16(at + 20, 80);
  view.setUint16(at + 22, 40_000);
  view.setUint8(at + 32, ((20 + TCP_OPTIONS) / 4) << 4);
  view.setUint8(at + 33, flags);
  // The maximum segment size, 1460.
  batch.arena.set([2, 4, 0x05, 0xb4], at + 40);
  view.setUint16(at + 36, ~checksum(view, 0, 0, pseudoHeaderSum(view, 4, at + 12, 6, length - 20)) & 0xffff);
  batch.offsets[0] = at;
  batch.lengths[0] = length;
  batch.count = 1;
  batch.used = at + length;
  return batch;
}

const allowAll = {
  filter: { rules: [{ action: 'allow', networks: ['0.0.0.0/0'], direction: 'fromOffice' }] },
} as const;

test('a train whose segments fit is one packet to the link, and counts as its segments', () => {
  const office = new Office(allowAll);
  const link = office.connect();
  office.core.handleDevicePackets(train(14_000, ACK, { gso: 1, size: 1_400 }), office.now);
  assert.deepEqual(
    link.received().map(({ length }) => length),
    [14_044],
  );
  const { counters } = office.core.view(link) ?? {};
  assert.equal(counters?.packetsOut, 10);
  assert.equal(counters?.bytesOut, 14_000 + 10 * 44);
});

test('a train whose segments are too large is not sent, and its sender is told', () => {
  const office = new Office(allowAll);
  const link = office.connect({ mtu: 1_400 });
  office.core.handleDevicePackets(train(14_000, ACK, { gso: 1, size: 1_400 }), office.now);
  assert.equal(link.received().length, 0);
  assert.equal(office.core.view(link)?.counters.dropped.tooBig, 1);
});

test('the batch that a link gets says that it has virtio headers', () => {
  const office = new Office(allowAll);
  const link = office.connect();
  let virtio: boolean | undefined;
  link.onSend = (batch) => {
    virtio = batch.virtio;
  };
  office.core.handleDevicePackets(train(100, ACK), office.now);
  assert.equal(virtio, true);
});

test('the segment size of a SYN is clamped, and a partial checksum stays the pseudo-header alone', () => {
  const office = new Office(allowAll);
  const link = office.connect({ mtu: 1_300 });
  const syn = train(0, SYN);
  const before = syn.view.getUint16(virtioBytes + 36);
  office.core.handleDevicePackets(syn, office.now);
  const [packet] = link.received();
  const view = new DataView(packet?.buffer ?? new ArrayBuffer(0), packet?.byteOffset);
  assert.equal(view.getUint16(42), 1_260);
  assert.equal(view.getUint16(36), before);
});

test('a packet that is fragmented here has its checksum finished first', () => {
  const office = new Office(allowAll);
  const link = office.connect({ mtu: 576 });
  const batch = train(1_000, ACK);
  office.core.handleDevicePackets(batch, office.now);
  const fragments = link.received();
  assert.ok(fragments.length >= 2);
  const whole = new Uint8Array(20 + 1_024);
  whole.set(fragments[0]?.subarray(0, 20) ?? []);
  for (const fragment of fragments) {
    const view = new DataView(fragment.buffer, fragment.byteOffset);
    whole.set(fragment.subarray(20), 20 + (view.getUint16(6) & 0x1fff) * 8);
  }
  const view = new DataView(whole.buffer);
  assert.equal(checksum(view, 20, 1_024, pseudoHeaderSum(view, 4, 12, 6, 1_024)), 0);
});
