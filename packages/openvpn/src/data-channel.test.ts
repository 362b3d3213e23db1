import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPacketBatch, type Instant, type PacketBatch } from '@culvert/base';
import { createOpenvpnAeadKey, Join } from '@culvert/cipher';
import { seededRandom } from '@culvert/testkit';
import fc from 'fast-check';
import { batchOf, innerPacket, packetsOf } from '../test/ends.ts';
import { DataChannel, type DataChannelOptions } from './data-channel.ts';
import type { Framing } from './framing.ts';
import { occExitMessage, pingMessage } from './magic.ts';
import { defaultDataCiphers } from './negotiation.ts';
import { emptyStats } from './session-settings.ts';

const now = 0 as Instant;
const never = 1e12 as Instant;
const key2 = seededRandom(1).bytes(256);
const later = seededRandom(2).bytes(256);

function channel(
  role: 'server' | 'client',
  changes: Partial<DataChannelOptions> = {},
): DataChannel & { stats: DataChannelOptions['stats'] } {
  const stats = emptyStats();
  const options: DataChannelOptions = {
    role,
    cipher: 'AES-256-GCM',
    peerId: 5,
    framing: 'none',
    createDataKey: createOpenvpnAeadKey,
    replayWindow: 64,
    join: Join.tcp,
    stats,
    ...changes,
  };
  const made = new DataChannel(options);
  made.addKey(0, key2, { now, useAt: now, transition: 1_000 });
  return Object.assign(made, { stats });
}

function pair(changes: Partial<DataChannelOptions> = {}) {
  return { server: channel('server', changes), client: channel('client', changes) };
}

function seal(from: DataChannel, ...packets: readonly Uint8Array[]): Uint8Array[] {
  const dst = createPacketBatch(64, 200_000);
  from.seal(batchOf(...packets), 0, dst);
  return packetsOf(dst);
}

function open(
  to: DataChannel,
  ...datagrams: readonly Uint8Array[]
): { readonly batch: PacketBatch; readonly authentic: number } {
  const batch = createPacketBatch(64, 200_000);
  const opened = { accepted: 0, packets: 0, bytes: 0 };
  assert.equal(to.open(batchOf(...datagrams), 0, datagrams.length, batch, opened), datagrams.length);
  return { batch, authentic: opened.accepted };
}

for (const cipher of defaultDataCiphers) {
  for (const peerId of [5, undefined]) {
    test(`packets of every size go both ways (${cipher}, ${peerId === undefined ? 'DATA_V1' : 'DATA_V2'})`, () => {
      const { server, client } = pair({ cipher, peerId });
      const packets = [1, 20, 576, 1_400, 1_500, 9_000].map((length, n) => innerPacket(n, Math.max(20, length)));
      for (const [from, to] of [
        [server, client],
        [client, server],
      ] as const) {
        const { batch, authentic } = open(to, ...seal(from, ...packets));
        assert.equal(authentic, packets.length);
        assert.deepEqual(packetsOf(batch), packets);
      }
    });
  }
}

test('a peer id is on every datagram, and its change is found out', () => {
  const { server, client } = pair();
  const [datagram] = seal(server, innerPacket(1)) as [Uint8Array];
  assert.deepEqual([...datagram.subarray(0, 4)], [(9 << 3) | 0, 0, 0, 5]);
  datagram[3] = 6;
  assert.equal(open(client, datagram).authentic, 0);
  assert.equal(client.stats.dataUnauthenticated, 1);
});

