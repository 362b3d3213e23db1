import { createDatagramBatch, type DatagramBatch, encodePath, type UdpSocket } from '../src/index.ts';

/** Appends a datagram for `path` to the batch. */
export function append(batch: DatagramBatch, bytes: Uint8Array, path: Uint32Array): void {
  batch.arena.set(bytes, batch.used);
  batch.offsets[batch.count] = batch.used;
  batch.lengths[batch.count] = bytes.length;
  batch.paths.set(path, batch.count * path.length);
  batch.count++;
  batch.used += bytes.length;
}

/** The bytes of datagram `i` as text. */
export function textOf(batch: DatagramBatch, i: number): string {
  const at = batch.offsets[i] ?? 0;
  return Buffer.from(batch.arena.subarray(at, at + (batch.lengths[i] ?? 0))).toString();
}

/** A path to where `socket` is bound, at `address`. */
export function pathTo(socket: UdpSocket, address: string, local?: string): Uint32Array {
  return encodePath({ local, remote: { address, port: socket.local.port } }, socket.family);
}

/** Reads until `count` datagrams are in the batch that it returns. Rejects after `deadline` milliseconds. */
export function receive(socket: UdpSocket, count = 1, deadline = 30_000): Promise<DatagramBatch> {
  const batch = createDatagramBatch(count, count * 4_096);
  return until(deadline, `${count} datagrams`, (done) => {
    socket.onReadable(() => {
      socket.recvBatch(batch);
      if (batch.count < count) return;
      socket.onReadable(undefined);
      done(batch);
    });
  });
}

/** Resolves when `start`'s argument is called. */
export function until<T>(deadline: number, what: string, start: (done: (value: T) => void) => void): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(new Error(`waited for ${what}`)), deadline);
  start(resolve);
  return promise.finally(() => clearTimeout(timer));
}
