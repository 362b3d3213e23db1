/** Full mutual handshakes a second, both ends in one thread: TLS 1.3, X25519MLKEM768, P-256 certificates. */
import { createTlsContext } from '../src/index.ts';
import { makeOffice, Wire } from './wire.ts';

const HANDSHAKES = 500;

const office = makeOffice();
const server = createTlsContext(office.server);
const client = createTlsContext(office.client);
for (let round = 0; round < 3; round++) {
  const start = performance.now();
  for (let n = 0; n < HANDSHAKES; n++) {
    const wire = new Wire(server.createEngine(), client.createEngine()).settle();
    wire.secure('server');
    wire.close();
  }
  console.log(`${Math.round((HANDSHAKES / (performance.now() - start)) * 1000)} handshakes/s`);
}
