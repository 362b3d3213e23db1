/** What the kernel knows of a path's MTU, by its device, by a route, and by a router's answer. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { enterFreshNamespace, labIsPossible } from '@culvert/testkit';
import { append } from '../test/sockets.ts';
import { tooBigFor } from '../test/too-big.ts';
import { withWire } from '../test/wire.ts';
import { createDatagramBatch, encodePath, type IpVersion, NetioError, openRawIp, openUdp } from './index.ts';

const skip = enterFreshNamespace();

const nft = (command: string) => execFileSync('nft', [command], { encoding: 'utf8' });
const ip = (words: string) => execFileSync('ip', words.split(' '));
const pathOf = (address: string, local?: string) => {
  const family: IpVersion = address.includes(':') ? 6 : 4;
  return encodePath({ local, remote: { address, port: 4_000 } }, family);
};

for (const { family, near, far, network } of [
  { family: 4, near: '10.1.0.1', far: '10.1.0.2', network: '10.9.0.0/16' },
  { family: 6, near: 'fd01::1', far: 'fd01::2', network: 'fd09::/16' },
] as const) {
  test(`IPv${family}: a path takes what its device takes, or what its route says, as it is now`, { skip }, async () => {
    await withWire(1_400, async () => {
      using socket = openUdp({ family });
      assert.equal(socket.pathMtu(pathOf(far)), 1_400);
      assert.equal(socket.pathMtu(pathOf(far, near)), 1_400);
      ip('link set wire0 mtu 1350');
      assert.equal(socket.pathMtu(pathOf(far)), 1_350);
      ip(`route add ${network} via ${far} mtu 1300`);
      assert.equal(socket.pathMtu(pathOf(family === 4 ? '10.9.1.1' : 'fd09::1')), 1_300);
      using raw = openRawIp({ family, protocol: 47 });
      assert.equal(raw.pathMtu(encodePath({ remote: { address: far, port: 0 } }, family)), 1_350);
    });
  });

  test(`IPv${family}: it takes what a router answered, to this peer alone`, { skip }, async () => {
    await withWire(1_400, async () => {
      using socket = openUdp({ family, address: near });
      tooBigFor(socket, { near, far: pathOf(far), mtu: 1_290 });
      assert.equal(socket.pathMtu(pathOf(far)), 1_290);
      assert.equal(socket.pathMtu(pathOf(family === 4 ? '10.1.0.3' : 'fd01::3')), 1_400);
    });
  });
}

test('IPv4: routers may cut nothing that fits, of trains neither, and what is too long is cut here', {
  skip,
}, async (t) => {
  if (!labIsPossible(t, ['nft'])) return;
  await withWire(1_400, async (receiver) => {
    nft('add table ip count; add chain ip count out { type filter hook output priority 0; }');
    nft('add rule ip count out udp dport 4004 ip frag-off & 0x4000 == 0 counter comment "may be cut"');
    nft('add rule ip count out udp dport 4004 ip frag-off & 0x4000 != 0 counter comment "whole"');
    using socket = openUdp({ family: 4 });
    const lengths = [...Array(20).fill(1_000), 1_300, 1_390, ...Array(20).fill(1_380), ...Array(20).fill(900), 1_372];
    const batch = createDatagramBatch(lengths.length, 100_000);
    const path = encodePath({ remote: { address: '10.1.0.2', port: 4_004 } }, 4);
    for (const length of lengths) append(batch, new Uint8Array(length), path);
    assert.equal(socket.sendBatch(batch), lengths.length);
    await receiver.wait(4, lengths.length);
    // 1,390 and 1,380 bytes with their headers are too long. The first of 900 was the end of a train that was refused.
    assert.deepEqual(counted(), { 'may be cut': 21, whole: 5 });
    assert.deepEqual([socket.stats.sendErrors, socket.stats.trainFallbacks], [0, 2]);
    socket.send(new Uint8Array(1_390), path);
    batch.count = batch.used = 0;
    for (let i = 0; i < 20; i++) append(batch, new Uint8Array(1_000), path);
    assert.equal(socket.sendBatch(batch), 20);
    await receiver.wait(4, lengths.length + 21);
    assert.deepEqual(counted(), { 'may be cut': 22, whole: 6 });
  });
});

/** Packets of each rule: a train is one. */
function counted(): Record<string, number> {
  const rules = nft('list table ip count').matchAll(/counter packets (\d+) bytes \d+ comment "(.*)"/g);
  return Object.fromEntries([...rules].map(([, packets, name]) => [name, Number(packets)]));
}

test('where the kernel knows no way there is nothing to tell', { skip }, () => {
  using socket = openUdp({ family: 4 });
  assert.equal(socket.pathMtu(pathOf('203.0.113.1')), undefined);
  assert.equal(socket.pathMtu(pathOf('127.0.0.1', '203.0.113.1')), undefined, 'nor from an address that is not ours');
});

test('a closed socket is not asked', { skip }, () => {
  const socket = openUdp({ family: 4 });
  socket.close();
  assert.throws(
    () => socket.pathMtu(pathOf('127.0.0.1')),
    (error) => error instanceof NetioError && error.code === 'CULVERT_NETIO_CLOSED',
  );
});
