/** One port: what it throws away when it starts, and what it says of trains that do not pass. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, test } from 'node:test';
import { type DatagramBatch, encodePath } from '@culvert/netio';
import { enterFreshNamespace, eventually, nullLogger, RecordingLogger } from '@culvert/testkit';
import { systemClock } from './clock.ts';
import { FaultLog } from './fault-log.ts';
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
  const onDatagrams = ({ lengths, count }: DatagramBatch, first: number) => {
    heard.push(...lengths.subarray(first, count));
    return count;
  };
  const port = new UdpPort({
    family: 4,
    address: '127.0.0.1',
    number: 0,
    scratch,
    log: nullLogger,
    faults: new FaultLog(nullLogger, systemClock),
    onDatagrams,
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

test('what a path takes is asked of the kernel for a link, and never for who was only answered', {
  skip,
}, async (t) => {
  const { port, heard } = openPort();
  const { port: from } = openPort();
  const ask = t.mock.method(from.socket, 'pathMtu');
  const path = from.pathFrom(encodePath({ remote: port.socket.local }, 4));
  from.send(new Uint8Array(50), path);
  await eventually('it came', () => heard.length === 1);
  assert.equal(ask.mock.callCount(), 0);
  assert.equal(path.outerMtu, 1_492);
  for (let n = 2; n < 20; n++) {
    from.send(new Uint8Array(50), path);
    await eventually('it came', () => heard.length === n);
  }
  assert.equal(ask.mock.callCount(), 1);
});

test('a datagram whose handling fails costs no other of its batch', { skip }, async () => {
  const log = new RecordingLogger();
  const faults = new FaultLog(log, systemClock);
  const heard: number[] = [];
  const { port } = openPort({
    faults,
    onDatagrams: ({ lengths }, first) => {
      const length = lengths[first] ?? 0;
      if (length === 66) throw new Error('broken');
      heard.push(length);
      return first + 1;
    },
  });
  const { port: from } = openPort();
  sendTo(port, [65, 66, 66, 67, 66], from);
  await eventually('all came', () => heard.length === 2 && faults.count === 3);
  assert.deepEqual(heard, [65, 67]);
  assert.match(log.text, /lost a datagram stack=Error: broken/);
});

test('what a sender left behind that failed while it sealed goes to nobody', { skip }, async () => {
  const [a, b] = [openPort(), openPort()];
  const { port: from } = openPort();
  const outbox = ({ port }: typeof a) => {
    const path = from.pathFrom(encodePath({ remote: port.socket.local }, 4));
    return UdpPort.outboxFor(() => path);
  };
  const append = (to: ReturnType<typeof outbox>, length: number) => {
    const batch = to.open();
    assert.ok(batch);
    batch.offsets[batch.count] = batch.used;
    batch.lengths[batch.count++] = length;
    batch.used += length;
    return batch.count - 1;
  };
  const [toA, toB] = [outbox(a), outbox(b)];
  toA.commit(append(toA, 50));
  append(toB, 60);
  toA.commit(append(toA, 70));
  append(toB, 80);
  await eventually('both came', () => a.heard.length === 2);
  toB.commit(append(toB, 90));
  await eventually('so does the next', () => b.heard.length === 1);
  assert.deepEqual([a.heard, b.heard], [[50, 70], [90]]);
});

test('a fault while what waited is sent loses that, and the next leaves', { skip }, async (t) => {
  const { port, heard } = openPort();
  const faults = new FaultLog(new RecordingLogger(), systemClock);
  const { port: from } = openPort({ faults });
  const send = t.mock.method(
    from.socket,
    'sendBatch',
    () => {
      throw new Error('broken');
    },
    { times: 1 },
  );
  sendTo(port, [50], from);
  await turn();
  assert.deepEqual([send.mock.callCount(), faults.count], [1, 1]);
  sendTo(port, [60], from);
  await eventually('it came', () => heard.length === 1);
  assert.deepEqual(heard, [60]);
});
