/**
 * Traffic that checks itself: TCP by hash with the longest silence in it, UDP datagrams that must come back as they went.
 *
 *   traffic.ts serve PORT                         prints "serving"
 *   traffic.ts get|put ADDRESS PORT BYTES         prints {"bytes", "seconds", "longestSilence"} when the hash is right; milliseconds
 *   traffic.ts echo ADDRESS PORT BURST SIZE...    BURST datagrams of each size at once; prints {"echoed", "resent"} when all came back
 */
import { createCipheriv, createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Transfer {
  readonly bytes: number;
  readonly seconds: number;
  readonly longestSilence: number;
}

export interface Echo {
  readonly echoed: number;
  readonly resent: number;
}

const CHUNK = 256 * 1024;
/** A datagram that has not come back by then is sent again, and counts as lost: a busy machine stands still for seconds. */
const RESEND_MILLIS = 5_000;
const MOST_RESENDS = 10;
const zeros = Buffer.alloc(CHUNK);

/** The same bytes at either end: AES-CTR over zeros, under a key that both know. */
function* bytesOf(total: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.from('culvert-traffic!'), Buffer.alloc(16));
  for (let left = total; left > 0; left -= CHUNK) yield cipher.update(left >= CHUNK ? zeros : zeros.subarray(0, left));
}

/** Of the first bytes of that stream. */
export function expectedHash(total: number): string {
  const hash = createHash('sha256');
  for (const chunk of bytesOf(total)) hash.update(chunk);
  return hash.digest('hex');
}

async function send(socket: Socket, total: number): Promise<void> {
  for (const chunk of bytesOf(total)) if (!socket.write(chunk)) await once(socket, 'drain');
}

interface Received {
  readonly hash: string;
  readonly longestSilence: number;
}

function receive(socket: Socket, total: number): Promise<Received> {
  const { promise, resolve, reject } = Promise.withResolvers<Received>();
  const hash = createHash('sha256');
  let left = total;
  let latest = performance.now();
  let longestSilence = 0;
  socket.on('data', (bytes: Buffer) => {
    const now = performance.now();
    longestSilence = Math.max(longestSilence, Math.round(now - latest));
    latest = now;
    hash.update(bytes);
    left -= bytes.length;
    if (left <= 0) resolve({ hash: hash.digest('hex'), longestSilence });
  });
  socket.once('error', reject);
  socket.once('end', () => reject(new Error(`the connection ended ${left} bytes early`)));
  return promise;
}

/** Asks are one line, "get 100" or "put 100", and fit into one segment. */
async function serve(port: number): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (line) => {
      const [what, total] = String(line).split(' ');
      const answer = async () => {
        if (what === 'get') return await send(socket, Number(total));
        socket.write('go\n');
        socket.end(JSON.stringify(await receive(socket, Number(total))));
      };
      answer().catch(() => socket.destroy());
    });
  });
  server.listen(port, '::');
  const echo = createSocket({ type: 'udp6', recvBufferSize: 4 * 1024 * 1024, sendBufferSize: 4 * 1024 * 1024 });
  echo.on('message', (bytes, from) => echo.send(bytes, from.port, from.address, () => {}));
  echo.bind(port, '::');
  await Promise.all([once(server, 'listening'), once(echo, 'listening')]);
  console.log('serving');
}

async function transfer(what: string, address: string, port: number, bytes: number): Promise<Transfer> {
  const expected = expectedHash(bytes);
  const socket = connect(port, address);
  await once(socket, 'connect');
  const started = performance.now();
  socket.write(`${what} ${bytes}`);
  const { hash, longestSilence } = what === 'get' ? await receive(socket, bytes) : await put(socket, bytes);
  const seconds = (performance.now() - started) / 1000;
  socket.destroy();
  if (hash !== expected) throw new Error(`${bytes} bytes arrived with hash ${hash}, not ${expected}`);
  return { bytes, seconds, longestSilence };
}

async function put(socket: Socket, bytes: number): Promise<Received> {
  await once(socket, 'data');
  await send(socket, bytes);
  const [answer] = await once(socket, 'data');
  return JSON.parse(String(answer)) as Received;
}

async function echo(address: string, port: number, burst: number, sizes: readonly number[]): Promise<Echo> {
  const socket = createSocket({
    type: address.includes(':') ? 'udp6' : 'udp4',
    recvBufferSize: 4 * 1024 * 1024,
    sendBufferSize: 4 * 1024 * 1024,
  });
  const missing = new Map<string, Buffer>();
  let wake = (): void => {};
  socket.on('message', (bytes) => {
    if (missing.delete(bytes.toString('latin1')) && missing.size === 0) wake();
  });
  let [number, echoed, resent] = [0, 0, 0];
  for (const size of sizes) {
    for (let n = 0; n < burst; n++) {
      const bytes = datagram(size, number++);
      missing.set(bytes.toString('latin1'), bytes);
    }
    echoed += missing.size;
    for (let tries = 0; missing.size > 0; tries++) {
      if (tries > MOST_RESENDS) throw new Error(`${missing.size} datagrams of ${size} bytes did not come back`);
      if (tries > 0) resent += missing.size;
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const timer = setTimeout(resolve, RESEND_MILLIS);
      for (const bytes of missing.values()) socket.send(bytes, port, address);
      await promise;
      clearTimeout(timer);
    }
  }
  socket.close();
  return { echoed, resent };
}

/** No two alike, where the size leaves room for that. */
function datagram(size: number, number: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = (number * 37 + i * (1 + (number & 7)) + (i >> 8)) & 0xff;
  if (size >= 4) bytes.writeUInt32BE(number, size - 4);
  return bytes;
}

if (import.meta.main) {
  const [what = '', first = '', second = '', ...rest] = process.argv.slice(2);
  if (what === 'serve') await serve(Number(first));
  else if (what === 'echo') {
    const [burst = 1, ...sizes] = rest.map(Number);
    console.log(JSON.stringify(await echo(first, Number(second), burst, sizes)));
  } else console.log(JSON.stringify(await transfer(what, first, Number(second), Number(rest[0]))));
}
