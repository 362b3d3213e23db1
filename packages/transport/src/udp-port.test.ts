/** One port: what it throws away when it starts, and what it says of trains that do not pass. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, test } from 'node:test';
import { type DatagramBatch, encodePath } from '@culvert/netio';
import { enterFreshNamespace, eventually, nullLogger, RecordingLogger } from '@culvert/testkit';
import { steeringProgram } from './openvpn/steering.ts';
import { createDatagrams, UdpPort } from './udp-port.ts';

const skip = enterFreshNamespace();
const scratch = createDatagrams();
const open: UdpPort[] = [];
after(() => {
  for (const port of open) port.close();
});

function openPort(options: Partial<ConstructorParameters<typeof UdpPort>[0]> = {}) {
  const heard: number[] = [];
  const onBatch = ({ lengths, count }: DatagramBatch) => void heard.push(...lengths.subarray(0, count));
  const port = new UdpPort({
    family: 4,
    address: '127.0.0.1',
    number: 0,
    scratch,
    log: nullLogger,
    onBatch,
    ...options,
  });
  open.push(port);
  return { port, heard };
}

function sendTo(to: UdpPort, sizes: readonly number[], from: UdpPort): void {
  const path = from.pathFrom(encodePath({ remote: to.socket.local }, 4));
  for (const size of sizes) from.send(new Uint8Array(size), path);
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('what came before the start is thrown away, all of a full queue', { skip }, async () => {
  const { port, heard } = openPort({ steering: steeringProgram(1) });
  const { port: stranger } = openPort({ trains: false });
  for (let batch = 0; batch < 20; batch++) {
    sendTo(port, new Array(1_000).fill(50), stranger);
    await turn();
  }
  port.start();
  sendTo(port, [77], stranger);
  await eventually('the next', () => heard.length > 0);
  assert.equal(heard.length, 1);
  assert.equal(heard[0], 77);
});

test('a flood that does not end holds no start up', { skip }, (t) => {
  const { port } = openPort({ steering: steeringProgram(1) });
  let reads = 0;
  t.mock.method(port.socket, 'recvBatch', () => (++reads < 1_000 ? 1 : 0));
  port.start();
  assert.ok(reads < 500, `${reads} reads`);
});

test('trains that are too long for a path are told of once, and arrive', { skip }, async () => {
  const { port, heard } = openPort();
  const log = new RecordingLogger();
  const { port: from } = openPort({ log });
  execFileSync('ip', ['link', 'set', 'lo', 'mtu', '1280']);
  try {
    // Of another size each time: the socket remembers what was too long.
    for (const [round, size] of [1_400, 1_390].entries()) {
      sendTo(port, new Array(10).fill(size), from);
      await eventually('all came', () => heard.length === 10 * (round + 1));
    }
  } finally {
    execFileSync('ip', ['link', 'set', 'lo', 'mtu', '65536']);
  }
  assert.ok(from.socket.stats.trainFallbacks > 1, 'again and again');
  assert.equal(log.text.match(/a train was too long for its path/g)?.length, 1, log.text);
});
