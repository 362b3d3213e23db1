import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { enterFreshNamespace, eventually, runChild } from '@culvert/testkit';
import { append, pathTo, receive, textOf, until } from '../test/sockets.ts';
import { createDatagramBatch, encodePath, endpointOfPath, openUdp, pathWords, samePath } from './index.ts';

const entry = new URL('./index.ts', import.meta.url);

const skip = enterFreshNamespace();

// Two addresses of each version, and a pair of interfaces for what loopback cannot show:
//
//   lo: 10.0.0.1, 10.0.0.2, fd00::1, fd00::2        wire0 (10.1.0.1/24, fe80::a) ══ wire1 (fe80::b)
if (skip === false) {
  const script = `for n in 1 2; do ip address add 10.0.0.$n/32 dev lo; ip address add fd00::$n/128 dev lo nodad; done
    ip link add wire0 type veth peer name wire1; ip link set wire0 addrgenmode none; ip link set wire1 addrgenmode none
    ip address add 10.1.0.1/24 dev wire0; ip address add fe80::a/64 dev wire0 nodad; ip address add fe80::b/64 dev wire1 nodad
    ip link set wire0 up; ip link set wire1 up`;
  execFileSync('sh', ['-ec', script]);
}

const versions = [
  { family: 4, asked: '10.0.0.2', from: '10.0.0.1' },
  { family: 6, asked: 'fd00::2', from: 'fd00::1' },
] as const;

for (const { family, asked, from } of versions) {
  test(`IPv${family}: the answer comes from the address that was asked`, { skip }, async () => {
    using server = openUdp({ family });
    using client = openUdp({ family, address: from });
    assert.equal(client.send(Buffer.from('question'), pathTo(server, asked)), true);

    const question = await receive(server);
    assert.equal(textOf(question, 0), 'question');
    assert.deepEqual(endpointOfPath(question.paths), { local: asked, remote: client.local });

    assert.equal(server.sendBatch(question), 1);
    const answer = await receive(client);
    assert.deepEqual(endpointOfPath(answer.paths), {
      local: from,
      remote: { address: asked, port: server.local.port },
    });
  });

  test(`IPv${family}: without a local address in the path the kernel chooses one`, { skip }, async () => {
    using server = openUdp({ family });
    using client = openUdp({ family });
    client.send(Buffer.from('x'), pathTo(server, asked));
    const { remote } = endpointOfPath((await receive(server)).paths);
    assert.equal(remote.port, client.local.port);
    assert.ok(remote.address === from || remote.address === asked, remote.address);
  });

  test(`IPv${family}: a path may name the local address`, { skip }, async () => {
    using server = openUdp({ family });
    using client = openUdp({ family });
    client.send(Buffer.from('1'), pathTo(server, from, asked));
    client.send(Buffer.from('2'), pathTo(server, from, from));
    const batch = await receive(server, 2);
    assert.equal(endpointOfPath(batch.paths, 0).remote.address, asked);
    assert.equal(endpointOfPath(batch.paths, pathWords).remote.address, from);
    assert.equal(samePath(batch.paths, 0, batch.paths, pathWords), false);
  });

  test(`IPv${family}: more datagrams than one system call takes arrive whole and in order`, { skip }, async () => {
    using server = openUdp({ family, receiveBufferBytes: 1 << 20 });
    using client = openUdp({ family });
    const out = createDatagramBatch(150, 150 * 100);
    for (let i = 0; i < 150; i++) append(out, Buffer.alloc(1 + (i % 100), `${i};`), pathTo(server, asked));
    assert.equal(client.sendBatch(out), 150);
    assert.equal(client.stats.sent, 150);
    const batch = createDatagramBatch(1_024, 1 << 20);
    assert.equal(server.recvBatch(batch), 150, 'one call takes them all');
    for (let i = 0; i < 150; i++) assert.equal(textOf(batch, i), textOf(out, i));
    assert.equal(server.stats.received, 150);
  });
}

test('a link-local peer is answered by its interface', { skip }, async () => {
  using server = openUdp({ family: 6 });
  using client = openUdp({ family: 6, address: 'fe80::a%wire0' });
  assert.match(client.local.address, /^fe80::a%\d+$/);
  client.send(Buffer.from('x'), pathTo(server, 'fe80::b%wire0'));
  const batch = await receive(server);
  const { local, remote } = endpointOfPath(batch.paths);
  assert.match(remote.address, /^fe80::a%\d+$/);
  assert.match(local, /^fe80::b%\d+$/);
  assert.deepEqual(encodePath({ local, remote }, 6), batch.paths, 'the text keeps the interface');
  server.sendBatch(batch);
  assert.match(endpointOfPath((await receive(client)).paths).remote.address, /^fe80::b%\d+$/);
});

