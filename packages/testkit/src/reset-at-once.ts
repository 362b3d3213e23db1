/** A stranger whose TCP connections are over before the listener has even taken them. */
import { execFileSync } from 'node:child_process';

const script = `
const net = require('node:net');
const { address, port, openings } = JSON.parse(process.argv[1]);
for (const opening of openings) {
  const socket = net.connect(port, address, () => socket.write(Buffer.from(opening, 'hex'), () => socket.resetAndDestroy()));
}`;

/**
 * Connects once for each of `openings`, sends it and resets the connection. It is another process that does, and this one stands still
 * until it has: a listener here finds connections with bytes and without a peer.
 */
export function resetAtOnce(
  to: { readonly address: string; readonly port: number },
  openings: readonly Uint8Array[],
): void {
  const told = JSON.stringify({ ...to, openings: openings.map((bytes) => Buffer.from(bytes).toString('hex')) });
  execFileSync(process.execPath, ['-e', script, told], { timeout: 10_000 });
}
