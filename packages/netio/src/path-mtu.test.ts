/** What the kernel knows of a path's MTU, by its device, by a route, and by a router's answer. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { enterFreshNamespace } from '@culvert/testkit';
import { tooBigFor } from '../test/too-big.ts';
import { withWire } from '../test/wire.ts';
import { encodePath, type IpVersion, NetioError, openRawIp, openUdp } from './index.ts';

const skip = enterFreshNamespace();

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