test('a replay is dropped, the packets around it are not', () => {
  const { server, client } = pair();
  const [a, b, c] = seal(server, innerPacket(1), innerPacket(2), innerPacket(3)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const { batch, authentic } = open(client, a, a, c, b);
  assert.equal(authentic, 3);
  assert.deepEqual(packetsOf(batch), [innerPacket(1), innerPacket(3), innerPacket(2)]);
  assert.equal(client.stats.dataReplayed, 1);
});

test('pings and options messages are absorbed, and count as heard', () => {
  const { server, client } = pair();
  const ping = server.sealOne(pingMessage);
  assert.ok(ping);
  const { batch, authentic } = open(client, ping);
  assert.equal(authentic, 1);
  assert.equal(batch.lengths[0], 0);
  assert.equal(client.stats.packetsIn, 0);
  assert.equal(client.exitSeen, false);
  open(client, server.sealOne(occExitMessage) ?? pingMessage);
  assert.equal(client.exitSeen, true);
});

test('an unknown key id, another format and short datagrams are counted and dropped', () => {
  const { server, client } = pair();
  const [good] = seal(server, innerPacket(1)) as [Uint8Array];
  const otherKey = good.slice();
  otherKey[0] = (otherKey[0] ?? 0) | 3;
  const { batch, authentic } = open(client, otherKey, Uint8Array.of(6 << 3, 1, 2), good.subarray(0, 10), good);
  assert.equal(authentic, 1);
  assert.deepEqual([...batch.lengths.subarray(0, batch.count)], [100]);
  assert.equal(client.stats.dataNoKey, 2);
  assert.equal(client.stats.dataUnauthenticated, 1);
});

test('a later key opens at once, and sends when the peer is seen to have it', () => {
  const { server, client } = pair();
  const times = { now, useAt: never, transition: 1_000 };
  server.addKey(1, later, times);
  client.addKey(1, later, times);
  assert.equal(server.sendingKeyId, 0);
  assert.equal(open(client, ...seal(server, innerPacket(1))).authentic, 1);
  assert.equal(server.confirm(), true);
  assert.equal(open(client, ...seal(server, innerPacket(2))).authentic, 1);
  assert.equal(client.sendingKeyId, 1, "the peer's packet under the new key says that it has it");
  assert.equal(open(server, ...seal(client, innerPacket(3))).authentic, 1);
});

test('without a word of the peer sending changes at its time, and the old key opens until its time is over', () => {
  const { server, client } = pair();
  const old = seal(client, innerPacket(1), innerPacket(2)) as [Uint8Array, Uint8Array];
  server.addKey(1, later, { now, useAt: 500 as Instant, transition: 1_000 });
  assert.equal(server.timeout, 500);
  assert.equal(server.handleTimeout(499 as Instant), false);
  assert.equal(server.handleTimeout(500 as Instant), true);
  assert.equal(server.sendingKeyId, 1);
  assert.equal(open(server, old[0]).authentic, 1);
  assert.equal(server.timeout, 1_000);
  server.handleTimeout(1_000 as Instant);
  assert.equal(open(server, old[1]).authentic, 0);
  assert.equal(server.stats.dataNoKey, 1);
});

test('at most three keys live', () => {
  const { server, client } = pair();
  const [first] = seal(client, innerPacket(1)) as [Uint8Array];
  for (const keyId of [1, 2, 3]) server.addKey(keyId, later, { now, useAt: now, transition: 1e9 });
  assert.equal(open(server, first).authentic, 0);
});

test('a key wears out by packets and bytes, and near its last packet id', () => {
  const { server } = pair();
  seal(server, innerPacket(1, 1_000), innerPacket(2, 1_000));
  assert.equal(server.isWorn(1e9, 1e9), false);
  assert.equal(server.isWorn(2_000, 1e9), true);
  assert.equal(server.isWorn(1e9, 2), true);
  assert.equal(channel('server', { firstPacketId: 0xff00_0000 }).isWorn(1e18, 1e18), true);
});

test('no packet id is used twice: where a batch could run out of them, its packets are dropped', () => {
  const { server, client } = pair({ firstPacketId: 0xffff_ffff - 65 });
  assert.equal(seal(server, innerPacket(1), innerPacket(2)).length, 2);
  assert.equal(seal(server, innerPacket(3), innerPacket(4)).length, 0);
  assert.equal(server.stats.droppedOut, 2);
  assert.equal(channel('server', { firstPacketId: 0xffff_ffff }).sealOne(pingMessage), undefined);
  assert.equal(client.stats.packetsIn, 0);
});

test('what does not fit the batch is left for the next', () => {
  const { server } = pair();
  const dst = createPacketBatch(2, 10_000);
  assert.equal(server.seal(batchOf(innerPacket(1), innerPacket(2), innerPacket(3)), 0, dst), 2);
  assert.deepEqual([dst.count, server.stats.packetsOut, server.stats.droppedOut], [2, 2, 0]);
});

for (const framing of ['lzo-framing', 'stub', 'stub-v2'] as const satisfies readonly Framing[]) {
  test(`a peer with compression framing gets its packets uncompressed (${framing})`, () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 20, maxLength: 200 }), { minLength: 1, maxLength: 80 }),
        (packets) => {
          const { server, client } = pair({ framing });
          const dst = createPacketBatch(128, 100_000);
          assert.equal(server.seal(batchOf(...packets), 0, dst), packets.length);
          const got = createPacketBatch(128, 100_000);
          const opened = { accepted: 0, packets: 0, bytes: 0 };
          client.open(dst, 0, dst.count, got, opened);
          assert.equal(opened.accepted, packets.length);
          assert.deepEqual(packetsOf(got), packets);
          open(client, server.sealOne(occExitMessage) ?? pingMessage);
          assert.equal(client.exitSeen, true);
        },
      ),
      { numRuns: 50 },
    );
  });
}

test('a compressed packet is refused', () => {
  const plain = channel('server');
  const client = channel('client', { framing: 'lzo-framing' });
  const { batch } = open(client, ...seal(plain, Uint8Array.of(0x66, 1, 2, 3)));
  assert.equal(batch.lengths[0], 0);
  assert.equal(client.stats.dataRefused, 1);
});
