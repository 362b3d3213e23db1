import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { enterFreshNamespace, missing, runChild } from '@culvert/testkit';
import { append, receive, textOf } from '../test/sockets.ts';
import { sentences } from './errors.ts';
import { createDatagramBatch, encodePath, endpointOfPath, openRawIp } from './index.ts';

const entry = new URL('./index.ts', import.meta.url);

const skip = enterFreshNamespace();
if (skip === false) {
  const script = `for n in 1 2; do ip address add 10.0.0.$n/32 dev lo; ip address add fd00::$n/128 dev lo nodad; done`;
  execFileSync('sh', ['-ec', script]);
}

const GRE = 47;
const ESP = 50;

for (const { family, asked, from } of [
  { family: 4, asked: '10.0.0.2', from: '10.0.0.1' },
  { family: 6, asked: 'fd00::2', from: 'fd00::1' },
] as const) {
  const to = (address: string, local?: string) => encodePath({ local, remote: { address, port: 0 } }, family);

  test(`IPv${family}: a raw socket gives what the IP header carries, and answers from the address that was asked`, {
    skip,
  }, async () => {
    using server = openRawIp({ family, protocol: GRE });
    using client = openRawIp({ family, protocol: GRE, address: from });
    using other = openRawIp({ family, protocol: ESP });
    assert.deepEqual(client.local, { address: from, port: 0 });
    assert.equal(client.send(Buffer.from('question'), to(asked)), true);
    const question = await receive(server);
    assert.equal(textOf(question, 0), 'question');
    assert.deepEqual(endpointOfPath(question.paths), { local: asked, remote: { address: from, port: 0 } });

    question.arena.set(Buffer.from('response'), question.offsets[0]);
    assert.equal(server.sendBatch(question), 1);
    const answer = await receive(client);
    assert.equal(textOf(answer, 0), 'response');
    assert.equal(endpointOfPath(answer.paths).remote.address, asked);
    assert.equal(other.recvBatch(createDatagramBatch(4, 16_384)), 0, 'another protocol has its own sockets');
  });

  test(`IPv${family}: many at once arrive whole and in order, those longer than a slot are counted`, {
    skip,
  }, async () => {
    using server = openRawIp({ family, protocol: GRE, address: asked, slotBytes: 500, receiveBufferBytes: 1 << 20 });
    using client = openRawIp({ family, protocol: GRE, address: from });
    const out = createDatagramBatch(150, 150 * 600);
    for (let i = 0; i < 150; i++) append(out, Buffer.alloc(i % 50 === 0 ? 501 : 500 - i, `${i};`), to(asked));
    assert.equal(client.sendBatch(out), 150);
    assert.equal(client.stats.sent, 150);
    const batch = createDatagramBatch(150, 150 * 600);
    assert.equal(server.recvBatch(batch), 147);
    const expected = Array.from({ length: 150 }, (_, i) => textOf(out, i)).filter((_, i) => i % 50 !== 0);
    assert.deepEqual(
      Array.from({ length: 147 }, (_, i) => textOf(batch, i)),
      expected,
    );
    assert.equal(server.stats.truncated, 3);
    assert.throws(() => server.recvBatch(createDatagramBatch(1, 400)), RangeError);
  });
}

test('IP options are part of the header and not of the datagram', { skip }, async (t) => {
  // Node has no way to set them.
  if (spawnSync('python3', ['--version']).status !== 0) return t.skip(missing('python3 is missing'));
  using server = openRawIp({ family: 4, protocol: GRE, address: '10.0.0.2' });
  const script = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)
s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([1, 1, 1, 1, 1, 1, 1, 0]))
s.sendto(b'behind options', ('10.0.0.2', 0))`;
  execFileSync('python3', ['-c', script]);
  assert.equal(textOf(await receive(server), 0), 'behind options');
});

test('without CAP_NET_RAW a raw socket is refused with the capability named', { skip }, async () => {
  const drop = ['setpriv', '--bounding-set', '-net_raw', '--inh-caps', '-net_raw'];
  const script =
    'try { subject.openRawIp({ family: 4, protocol: 47 }); } catch (error) { console.log(error.message); }';
  assert.equal(
    (await runChild(entry, script, drop)).output,
    `${sentences.CULVERT_NETIO_RAW_PERMISSION}: IPv4 protocol 47`,
  );
});

test('protocols that are none, and headers of our own, are refused', () => {
  for (const protocol of [0, 255, -1, 1.5, Number.NaN]) {
    assert.throws(() => openRawIp({ family: 4, protocol }), RangeError, String(protocol));
  }
  assert.throws(() => openRawIp({ family: 4, protocol: GRE, address: '192.0.2.1' }), {
    code: 'CULVERT_NETIO_NOT_LOCAL',
  });
});
