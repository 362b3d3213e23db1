/** Many TCP streams at once, and the bytes that came in over them. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { ports } from './control.ts';

/** The first byte of a connection tells who sends. */
const UP = 0x75;
const DOWN = 0x64;
const CHUNK = Buffer.alloc(256 * 1024);
const READ_BYTES = 256 * 1024;

export class Meter {
  bytes = 0;
}

/** Takes what comes, or sends without end, as each connection asks. */
export function serveStreams(meter: Meter): void {
  createServer((socket) => {
    socket.on('error', () => {}); // whoever connected may leave as it likes
    socket.once('data', (first: Buffer) => {
      if (first[0] === DOWN) pour(socket);
      else meter.bytes += first.length - 1;
      socket.on('data', (chunk: Buffer) => {
        meter.bytes += chunk.length;
      });
    });
  }).listen(ports.streams);
}

/**
 * Opens a stream from each of these addresses of ours, one after the other before any of them carries data: TCP makes its packets as
 * large as the shortest round trip that it has seen allows (`tcp_tso_rtt_log`), and 200 streams that begin at once see each other's
 * queues alone. Then each sends two segments at a time for the next minutes, through whichever tunnel.
 */
export async function openStreams(
  host: string,
  addresses: readonly string[],
  down: boolean,
  meter: Meter,
): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (const localAddress of addresses) {
    const onread = {
      buffer: Buffer.allocUnsafe(READ_BYTES),
      callback: (length: number) => {
        meter.bytes += length;
        return true;
      },
    };
    const socket = connect({ host, port: ports.streams, localAddress, onread });
    await once(socket, 'connect');
    socket.on('error', () => {}); // ends with the measurement
    sockets.push(socket);
  }
  for (const socket of sockets) {
    socket.write(Uint8Array.of(down ? DOWN : UP));
    if (!down) pour(socket);
  }
  return sockets;
}

function pour(socket: Socket): void {
  const fill = (): void => {
    while (socket.write(CHUNK)) if (socket.destroyed) return;
  };
  socket.on('drain', fill);
  fill();
}
