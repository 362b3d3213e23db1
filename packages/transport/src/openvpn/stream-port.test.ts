import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { createStreamScratch, StreamPort } from './stream-port.ts';

const DATA = 9 << 3;
const CONTROL = 4 << 3;

interface Joined {
  readonly raw: Socket;
  readonly port: StreamPort;
  readonly seen: string[];
  readonly ended: Promise<Error | undefined>;
  /** Bytes that wait for the peer, and whether the connection is gone. */
  backlog(): number;
  closed(): boolean;
  close(): Promise<void>;
}

/** A StreamPort on one end of a loopback connection, and the bare socket of the other end. */
async function join(maxPacket = 2_048, onControl?: () => void): Promise<Joined> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const raw = connect((server.address() as { port: number }).port, '127.0.0.1');
  const [socket] = (await once(server, 'connection')) as [Socket];
  const seen: string[] = [];
  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  const path = { socket: 0, local: { address: '', port: 0 }, remote: { address: '', port: 0 } };
  const port = new StreamPort(socket, path, maxPacket, createStreamScratch(), {
    onData: (batch) => {
      for (let i = 0; i < batch.count; i++) seen.push(`data ${batch.lengths[i]}`);
    },
    onControl: (packet) => {
      onControl?.();
      seen.push(`control ${packet.length}`);
    },
    onEnd: resolve,
    onFault: (error) => seen.push(`fault ${error}`),
  });
  return {
    raw,
    port,
    seen,
    ended: promise,
    backlog: () => socket.writableLength,
    closed: () => socket.destroyed,
    close: async () => {
      raw.destroy();
      port.close();
      server.close();
      await once(server, 'close');
    },
  };
}

function frame(first: number, length: number): Buffer {
  const bytes = Buffer.alloc(2 + length, 0xaa);
  bytes.writeUInt16BE(length, 0);
  bytes[2] = first;
  return bytes;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'the condition was not met in time');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('packets arrive whole and in order however the stream is cut', async () => {
  const joined = await join();
  const stream = Buffer.concat([frame(DATA, 100), frame(CONTROL, 20), frame(DATA, 1), frame(DATA, 1_500)]);
  joined.raw.setNoDelay(true);
  for (let at = 0; at < stream.length; at += 7) {
    joined.raw.write(stream.subarray(at, at + 7));
    if (at % 70 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => joined.seen.length === 4);
  assert.deepEqual(joined.seen, ['data 100', 'control 20', 'data 1', 'data 1500']);
  await joined.close();
});

for (const length of [0, 2_049, 65_535]) {
  test(`a stream that announces a packet of ${length} bytes is ended`, async () => {
    const joined = await join();
    const header = Buffer.alloc(2);
    header.writeUInt16BE(length, 0);
    joined.raw.write(header);
    const error = await joined.ended;
    assert.match(error?.message ?? '', new RegExp(`packet of ${length} bytes`));
    await joined.close();
  });
}

test('a fault in what handles a packet ends the stream and is told, and is not thrown', async () => {
  const joined = await join(2_048, () => {
    throw new Error('broken');
  });
  joined.raw.on('error', () => {}).write(Buffer.concat([frame(DATA, 100), frame(CONTROL, 20), frame(CONTROL, 20)]));
  assert.match((await joined.ended)?.message ?? '', /fault/);
  assert.deepEqual(joined.seen, ['data 100', 'fault Error: broken']);
  await until(() => joined.closed());
  await joined.close();
});

test('what is sealed into the outbox leaves framed', async () => {
  const joined = await join();
  const out = joined.port.outbox.open();
  assert.ok(out !== undefined);
  out.arena.set([DATA, 1, 2, DATA, 1, 2, 3, 4], 0);
  out.offsets.set([0, 3]);
  out.lengths.set([3, 5]);
  out.count = 2;
  joined.port.outbox.commit(0);
  const bytes: number[] = [];
  joined.raw.on('data', (chunk: Buffer) => bytes.push(...chunk));
  await until(() => bytes.length === 12);
  assert.deepEqual(bytes, [0, 3, DATA, 1, 2, 0, 5, DATA, 1, 2, 3, 4]);
  await joined.close();
});

test('a peer that does not read makes the outbox refuse, not grow', async () => {
  const joined = await join();
  joined.raw.pause();
  let refused = false;
  for (let round = 0; round < 200 && !refused; round++) {
    const out = joined.port.outbox.open();
    if (out === undefined) {
      refused = true;
      break;
    }
    for (let i = 0; i < 128; i++) {
      out.offsets[i] = i * 1_400;
      out.lengths[i] = 1_400;
    }
    out.count = 128;
    joined.port.outbox.commit(0);
  }
  assert.ok(refused);
  await joined.close();
});

test('a peer that makes us answer and reads nothing is cut off', async () => {
  const joined = await join();
  joined.raw.pause();
  for (let n = 0; n < 20_000; n++) joined.port.send(new Uint8Array(1_200));
  assert.match((await joined.ended)?.message ?? '', /reads nothing/);
  await joined.close();
});

test('a peer that reads nothing cannot hold a connection that we closed', async (t) => {
  const joined = await join();
  joined.raw.pause();
  // More than loopback's buffers take: `finish` would not come.
  while (joined.backlog() < 512 * 1_024) {
    joined.port.send(new Uint8Array(1_200));
    if (joined.backlog() > 256 * 1_024) await new Promise((resolve) => setImmediate(resolve));
  }
  t.mock.timers.enable({ apis: ['setTimeout'] });
  joined.port.close();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(joined.closed(), false);
  t.mock.timers.tick(5_000);
  await until(() => joined.closed());
  await joined.close();
});
