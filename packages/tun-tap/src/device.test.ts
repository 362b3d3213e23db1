import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { enterFreshNamespace } from '@culvert/testkit';
import { append, collect, echoRequest, headersOf, isEchoReply, packetsOf } from '../test/packets.ts';
import { createBatch, openTun, type TunDevice } from './index.ts';

const skip = enterFreshNamespace();
// No packets but those that a test sends.
if (skip === false) writeFileSync('/proc/sys/net/ipv6/conf/default/disable_ipv6', '1');

const here = [10, 9, 0, 1];
const there = [10, 9, 0, 2];

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8' });
}

/** A device that is up and has 10.9.0.1/24. */
function openUp(options: Parameters<typeof openTun>[0] = {}): TunDevice {
  const device = openTun(options);
  device.setUp();
  ip('address', 'add', '10.9.0.1/24', 'dev', device.name);
  return device;
}

function exists(name: string): boolean {
  return existsSync(`/sys/class/net/${name}`) || ip('-o', 'link').includes(` ${name}:`);
}

/** Has the kernel send `count` datagrams of `bytes` bytes to 10.9.0.2, that is into the device. */
async function sendFromKernel(bytes: number, count = 1): Promise<void> {
  const socket = createSocket('udp4');
  for (let i = 0; i < count; i++) {
    await new Promise((done) => socket.send(Buffer.alloc(bytes, 0x62), 9, there.join('.'), done));
  }
  socket.close();
}

const isUdp = (packet: Buffer) => packet[0] === 0x45 && packet[9] === 17;

