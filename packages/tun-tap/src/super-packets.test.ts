import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { enterFreshNamespace } from '@culvert/testkit';
import { append, headersOf, packetsOf, udpSuperPacket, type VirtioHeader, virtioHeader } from '../test/packets.ts';
import { createBatch, type Offload, openTun, type TunDevice } from './index.ts';

const skip = enterFreshNamespace();

const NEEDS_CSUM = 1;
const TCPV4 = 1;
const TCPV6 = 4;
const UDP_L4 = 5;
const mtu = 1_500;

// Two devices joined by a loop that copies batches, each in a namespace of its own:
//
//   TCP client ── near (10.9.0.1, fd09::1) ══ this test ══ far (10.9.0.2, fd09::2) ── TCP server (test/far-end.js)
interface Joined {
  readonly near: TunDevice;
  readonly far: TunDevice;
  /** Super-packets that were seen on the way from either device, with their lengths. */
  readonly trains: { readonly from: 'near' | 'far'; readonly header: VirtioHeader; readonly length: number }[];
}

async function withJoined(
  offloads: readonly Offload[] | 'best',
  act: (joined: Joined) => Promise<void>,
): Promise<void> {
  const farEnd = fileURLToPath(new URL('../test/far-end.js', import.meta.url));
  const child = spawn('unshare', ['-n', process.execPath, farEnd], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  try {
    // Closed before the far namespace goes, and its device with it.
    using near = openTun({ name: 'near', vnetHeader: true, offloads });
    using far = openTun({ name: 'far', vnetHeader: true, offloads });
    await says(child, 'here');
    const setUp = `ip link set near up; ip address add 10.9.0.1/24 dev near; ip address add fd09::1/64 dev near nodad
      ip link set far netns ${child.pid}`;
    execFileSync('sh', ['-ec', setUp]);
    child.stdin.write('go\n');
    await says(child, 'ready');
    const trains: Joined['trains'] = [];
    for (const [from, device, other] of [
      ['near', near, far],
      ['far', far, near],
    ] as const) {
      const batch = createBatch(64, 1 << 20, { virtio: true });
      device.onReadable(() => {
        batch.count = batch.used = 0;
        device.readBatch(batch);
        headersOf(batch).forEach((header, i) => {
          if (header.gsoSize > 0) trains.push({ from, header, length: batch.lengths[i] ?? 0 });
        });
        other.writeBatch(batch);
      });
    }
    await act({ near, far, trains });
  } finally {
    child.stdin.end();
    await exited;
  }
}

async function says(child: ChildProcess, word: string): Promise<void> {
  const [text] = await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data', {
    signal: AbortSignal.timeout(30_000),
  });
  assert.equal(String(text), `${word}\n`);
}

/** Sends `bytes` to the far end and returns its answer: 32 bytes of hash, then the same bytes. */
async function exchange(host: string, bytes: Buffer): Promise<Buffer> {
  const socket = createConnection({ host, port: 7 });
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece)).end(bytes);
  await once(socket, 'close', { signal: AbortSignal.timeout(20_000) });
  return Buffer.concat(pieces);
}

for (const { host, gsoType } of [
  { host: '10.9.0.2', gsoType: TCPV4 },
  { host: 'fd09::2', gsoType: TCPV6 },
]) {
  test(`TCP to ${host} crosses two devices in super-packets, unharmed`, { skip }, async () => {
    await withJoined('best', async ({ near, far, trains }) => {
      const bytes = randomBytes(8 << 20);
      const answer = await exchange(host, bytes);
      assert.equal(answer.subarray(0, 32).toString('hex'), createHash('sha256').update(bytes).digest('hex'));
      assert.ok(answer.subarray(32).equals(bytes), 'and back');
      for (const from of ['near', 'far'] as const) {
        const long = trains.filter((train) => train.from === from && train.length > mtu);
        assert.ok(long.length > 50, `${long.length} super-packets from ${from}`);
        for (const { header, length } of long) {
          assert.equal(header.gsoType, gsoType);
          assert.equal(header.flags, NEEDS_CSUM);
          assert.ok(header.gsoSize > 1_000 && header.hdrLen + header.gsoSize <= mtu, JSON.stringify(header));
          assert.ok(length <= near.maxPacket);
        }
        assert.ok(Math.max(...long.map(({ length }) => length)) > 16_000);
      }
      assert.deepEqual([near.stats.writeErrors, far.stats.writeErrors], [0, 0]);
    });
  });
}

test('without offloads the same stream comes in packets of the MTU', { skip }, async () => {
  await withJoined([], async ({ trains }) => {
    const bytes = randomBytes(1 << 20);
    assert.ok((await exchange('10.9.0.2', bytes)).subarray(32).equals(bytes));
    assert.equal(trains.length, 0);
  });
});

/** A UDP super-packet and its header. */
function train(from: string, to: string, port: number, payload: Buffer, gsoSize: number) {
  const packet = udpSuperPacket(from, to, port, payload);
  const csumStart = packet.length - payload.length - 8;
  const header = { flags: NEEDS_CSUM, gsoType: UDP_L4, hdrLen: csumStart + 8, gsoSize, csumStart, csumOffset: 6 };
  return { packet, header };
}

