/**
 * Moves bytes over TCP and checks them by hash.
 *
 *   transfer.ts serve PORT
 *   transfer.ts get|put ADDRESS PORT BYTES       prints "BYTES SECONDS" when the hash is right
 */
import { createCipheriv, createHash } from 'node:crypto';
import { connect, createServer, type Socket } from 'node:net';

const CHUNK = 256 * 1024;
const zeros = Buffer.alloc(CHUNK);

/** The same bytes on either side: AES-CTR over zeros, under a key that both know. */
function* bytesOf(total: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.from('culvert-interop!'), Buffer.alloc(16));
  for (let left = total; left > 0; left -= CHUNK) yield cipher.update(left >= CHUNK ? zeros : zeros.subarray(0, left));
}

function expectedHash(total: number): string {
  const hash = createHash('sha256');
  for (const chunk of bytesOf(total)) hash.update(chunk);
  return hash.digest('hex');
}

async function send(socket: Socket, total: number): Promise<void> {
  for (const chunk of bytesOf(total)) {
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
  }
}

/** The hash of the next `total` bytes. */
async function receive(socket: Socket, total: number): Promise<string> {
  const hash = createHash('sha256');
  let left = total;
  return await new Promise((resolve, reject) => {
    const onData = (bytes: Buffer) => {
      hash.update(bytes);
      left -= bytes.length;
      if (left > 0) return;
      socket.off('data', onData);
      resolve(hash.digest('hex'));
    };
    socket.on('data', onData);
    socket.once('error', reject);
    socket.once('end', () => reject(new Error(`the connection ended ${left} bytes early`)));
  });
}

/** Asks are one line, "get 100" or "put 100", and fit into one segment. */
function serve(port: number): void {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', async (line) => {
      const [what, total] = String(line).split(' ');
      if (what === 'get') await send(socket, Number(total));
      else {
        socket.write('go\n');
        socket.end(await receive(socket, Number(total)));
      }
    });
  });
  server.listen(port, '::', () => console.log('serving'));
}

async function transfer(what: string, address: string, port: number, total: number): Promise<void> {
  const expected = expectedHash(total);
  const socket = connect(port, address);
  const started = performance.now();
  socket.write(`${what} ${total}`);
  let hash: string;
  if (what === 'get') hash = await receive(socket, total);
  else {
    await new Promise((resolve) => socket.once('data', resolve));
    await send(socket, total);
    hash = String(await new Promise((resolve) => socket.once('data', resolve)));
  }
  const seconds = (performance.now() - started) / 1000;
  socket.destroy();
  if (hash !== expected) throw new Error(`${total} bytes arrived with hash ${hash}, not ${expected}`);
  console.log(`${total} ${seconds.toFixed(3)}`);
}

const [what = '', ...rest] = process.argv.slice(2);
if (what === 'serve') serve(Number(rest[0]));
else await transfer(what, rest[0] ?? '', Number(rest[1]), Number(rest[2]));
