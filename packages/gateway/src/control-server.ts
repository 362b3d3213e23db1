/** Listens on the control socket: its owner's alone, few connections at a time, each short. */
import { rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { CulvertError, type Millis } from '@culvert/base';
import { listenPrivately, readLine } from '@culvert/terminal';
import { type ControlReply, type ControlRequest, maxRequestBytes, parseRequest } from './control-protocol.ts';
import { GatewayError } from './errors.ts';

const maxConnections = 32;
/** To send a request, and to take the reply. */
const patience: Millis = 10_000;

export interface ControlServer {
  /** Ends what is open and takes the socket away. */
  close(): Promise<void>;
}

/**
 * Listens at `path`. Rejects with GatewayError: CULVERT_GATEWAY_RUNNING when somebody listens there, CULVERT_GATEWAY_CONTROL
 * when nobody can. What `answer` rejects with goes to the asker, as GatewayError.
 */
export async function openControl(
  path: string,
  answer: (request: ControlRequest) => Promise<unknown>,
): Promise<ControlServer> {
  if (await isAnswered(path)) throw new GatewayError('CULVERT_GATEWAY_RUNNING', path);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(patience, () => socket.destroy());
    serve(socket, answer);
  });
  server.maxConnections = maxConnections;
  try {
    await rm(path, { force: true });
    await listenPrivately(server, path);
  } catch (cause) {
    throw new GatewayError('CULVERT_GATEWAY_CONTROL', path, { cause });
  }
  return {
    close: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      for (const socket of sockets) socket.destroySoon();
      return promise;
    },
  };
}

function isAnswered(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path);
  socket.on('connect', () => resolve(true));
  socket.on('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

function serve(socket: Socket, answer: (request: ControlRequest) => Promise<unknown>): void {
  readLine(socket, maxRequestBytes, (line) => {
    void replyTo(line, answer).then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
  });
}

async function replyTo(line: string, answer: (request: ControlRequest) => Promise<unknown>): Promise<ControlReply> {
  const request = line.length > maxRequestBytes ? undefined : parseRequest(line);
  if (request === undefined) return { ok: false, code: 'CULVERT_GATEWAY_REQUEST', detail: 'not a request' };
  try {
    return { ok: true, result: await answer(request) };
  } catch (error) {
    const code = error instanceof GatewayError ? error.code : 'CULVERT_GATEWAY_CONTROL';
    const detail = error instanceof GatewayError ? (error.detail ?? '') : messageOf(error);
    return { ok: false, code, detail };
  }
}

function messageOf(error: unknown): string {
  return error instanceof CulvertError ? error.message : `a fault of culvertd: ${String(error)}`;
}