test('the kernel answers an echo request that was written to the device', { skip }, async () => {
  using device = openUp();
  const out = createBatch(64, 65_536);
  for (let n = 1; n <= 20; n++) append(out, echoRequest(there, here, n));
  assert.equal(device.writeBatch(out), 20);

  const replies = await collect(device, createBatch(64, 65_536), isEchoReply, 20);
  assert.deepEqual(
    replies.map((reply) => reply.readUInt16BE(26)),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
});

test('packets of length 0 are not written, and one that the kernel refuses is counted and passed over', {
  skip,
}, async () => {
  using device = openUp();
  const out = createBatch(8, 65_536);
  append(out, Buffer.alloc(40));
  append(out, echoRequest(there, here, 1));
  append(out, echoRequest(there, here, 2));
  out.lengths[1] = 0;
  assert.equal(device.writeBatch(out), 1);
  assert.equal(device.stats.writeErrors, 1);
  assert.equal(device.stats.lastWriteError, 'EINVAL');
  const [reply] = await collect(device, createBatch(8, 65_536), isEchoReply);
  assert.equal(reply?.readUInt16BE(26), 2);
});

test('reading appends to the batch, stops when its slots or its arena are full, and goes on later', {
  skip,
}, async () => {
  using device = openUp();
  await sendFromKernel(100, 6);
  await collect(device, createBatch(1, 4_096), isUdp);

  const slots = createBatch(2, 65_536);
  assert.equal(device.readBatch(slots), 2);
  assert.equal(device.readBatch(slots), 0, 'no slot is free');
  assert.ok(packetsOf(slots).every((packet) => packet.length === 128 && isUdp(packet)));

  const arena = createBatch(64, device.maxPacket + 1 + 128);
  assert.equal(device.readBatch(arena), 2, 'after two packets the arena has less room than a packet needs');
  assert.equal(arena.used, 256);
  arena.count = arena.used = 0;
  assert.equal(device.readBatch(arena), 1);
  assert.equal(device.readBatch(arena), 0, 'none waits');

  await sendFromKernel(100, 3);
  const wide = createBatch(8, 65_536);
  await collect(device, createBatch(1, 4_096), isUdp);
  assert.equal(device.readBatch(wide, 1), 1, 'no more than were asked for');
  assert.equal(device.readBatch(wide, 8), 1, 'no more than wait');
  assert.throws(() => device.readBatch(wide, 0), RangeError);
});

test('an empty batch that can hold no packet is the mistake of its owner', { skip }, () => {
  using device = openUp();
  assert.throws(() => device.readBatch(createBatch(4, device.maxPacket)), RangeError);
  assert.throws(() => device.readBatch(createBatch(0, 65_536)), RangeError);
});

test('a TAP device carries Ethernet frames', { skip }, async () => {
  using device = openUp({ mode: 'tap' });
  assert.match(device.name, /^tap\d+$/);
  const out = createBatch(1, 2_048);
  // ARP (RFC 826): who has 10.9.0.1? Tell 02:00:00:00:00:02 at 10.9.0.2.
  const mac = [2, 0, 0, 0, 0, 2];
  const request = [0, 1, 8, 0, 6, 4, 0, 1, ...mac, ...there, 0, 0, 0, 0, 0, 0, ...here];
  append(out, Uint8Array.from([255, 255, 255, 255, 255, 255, ...mac, 8, 6, ...request]));
  assert.equal(device.writeBatch(out), 1);
  const isArpReply = (frame: Buffer) => frame.readUInt16BE(12) === 0x0806 && frame.readUInt16BE(20) === 2;
  const [reply] = await collect(device, createBatch(16, 65_536), isArpReply);
  assert.deepEqual([...(reply?.subarray(28, 32) ?? [])], here);
});

test('with the virtio header and offloads the kernel leaves the checksum to us', { skip }, async () => {
  using device = openUp({ vnetHeader: true, offloads: ['csum', 'tso4', 'tso6', 'uso4', 'uso6'] });
  const batch = createBatch(8, 2 * 65_536, { virtio: true });
  const needsChecksum = 1;

  await sendFromKernel(100);
  const [open] = await collect(device, batch, isUdp);
  assert.equal(open?.length, 128);
  assert.deepEqual(headersOf(batch).at(-1), {
    flags: needsChecksum,
    gsoType: 0,
    hdrLen: 0,
    gsoSize: 0,
    csumStart: 20,
    csumOffset: 6,
  });

  device.setOffloads([]);
  await sendFromKernel(100);
  await collect(device, batch, isUdp);
  assert.equal(headersOf(batch).at(-1)?.flags, 0);
});

test('a device with virtio headers takes batches with and without them', { skip }, async () => {
  using device = openUp({ vnetHeader: true });
  for (const [sequence, virtio] of [
    [7, true],
    [8, false],
  ] as const) {
    const out = createBatch(1, 2_048, { virtio });
    append(out, echoRequest(there, here, sequence));
    assert.equal(device.writeBatch(out), 1);
    const [reply] = await collect(device, createBatch(8, 2 * 65_536, { virtio: true }), isEchoReply);
    assert.equal(reply?.readUInt16BE(26), sequence);
  }
});

test('a batch whose headers the device does not have, or the other way round, is the mistake of its owner', {
  skip,
}, () => {
  using plain = openTun();
  using vnet = openTun({ vnetHeader: true });
  const [bare, virtio] = [createBatch(4, 1 << 20), createBatch(4, 1 << 20, { virtio: true })];
  assert.throws(() => plain.readBatch(virtio), TypeError);
  assert.throws(() => plain.writeBatch(virtio), TypeError);
  assert.throws(() => vnet.readBatch(bare), TypeError);
  assert.equal(vnet.readBatch(virtio), 0);
  const outside = { ...virtio, count: 1, offsets: Uint32Array.of(9), lengths: Uint32Array.of(40) };
  assert.throws(() => vnet.writeBatch(outside), RangeError, 'its header would lie before the arena');
  assert.throws(() => vnet.readBatch(createBatch(4, vnet.maxPacket + 10, { virtio: true })), RangeError);
});

test('the best offloads are what the kernel has', { skip }, () => {
  using device = openTun({ vnetHeader: true, offloads: 'best' });
  assert.ok(device.offloads.includes('csum') && device.offloads.includes('tso4'), String(device.offloads));
  device.setOffloads(['tso6']);
  assert.deepEqual(device.offloads, ['csum', 'tso6']);
  assert.deepEqual(device.missingOffloads, ['tso4', 'ecn', 'uso4', 'uso6']);
  device.setOffloads('best');
  assert.ok(device.offloads.includes('ecn'));
  using none = openTun({ vnetHeader: true });
  assert.deepEqual(none.offloads, []);
  assert.deepEqual(none.missingOffloads, ['csum', 'tso4', 'tso6', 'ecn', 'uso4', 'uso6']);
  using queues = openTun({ vnetHeader: true, offloads: 'best', multiQueue: true });
  using queue = queues.addQueue();
  assert.deepEqual(queue.offloads, queues.offloads);
});

test('offloads need the virtio header, and their names are checked', { skip }, () => {
  assert.throws(() => openTun({ offloads: ['csum'] }), TypeError);
  assert.throws(() => openTun({ offloads: 'best' }), TypeError);
  assert.throws(() => openTun({ vnetHeader: true, offloads: ['lro' as 'csum'] }), TypeError);
  assert.throws(() => openTun({ vnetHeader: true, offloads: ['uso4'] }), { code: 'CULVERT_TUN_OFFLOAD' });
  assert.equal(exists('tun0'), false, 'a device that could not be set up is closed again');
});

test('a device has more queues when it was opened for them', { skip }, async () => {
  using first = openUp({ multiQueue: true, name: 'mq%d' });
  using second = first.addQueue();
  assert.equal(second.name, first.name);
  assert.notEqual(second.fd, first.fd);
  const out = createBatch(1, 2_048);
  append(out, echoRequest(there, here, 3));
  assert.equal(second.writeBatch(out), 1);
  const seen = await Promise.any([first, second].map((queue) => collect(queue, createBatch(8, 65_536), isEchoReply)));
  assert.equal(seen[0]?.readUInt16BE(26), 3);
  second.close();
  assert.equal(exists(first.name), true, 'the interface lives as long as one of its queues');

  using single = openTun();
  assert.throws(() => single.addQueue(), { code: 'CULVERT_TUN_QUEUES' });
});

test('the interface goes with its last queue unless it is persistent', { skip }, () => {
  const passing = openTun({ name: 'passing' });
  assert.equal(exists('passing'), true);
  passing.close();
  assert.equal(exists('passing'), false);

  openTun({ name: 'staying', persist: true }).close();
  assert.equal(exists('staying'), true);
  openTun({ name: 'staying' }).close();
  assert.equal(exists('staying'), true, 'opening it again does not change that');
  openTun({ name: 'staying', persist: false }).close();
  assert.equal(exists('staying'), false);
});

test('MTU and state are read and set, also after the interface was renamed', { skip }, () => {
  using device = openTun({ name: 'before' });
  ip('link', 'set', 'before', 'name', 'after');
  device.setMtu(1_280);
  assert.equal(device.mtu, 1_280);
  assert.equal(device.maxPacket, 1_280);
  device.setUp();
  assert.match(ip('link', 'show', 'after'), /<.*\bUP\b.*mtu 1280/);
  device.setDown();
  assert.doesNotMatch(ip('link', 'show', 'after'), /<.*\bUP\b/);
  for (const mtu of [10, 70_000, 1.5, Number.NaN]) assert.throws(() => device.setMtu(mtu), { code: 'CULVERT_TUN_MTU' });
});

test('what is written while the interface is down is counted', { skip }, () => {
  using device = openTun();
  const out = createBatch(1, 2_048);
  append(out, echoRequest(there, here, 1));
  assert.equal(device.writeBatch(out), 0);
  assert.deepEqual(device.stats, { truncated: 0, writeErrors: 1, lastWriteError: 'EIO' });
});

test('a packet that no longer fits because the MTU grew is counted, and the next one fits', { skip }, async () => {
  using device = openUp();
  const small = createBatch(8, device.maxPacket + 1);
  ip('link', 'set', device.name, 'mtu', '9000');
  await sendFromKernel(5_000);
  assert.throws(() => device.readBatch(small), RangeError, 'the batch is too small for this device now');
  assert.equal(device.stats.truncated, 1);
  assert.equal(device.maxPacket, 9_000);

  await sendFromKernel(5_000);
  const [packet] = await collect(device, createBatch(8, 65_536), isUdp);
  assert.equal(packet?.length, 5_028);
});

test('a descriptor that somebody else opened is taken over', { skip }, async () => {
  const { closeSync, fstatSync, openSync } = await import('node:fs');
  const fresh = openSync('/dev/net/tun', 'r+');
  const device = openTun({ fd: fresh, name: 'given' });
  assert.equal(device.name, 'given');
  assert.equal(device.fd, fresh);
  device.close();
  assert.throws(() => fstatSync(fresh), { code: 'EBADF' });

  const other = openSync('/dev/null', 'r+');
  for (const fd of [other, 9_999, -1, 1.5]) assert.throws(() => openTun({ fd }), { code: 'CULVERT_TUN_DESCRIPTOR' });
  closeSync(other);
});
