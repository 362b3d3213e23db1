import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import type { Acceptor } from '@culvert/openvpn';
import type { PeerHost } from './peer-host.ts';
import { createStreamScratch } from './stream-port.ts';
import { TcpListener } from './tcp-listener.ts';

const RESET = Uint8Array.of(0, 14, 7 << 3, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0);

/** A listener whose work queue is the test's, and whose acceptor takes everyone. */
async function open(queue: (job: () => void) => void) {
  const host = {
    closed: false,
    mtu: 1_500,
    stats: { packetsIn: 0, handshakesFull: 0 },
    scratch: { stream: createStreamScratch() },
    clock: { now: () => 0 },
    work: { push: queue },
    added: 0,
    add() {
      this.added++;
      return undefined;
    },
  };
  const acceptor = { handleStreamInitial: () => ({ kind: 'session', start: {} }) };
  const listener = new TcpListener({
    address: '127.0.0.1',
    port: 0,
    nextNumber: () => 0,
    host: host as unknown as PeerHost,
    acceptor: acceptor as unknown as Acceptor,
  });
  await listener.open();
  return { host, listener, port: listener.endpoint.port };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'the condition was not met in time');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

test('a connection that is gone before its first packet had its turn makes no session', async () => {
  const jobs: (() => void)[] = [];
  const { host, listener, port } = await open((job) => jobs.push(job));
  const socket = await dial(port);
  socket.write(RESET);
  await until(() => jobs.length === 1);
  socket.resetAndDestroy();
  await listener.close();
  // The socket tells its end some turns after the server counts it as gone.
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  jobs[0]?.();
  assert.equal(host.added, 0);
});

test('a connection whose first packet found the queue full is closed at its deadline', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let dropped = 0;
  const { listener, port } = await open(() => dropped++);
  const socket = await dial(port);
  socket.write(RESET);
  await until(() => dropped === 1);
  t.mock.timers.tick(10_000);
  socket.resume();
  await once(socket, 'close');
  await listener.close();
});
