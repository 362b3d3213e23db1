/** ESP as IP protocol 50, where encapsulation in UDP is not forced. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { createPacketBatch } from '@culvert/base';
import { writeUdpHeader } from '@culvert/ipsec';
import { createDatagramBatch, encodePath, openRawIp, type RawIpSocket } from '@culvert/netio';
import { enterFreshNamespace, eventually } from '@culvert/testkit';
import { carry, L2tpLab, rawPeer } from '../../test/l2tp-lab.ts';
import { gateway, laptop, stranger } from '../../test/pptp-lab.ts';

const ESP = 50;
const skip = enterFreshNamespace();
if (skip === false) {
  for (const address of [gateway, laptop, stranger]) {
    execFileSync('ip', ['address', 'add', `${address}/32`, 'dev', 'lo']);
  }
}

/** Copies of what comes to the gateway as IP protocol 50. */
function listenIn(): { readonly socket: RawIpSocket; readonly heard: Buffer[] } {
  const socket = openRawIp({ family: 4, protocol: ESP, address: gateway });
  const batch = createDatagramBatch(64, 256 * 1_024);
  const heard: Buffer[] = [];
  socket.onReadable(() => {
    batch.count = 0;
    batch.used = 0;
    socket.recvBatch(batch);
    for (let slot = 0; slot < batch.count; slot++) {
      const at = batch.offsets[slot] ?? 0;
      heard.push(Buffer.from(batch.arena.slice(at, at + (batch.lengths[slot] ?? 0))));
    }
  });
  return { socket, heard };
}

test('without a NAT packets go as IP protocol 50, through changes of keys too', { skip }, async () => {
  const { socket, heard } = listenIn();
  using _ = socket;
  await using lab = await L2tpLab.open({ forceEncapsulation: false });
  const client = await lab.dial({ forceEncapsulation: false, lifetimes: { phase2Seconds: 3 } });
  assert.equal(client.link.facts['nat'], 'no');
  assert.ok((client.link.unfragmented ?? 0) > 1_400);
  while (lab.events.filter(({ kind }) => kind === 'rekeyed').length < 2) await carry(lab, client);
  assert.ok(heard.length > 0);
  const { bareReceived = 0, bareSent = 0 } = lab.listener.stats;
  assert.ok(bareReceived > 0 && bareSent > 0);
  const wire = client.link.wire ?? {};
  assert.ok((wire['bareReceived'] ?? 0) > 0 && (wire['bareSent'] ?? 0) > 0);
  await client.link.close({ cause: 'operator', detail: 'enough' });
  await eventually('the peer is gone', () => lab.listener.stats['peers'] === 0);
});

test('forged, replayed and broken packets of IP protocol 50 are dropped and counted', { skip }, async () => {
  const { socket, heard } = listenIn();
  using _ = socket;
  await using lab = await L2tpLab.open({ forceEncapsulation: false });
  const client = await lab.dial({ forceEncapsulation: false });
  await carry(lab, client);
  const packet = await eventually('a packet', () => heard.at(-1));
  using raw = openRawIp({ family: 4, protocol: ESP, address: stranger });
  const path = encodePath({ local: stranger, remote: { address: gateway, port: 0 } }, 4);
  const count = (name: string) => lab.listener.stats[name] ?? 0;
  raw.send(packet, path);
  await eventually('the same again', () => count('espReplayed') === 1);
  const forged = Buffer.from(packet);
  forged.writeUInt32BE(packet.readUInt32BE(4) + 100, 4);
  raw.send(forged, path);
  await eventually('another number', () => count('espFailed') === 1);
  raw.send(packet.subarray(0, 8), path);
  raw.send(Buffer.alloc(40), path);
  await eventually('broken ones', () => count('espMalformed') === 2);
  assert.equal(lab.peerOf(client).link.path.remote.address, laptop);
  await carry(lab, client);
});

test('who catches a packet and brings it first, in UDP, does not get what the gateway has to say', {
  skip,
}, async () => {
  await using lab = await L2tpLab.open({ forceEncapsulation: false });
  const { peer, close } = await rawPeer(lab, 1_701, { bare: true, from: laptop });
  const pair = peer.chain.sending ?? assert.fail();
  assert.equal(pair.sa.udpEncapsulated, false);
  const [packet, caught] = [createPacketBatch(1, 64), createPacketBatch(1, 256)];
  writeUdpHeader(packet.view, 0, 20, { local: 1_701, remote: 1_701 });
  [packet.lengths[0], packet.count, packet.used] = [20, 1, 20];
  pair.seal(packet, 0, caught);
  const at = caught.offsets[0] ?? 0;
  const thief = createSocket('udp4');
  const heard: Buffer[] = [];
  thief.on('message', (datagram) => void heard.push(datagram));
  thief.bind(0, stranger);
  await once(thief, 'listening');
  thief.send(caught.arena.slice(at, at + (caught.lengths[0] ?? 0)), lab.ports.natTraversal, gateway);
  await eventually('it is taken', () => lab.listener.stats['l2tpMalformed'] === 1);
  await lab.listener.close({ cause: 'shutdown', detail: 'and says so to its peers' });
  await eventually('its peer hears that', () => peer.chain.standing === 0);
  assert.equal(heard.length, 0);
  close();
  thief.close();
});

test('behind a NAT, and to a gateway that forces it, packets go in UDP all the same', { skip }, async () => {
  await using lab = await L2tpLab.open({ forceEncapsulation: false });
  const { relays } = await lab.wires();
  const [ike = 0, natTraversal = 0] = relays.map(({ endpoint }) => endpoint.port);
  const through = { remote: { address: '127.0.0.1' }, localAddress: '127.0.0.1', ports: { ike, natTraversal } };
  const client = await lab.dial({ ...through, forceEncapsulation: false });
  assert.equal(client.link.facts['nat'], 'yes');
  await carry(lab, client);
  await using forcing = await L2tpLab.open();
  const other = await forcing.dial({ forceEncapsulation: false });
  assert.equal(other.link.facts['nat'], 'yes');
  await carry(forcing, other);
});
