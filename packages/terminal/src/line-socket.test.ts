import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { listenPrivately } from './line-socket.ts';

test('a listener outlives connections that the system cannot give it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'culvert-line-'));
  const server = createServer((socket) => socket.end());
  try {
    await listenPrivately(server, join(folder, 'socket'));
    for (let n = 0; n < 2; n++) server.emit('error', new Error('accept ENOBUFS'));
    const socket = connect(join(folder, 'socket')).resume();
    await once(socket, 'close');
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
});
