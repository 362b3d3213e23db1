/** What the control sockets of the programs share: a Unix socket that is its owner's alone, and one line from whoever connects. */
import { chmod } from 'node:fs/promises';
import type { Server, Socket } from 'node:net';

/** Listens at `path`, where no file may lie. Rejects with the system's error. */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  // The socket is made with the mode that the mask leaves, before anybody can connect to it.
  const before = process.umask(0o177);
  server.listen(path, resolve);
  process.umask(before);
  await promise;
  // What the system cannot give us later is one connection, whose peer tries again.
  server.off('error', reject).on('error', () => {});
  await chmod(path, 0o600);
}

/** Hands on the first line, once, without its end. Destroys the socket when more than `limit` characters come without one. */
export function readLine(socket: Socket, limit: number, onLine: (line: string) => void): void {
  let text = '';
  let done = false;
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    if (done) return;
    text += chunk;
    const end = text.indexOf('\n');
    if (end < 0 && text.length > limit) socket.destroy();
    if (end < 0) return;
    done = true;
    onLine(text.slice(0, end));
  });
}
