/** Asks the running gateway, over its control socket. */
import { connect } from 'node:net';
import type { Millis } from '@culvert/base';
import { type ControlRequest, maxReplyBytes, parseReply } from './control-protocol.ts';
import { GatewayError } from './errors.ts';

/** A reload reads files and checks keys. */
const patience: Millis = 15_000;

/** The gateway's answer. Rejects with GatewayError: the gateway's own, or CULVERT_GATEWAY_NOT_RUNNING. */
export async function askGateway(path: string, request: ControlRequest): Promise<unknown> {
  const line = await exchange(path, `${JSON.stringify(request)}\n`);
  const reply = parseReply(line);
  if (reply === undefined) throw new GatewayError('CULVERT_GATEWAY_CONTROL', `${path}: an answer that is none`);
  if (!reply.ok) throw new GatewayError(reply.code, reply.detail === '' ? undefined : reply.detail);
  return reply.result;
}

function exchange(path: string, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const socket = connect(path, () => socket.write(text));
  socket.setTimeout(patience, () => socket.destroy(new Error('no answer in time')));
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxReplyBytes) socket.destroy(new Error('an endless answer'));
    chunks.push(chunk);
  });
  socket.on('end', () => resolve(Buffer.concat(chunks).toString()));
  socket.on('error', (cause: NodeJS.ErrnoException) => reject(connectError(path, cause)));
  return promise.finally(() => socket.destroy());
}

function connectError(path: string, cause: NodeJS.ErrnoException): GatewayError {
  if (cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED') {
    return new GatewayError('CULVERT_GATEWAY_NOT_RUNNING', `nobody listens at ${path}`);
  }
  if (cause.code === 'EACCES')
    return new GatewayError('CULVERT_GATEWAY_PRIVILEGE', `${path} is for root and the service`);
  return new GatewayError('CULVERT_GATEWAY_CONTROL', path, { cause });
}
