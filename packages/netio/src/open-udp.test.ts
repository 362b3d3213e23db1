import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enterFreshNamespace, runChild } from '@culvert/testkit';
import { pathTo, receive, textOf } from '../test/sockets.ts';
import { sentences } from './errors.ts';
import { createDatagramBatch, openUdp } from './index.ts';

const entry = new URL('./index.ts', import.meta.url);

const skip = enterFreshNamespace();

test('the socket tells where it is bound', { skip }, () => {
  using any = openUdp({ family: 4 });
  assert.equal(any.local.address, '0.0.0.0');
  assert.ok(any.local.port > 0);
  using one = openUdp({ family: 6, address: '::1', port: 1194 });
  assert.deepEqual(one.local, { address: '::1', port: 1194 });
});

test('IPv4 and IPv6 have the same port each for itself', { skip }, async () => {
  using v6 = openUdp({ family: 6 });
  using v4 = openUdp({ family: 4, port: v6.local.port });
  using client = openUdp({ family: 4 });
  client.send(Buffer.from('for IPv4'), pathTo(v4, '127.0.0.1'));
  assert.equal(textOf(await receive(v4), 0), 'for IPv4');
  assert.equal(v6.recvBatch(createDatagramBatch(1, 4_096)), 0);
});

test('a port that another socket has is taken', { skip }, () => {
  using first = openUdp({ family: 4 });
  const { port } = first.local;
  assert.throws(() => openUdp({ family: 4, port }), {
    code: 'CULVERT_NETIO_PORT_TAKEN',
    message: `${sentences.CULVERT_NETIO_PORT_TAKEN}: UDP 0.0.0.0:${port}`,
  });
  using shared = openUdp({ family: 4, reusePort: true });
  using other = openUdp({ family: 4, reusePort: true, port: shared.local.port });
  assert.deepEqual(other.local, shared.local);
});

test('without CAP_NET_BIND_SERVICE a low port is refused with the capability named', { skip }, async () => {
  const drop = ['setpriv', '--bounding-set', '-net_bind_service', '--inh-caps', '-net_bind_service'];
  const script = 'try { subject.openUdp({ family: 4, port: 500 }); } catch (error) { console.log(error.message); }';
  const { output } = await runChild(entry, script, drop);
  assert.equal(output, `${sentences.CULVERT_NETIO_PERMISSION}: UDP 0.0.0.0:500`);
});

test('without CAP_NET_ADMIN buffers grow as far as the system allows', { skip }, async () => {
  const drop = ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'];
  const script = `const socket = subject.openUdp({ family: 4, receiveBufferBytes: 1 << 29 });
    console.log(socket.bufferSizes.receive > 100_000);`;
  assert.equal((await runChild(entry, script, drop)).output, 'true');
});

test('addresses that are none, of the other version, or of another machine are refused', { skip }, () => {
  for (const address of ['', 'localhost', '1.2.3', '::1', 'x'.repeat(500), '127.0.0.1%lo']) {
    assert.throws(() => openUdp({ family: 4, address }), { code: 'CULVERT_NETIO_ADDRESS' }, address);
  }
  assert.throws(() => openUdp({ family: 6, address: '127.0.0.1' }), { code: 'CULVERT_NETIO_ADDRESS' });
  assert.throws(() => openUdp({ family: 6, address: 'fe80::1%nowhere' }), { code: 'CULVERT_NETIO_ADDRESS' });
  assert.throws(() => openUdp({ family: 4, address: '192.0.2.1' }), { code: 'CULVERT_NETIO_NOT_LOCAL' });
});

test('a socket may be tied to an interface, which must exist', { skip }, async () => {
  using tied = openUdp({ family: 4, device: 'lo' });
  tied.send(Buffer.from('x'), pathTo(tied, '127.0.0.1'));
  assert.equal(textOf(await receive(tied), 0), 'x');
  assert.throws(() => openUdp({ family: 4, device: 'nowhere' }), { code: 'CULVERT_NETIO_DEVICE' });
  assert.throws(() => openUdp({ family: 4, device: 'a-name-of-many-letters' }), { code: 'CULVERT_NETIO_DEVICE' });
});

test('wrong options are the mistake of the caller', () => {
  assert.throws(() => openUdp({ family: 5 as 4 }), TypeError);
  assert.throws(() => openUdp({ family: 4, pathMtu: 'maybe' as 'want' }), TypeError);
  for (const port of [-1, 65_536]) assert.throws(() => openUdp({ family: 4, port }), RangeError);
  for (const slotBytes of [0, 65_537, 1.5]) assert.throws(() => openUdp({ family: 4, slotBytes }), RangeError);
  assert.throws(() => openUdp({ family: 4, receiveBufferBytes: 0 }), RangeError);
});
