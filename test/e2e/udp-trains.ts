/**
 * UDP as programs send it that know UDP_SEGMENT (QUIC): datagrams of one size in one call, which must come back as they went.
 *
 *   udp-trains.ts serve PORT                           prints "serving"
 *   udp-trains.ts echo ADDRESS PORT COUNT SIZE ROUNDS  COUNT datagrams at a time; prints {"echoed", "trainsSent", "trainsReceived"}
 */
import { createDatagramBatch, encodePath, openUdp, type UdpSocket } from '@culvert/netio';

export interface TrainEcho {
  readonly echoed: number;
  /** Of the socket's: what the kernel took as one, and gave as one. */
  readonly trainsSent: number;
  readonly trainsReceived: number;
}

const BUFFER_BYTES = 4 * 1_024 * 1_024;
/** A round that is not back by then has lost something. */
const PATIENCE_MILLIS = 5_000;

function serve(port: number): void {
  for (const family of [4, 6] as const) {
    const socket = openUdp({ family, port, receiveBufferBytes: BUFFER_BYTES, sendBufferBytes: BUFFER_BYTES });
    readInto(socket, (batch) => void socket.sendBatch(batch));
  }
  console.log('serving');
}

/** Every batch that comes. */
function readInto(socket: UdpSocket, take: (batch: ReturnType<typeof createDatagramBatch>) => void): void {
  const batch = createDatagramBatch(1_024, 16 * 65_536);
  socket.onReadable(() => {
    batch.count = 0;
    batch.used = 0;
    if (socket.recvBatch(batch) > 0) take(batch);
  });
}

async function echo(address: string, port: number, count: number, size: number, rounds: number): Promise<TrainEcho> {
  const family = address.includes(':') ? 6 : 4;
  const socket = openUdp({ family, receiveBufferBytes: BUFFER_BYTES, sendBufferBytes: BUFFER_BYTES });
  const path = encodePath({ remote: { address, port } }, family);
  const missing = new Set<string>();
  let wake = (): void => {};
  readInto(socket, ({ arena, offsets, lengths, count: came }) => {
    for (let i = 0; i < came; i++) {
      const at = offsets[i] ?? 0;
      missing.delete(Buffer.from(arena.subarray(at, at + (lengths[i] ?? 0))).toString('latin1'));
    }
    if (missing.size === 0) wake();
  });
  const out = createDatagramBatch(count, count * size);
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < count; i++) {
      const datagram = Buffer.alloc(size, (round * 31 + i) & 0xff);
      datagram.writeUInt32BE(round * count + i);
      missing.add(datagram.toString('latin1'));
      out.arena.set(datagram, i * size);
      out.offsets[i] = i * size;
      out.lengths[i] = size;
      out.paths.set(path, i * path.length);
    }
    out.count = count;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    wake = resolve;
    const timer = setTimeout(() => reject(new Error(`${missing.size} datagrams are lost`)), PATIENCE_MILLIS);
    if (socket.sendBatch(out) < count) throw new Error('the kernel takes no more');
    await promise;
    clearTimeout(timer);
  }
  const { trainsSent, trainsReceived } = socket.stats;
  socket.close();
  return { echoed: rounds * count, trainsSent, trainsReceived };
}

const [what = '', first = '', ...rest] = process.argv.slice(2);
if (what === 'serve') serve(Number(first));
else {
  const [port = 0, count = 1, size = 1, rounds = 1] = rest.map(Number);
  console.log(JSON.stringify(await echo(first, port, count, size, rounds)));
}
