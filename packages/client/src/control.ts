/**
 * The control socket of a running tunnel: one request a connection, a line of JSON each way.
 *
 * `status` is answered at once. `down` is answered when it was heard; the connection closes when the host is as it was.
 */
import { rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import type { Millis } from '@culvert/base';
import { listenPrivately, readLine } from '@culvert/terminal';
import { ClientError } from './errors.ts';

export type ControlRequest = { readonly command: 'status' } | { readonly command: 'down' };

const MAX_REQUEST_BYTES = 4_096;
const MAX_ANSWER_BYTES = 1 << 20;
/** A goodbye and a thousand routes take less. */
const ANSWER_MS = 30_000;

export interface ControlServer {
  /** Ends what is still open and takes the socket away. */
  close(): Promise<void>;
}

/** Listens at `path`, for its owner alone. The caller holds the tunnel's journal, so a socket that lies there is a dead one. */
export async function openControl(path: string, answer: (request: ControlRequest) => unknown): Promise<ControlServer> {
  await rm(path, { force: true });
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    serve(socket, answer);
  });
  await listenPrivately(server, path);
  return {
    close: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const socket of open) socket.end();
      await closed.promise;
    },
  };
}

function serve(socket: Socket, answer: (request: ControlRequest) => unknown): void {
  readLine(socket, MAX_REQUEST_BYTES, (line) => {
    const request = parseRequest(line);
    const reply = request === undefined ? { error: 'not a request' } : answer(request);
    const text = `${JSON.stringify(reply)}\n`;
    if (request?.command === 'down') socket.write(text);
    else socket.end(text);
  });
}

function parseRequest(line: string): ControlRequest | undefined {
  try {
    const { command } = JSON.parse(line) as { command?: unknown };
    return command === 'status' || command === 'down' ? { command } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Asks the tunnel at `path`; for `down` resolves when it is gone. Throws ClientError CULVERT_CLIENT_NOT_RUNNING when nobody listens,
 * CULVERT_CLIENT_SILENT when the answer does not come.
 */
export async function askControl(path: string, request: ControlRequest, wait: Millis = ANSWER_MS): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const socket = connect(path);
  socket.setTimeout(wait, () => {
    reject(new ClientError('CULVERT_CLIENT_SILENT', path));
    socket.destroy();
  });
  let answer: unknown;
  socket.on('error', (cause: NodeJS.ErrnoException) => {
    const absent = cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED';
    reject(
      absent
        ? new ClientError('CULVERT_CLIENT_NOT_RUNNING')
        : new ClientError('CULVERT_CLIENT_SILENT', path, { cause }),
    );
  });
  socket.on('close', () => {
    if (answer === undefined) reject(new ClientError('CULVERT_CLIENT_SILENT', path));
    else resolve(answer);
  });
  readLine(socket, MAX_ANSWER_BYTES, (line) => {
    answer = JSON.parse(line) as unknown;
  });
  socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
  return promise;
}