for (const { family, here, there } of [
  { family: 4, here: '10.8.0.1', there: '10.8.0.2' },
  { family: 6, here: 'fd08::1', there: 'fd08::2' },
] as const) {
  test(`IPv${family}: a UDP super-packet that is written arrives as its datagrams`, { skip }, async (t) => {
    using device = openTun({ name: 'writes', vnetHeader: true, offloads: 'best' });
    if (!device.offloads.includes('uso4')) return t.skip('this kernel has no USO');
    device.setUp();
    execFileSync('ip', ['address', 'add', here, 'peer', there, 'dev', 'writes', ...(family === 6 ? ['nodad'] : [])]);
    const socket = createSocket({ type: `udp${family}`, recvBufferSize: 1 << 20 }).bind(0, here);
    await once(socket, 'listening');
    const messages: Buffer[] = [];
    socket.on('message', (message) => messages.push(message));
    const payload = randomBytes(20_500);
    const { packet, header } = train(there, here, socket.address().port, payload, 1_000);
    const out = createBatch(1, 65_536, { virtio: true });
    append(out, packet, virtioHeader(header));
    // The kernel may not have taken the new address and device into use yet: then the train is lost, and sent again.
    for (let attempt = 0; messages.length < 21; attempt++) {
      assert.ok(attempt < 20, `${messages.length} datagrams of a train arrive`);
      messages.length = 0;
      assert.equal(device.writeBatch(out), 1, device.stats.lastWriteError);
      for (let wait = 0; wait < 25 && messages.length < 21; wait++) await setTimeout(10);
    }
    assert.ok(Buffer.concat(messages).equals(payload));
    assert.deepEqual(
      messages.map(({ length }) => length),
      [...Array(20).fill(1_000), 500],
    );
    socket.close();
  });

  test(`IPv${family}: the kernel forwards a UDP super-packet whole to a device with USO, and cut to one without`, {
    skip,
  }, async (t) => {
    using into = openTun({ name: 'into', vnetHeader: true, offloads: 'best' });
    if (!into.offloads.includes('uso4')) return t.skip('this kernel has no USO');
    using whole = openTun({ name: 'whole', vnetHeader: true, offloads: 'best' });
    using cut = openTun({ name: 'cut', vnetHeader: true, offloads: ['csum'] });
    for (const device of [into, whole, cut]) device.setUp();
    const far = family === 4 ? ['10.8.1.0/24', '10.8.2.0/24'] : ['fd81::/64', 'fd82::/64'];
    const setUp = `echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
      ip address add ${here} peer ${there} dev into ${family === 6 ? 'nodad' : ''}
      ip route add ${far[0]} dev whole; ip route add ${far[1]} dev cut`;
    execFileSync('sh', ['-ec', setUp]);
    const payload = randomBytes(20_500);
    const out = createBatch(2, 65_536, { virtio: true });
    for (const to of family === 4 ? ['10.8.1.1', '10.8.2.1'] : ['fd81::1', 'fd82::1']) {
      const { packet, header } = train(there, to, 9, payload, 1_000);
      append(out, packet, virtioHeader(header));
    }
    assert.equal(into.writeBatch(out), 2, into.stats.lastWriteError);
    const isOurs = (packet: Buffer) =>
      packet[family === 4 ? 9 : 6] === 17 && packet.subarray(packet[0] === 0x45 ? 20 : 40).readUInt16BE(2) === 9;
    const received = (device: TunDevice) => {
      const batch = createBatch(64, 1 << 20, { virtio: true });
      device.readBatch(batch);
      return packetsOf(batch)
        .map((packet, i) => ({ packet, header: headersOf(batch)[i] }))
        .filter(({ packet }) => isOurs(packet));
    };
    const [one, ...more] = received(whole);
    assert.equal(more.length, 0);
    assert.equal(one?.header?.gsoType, UDP_L4);
    assert.equal(one?.header?.gsoSize, 1_000);
    assert.ok(one?.packet.subarray(-payload.length).equals(payload));
    const pieces = received(cut);
    assert.equal(pieces.length, 21);
    assert.ok(pieces.every(({ header }) => header?.gsoType === 0));
    assert.ok(Buffer.concat(pieces.map(({ packet }) => packet.subarray(family === 4 ? 28 : 48))).equals(payload));
  });
}

test('super-packets whose headers lie are refused one by one, the rest is written', { skip }, async (t) => {
  using device = openTun({ name: 'lies', vnetHeader: true, offloads: 'best' });
  if (!device.offloads.includes('uso4')) return t.skip('this kernel has no USO');
  device.setUp();
  execFileSync('ip', ['address', 'add', '10.7.0.1', 'peer', '10.7.0.2', 'dev', 'lies']);
  const { packet, header } = train('10.7.0.2', '10.7.0.1', 9, Buffer.alloc(5_000), 1_000);
  const out = createBatch(8, 65_536, { virtio: true });
  append(out, packet, virtioHeader({ ...header, gsoSize: 0 }));
  append(out, packet, virtioHeader({ ...header, gsoType: 77 }));
  append(out, packet, virtioHeader({ ...header, csumStart: 60_000 }));
  append(out, packet, virtioHeader({ ...header, hdrLen: 60_000 }));
  append(out, packet, virtioHeader(header));
  assert.equal(device.writeBatch(out), 1);
  assert.deepEqual([device.stats.writeErrors, device.stats.lastWriteError], [4, 'EINVAL']);
});