test('receiving appends to the batch and stops when its slots or its arena are full', { skip }, async () => {
  using server = openUdp({ family: 4, coalescing: false });
  using client = openUdp({ family: 4 });
  for (const text of ['1', '2', '3', '4', '5']) client.send(Buffer.from(text), pathTo(server, '10.0.0.1'));
  const slots = createDatagramBatch(2, 65_536);
  await until<void>(30_000, 'the first', (done) => server.onReadable(done));
  server.onReadable(undefined);
  assert.equal(server.recvBatch(slots), 2);
  assert.equal(server.recvBatch(slots), 0, 'no slot is free');
  assert.deepEqual([textOf(slots, 0), textOf(slots, 1)], ['1', '2']);

  const arena = createDatagramBatch(64, 2 * 2_048 + 1);
  assert.equal(server.recvBatch(arena), 2);
  assert.equal(arena.used, 2_049, 'the arena is free behind the last byte');
  assert.equal(server.recvBatch(arena), 1, 'so that one more fits');
  assert.equal(server.recvBatch(arena), 0);
  assert.deepEqual(
    [0, 1, 2].map((i) => textOf(arena, i)),
    ['3', '4', '5'],
  );
  assert.throws(() => server.recvBatch(createDatagramBatch(1, 2_047)), RangeError);
  assert.throws(() => server.recvBatch(createDatagramBatch(0, 65_536)), RangeError);
});

test('a datagram longer than its slot is dropped and counted, and so is one without a byte', { skip }, async () => {
  using server = openUdp({ family: 4, slotBytes: 500 });
  using client = openUdp({ family: 4 });
  const out = createDatagramBatch(8, 65_536);
  for (const length of [501, 500, 3_000, 1]) append(out, Buffer.alloc(length, 'x'), pathTo(server, '10.0.0.1'));
  client.sendBatch(out);
  const batch = await receive(server, 2);
  assert.deepEqual([...batch.lengths], [500, 1]);
  assert.deepEqual(
    { received: server.stats.received, truncated: server.stats.truncated },
    { received: 2, truncated: 2 },
  );

  const { createSocket } = await import('node:dgram');
  const plain = createSocket('udp4');
  await new Promise((done) => plain.send('', server.local.port, '10.0.0.1', done));
  plain.close();
  client.send(Buffer.from('y'), pathTo(server, '10.0.0.1'));
  await receive(server);
  assert.equal(server.stats.empty, 1);
});

test('what the kernel refuses is passed over and counted, the rest is sent', { skip }, async () => {
  using server = openUdp({ family: 4 });
  using client = openUdp({ family: 4 });
  const good = pathTo(server, '10.0.0.1');
  const out = createDatagramBatch(8, 1 << 17);
  append(out, Buffer.from('1'), good);
  append(out, Buffer.alloc(65_600), good); // longer than any UDP datagram
  append(out, Buffer.from('no route'), pathTo(server, '203.0.113.1'));
  append(out, Buffer.from('dropped by its owner'), good);
  append(out, Buffer.from('no address of ours'), pathTo(server, '10.0.0.1', '192.0.2.1'));
  append(out, Buffer.from('2'), good);
  out.lengths[3] = 0;
  assert.equal(client.sendBatch(out), 6);
  assert.deepEqual({ sent: client.stats.sent, sendErrors: client.stats.sendErrors }, { sent: 2, sendErrors: 3 });
  const batch = await receive(server, 2);
  assert.deepEqual([textOf(batch, 0), textOf(batch, 1)], ['1', '2']);
  assert.equal(client.send(Buffer.from('x'), pathTo(server, '203.0.113.1')), false);
  assert.equal(client.stats.lastError, 'ENETUNREACH');
  assert.equal(client.send(new Uint8Array(0), good), false);
});

test('an ICMP error for what was sent before disturbs nothing', { skip }, async () => {
  using gone = openUdp({ family: 4, address: '10.0.0.1' });
  using socket = openUdp({ family: 4 });
  const nowhere = pathTo(gone, '10.0.0.1');
  gone.close();
  for (let i = 0; i < 5; i++) assert.equal(socket.send(Buffer.from('x'), nowhere), true);
  assert.equal(socket.recvBatch(createDatagramBatch(4, 65_536)), 0);
  using client = openUdp({ family: 4 });
  client.send(Buffer.from('y'), pathTo(socket, '10.0.0.2'));
  assert.equal(textOf(await receive(socket), 0), 'y');
});

test('a full send queue stops the batch, and tells when there is room again', { skip }, async () => {
  execFileSync('sh', [
    '-ec',
    'tc qdisc add dev wire0 root tbf rate 1mbit burst 2k limit 1m; ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:02 dev wire0',
  ]);
  using socket = openUdp({ family: 4, sendBufferBytes: 8_192, segmentation: false });
  const path = encodePath({ remote: { address: '10.1.0.2', port: 9 } }, 4);
  const out = createDatagramBatch(64, 64 * 1_000);
  for (let i = 0; i < 64; i++) append(out, Buffer.alloc(1_000, 'x'), path);
  out.lengths[0] = 0;

  const done = socket.sendBatch(out);
  assert.ok(done > 1 && done < 64, `${done} of 64`);
  assert.equal(socket.stats.wouldBlock, 1);
  assert.equal(socket.stats.sent, done - 1, 'the first was dropped by its owner');
  assert.equal(socket.send(Buffer.alloc(1_000), path), false);
  assert.equal(socket.stats.sendErrors, 0, 'a full queue is no error');

  let calls = 0;
  for (let from = done; from < 64; ) {
    await until<void>(30_000, 'room in the send queue', (room) => socket.onWritable(room));
    calls++;
    from += socket.sendBatch(out, from);
  }
  assert.ok(calls > 1);
  assert.equal(socket.stats.sent, 63);
  execFileSync('tc', ['qdisc', 'del', 'dev', 'wire0', 'root']);
});

test('path MTU modes: either lets be cut what is too long', { skip }, () => {
  execFileSync('ip', ['neigh', 'replace', '10.1.0.2', 'lladdr', '02:00:00:00:00:02', 'dev', 'wire0']);
  const path = encodePath({ remote: { address: '10.1.0.2', port: 9 } }, 4);
  const sent = (['dont', 'want'] as const).map((pathMtu) => {
    using socket = openUdp({ family: 4, pathMtu });
    return { pathMtu, sent: socket.send(Buffer.alloc(2_000), path), error: socket.stats.lastError };
  });
  assert.deepEqual(sent, [
    { pathMtu: 'dont', sent: true, error: undefined },
    { pathMtu: 'want', sent: true, error: undefined },
  ]);
});

test('buffer sizes are what was asked for, doubled by the kernel', { skip }, () => {
  using socket = openUdp({ family: 6, receiveBufferBytes: 1 << 20, sendBufferBytes: 1 << 19 });
  assert.deepEqual(socket.bufferSizes, { receive: 2 << 20, send: 2 << 19 });
});

test('what waits to be read is counted until it was', { skip }, async () => {
  using socket = openUdp({ family: 4, receiveBufferBytes: 1 << 20 });
  using client = openUdp({ family: 4 });
  assert.equal(socket.queued, 0);
  for (let i = 0; i < 50; i++) client.send(Buffer.alloc(1_000), pathTo(socket, '10.0.0.1'));
  await eventually('they wait', () => socket.queued >= 50 * 1_000);
  assert.ok(socket.queued < socket.bufferSizes.receive);
  assert.equal(socket.recvBatch(createDatagramBatch(256, 1 << 20)), 50);
  assert.equal(socket.queued, 0);
});

test('waiting keeps the process alive, an open socket alone does not', { skip }, async () => {
  const open = 'const socket = subject.openUdp({ family: 4 });';
  assert.deepEqual(await runChild(entry, `${open} console.log('end');`), { status: 0, signal: null, output: 'end' });
  const waiting = `${open} socket.onReadable(() => {}); setTimeout(() => { console.log('here'); socket.close(); }, 200).unref();`;
  assert.deepEqual(await runChild(entry, waiting), { status: 0, signal: null, output: 'here' });
});

test('a socket may be closed in its own callbacks', { skip }, async () => {
  using client = openUdp({ family: 4 });
  for (const way of ['onReadable', 'onWritable'] as const) {
    const server = openUdp({ family: 4 });
    client.send(Buffer.from('x'), pathTo(server, '10.0.0.1'));
    let calls = 0;
    await until<void>(30_000, way, (done) => {
      const close = () => {
        calls++;
        server.close();
        done();
      };
      server.onReadable(close);
      if (way === 'onWritable') server.onWritable(close);
    });
    await new Promise(setImmediate);
    assert.equal(calls, 1);
  }
});

test('every call on a closed socket says that it is closed', { skip }, () => {
  const socket = openUdp({ family: 4 });
  socket.close();
  socket.close();
  const batch = createDatagramBatch(1, 4_096);
  const calls = [
    () => socket.recvBatch(batch),
    () => socket.sendBatch(batch),
    () => socket.send(Buffer.from('x'), new Uint32Array(pathWords)),
    () => socket.onReadable(undefined),
    () => socket.onWritable(() => undefined),
    () => socket.bufferSizes,
    () => socket.queued,
    () => socket.setReceiveBuffer(4_096),
  ];
  for (const call of calls) assert.throws(call, { code: 'CULVERT_NETIO_CLOSED' }, String(call));
});
