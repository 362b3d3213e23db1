/** Our engine against Node's own TLS stack, and sessions that a peer wants to resume. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex, duplexPair } from 'node:stream';
import { test } from 'node:test';
import tls from 'node:tls';
import { makeOffice } from '../test/wire.ts';
import { createTlsContext, type TlsEngine, type TlsEvent } from './index.ts';

const office = makeOffice();

/** The other end of an engine's wire, as a stream. */
function streamOf(engine: TlsEngine, events: TlsEvent[]): Duplex {
  const pump = () => {
    for (let event: TlsEvent | undefined; (event = engine.pollEvent()); ) events.push(event);
    for (let bytes: Uint8Array | undefined; (bytes = engine.pollTransmit()); ) stream.push(bytes);
  };
  const stream = new Duplex({
    read: pump,
    write: (chunk: Uint8Array, _encoding, done) => {
      engine.handleData(chunk);
      pump();
      done();
    },
  });
  return stream;
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  const material = { ca: office.ca.pem, minVersion: version, maxVersion: version };
  const gateway = { cert: office.gateway.pem, key: office.gateway.keyPem };
  const alice = { cert: office.alice.pem, key: office.alice.keyPem };

  test(`${version}: a session that the peer brings from elsewhere gets a full handshake, and its certificate is looked at`, async () => {
    const session = await sessionFromNode({ ...material, ...gateway }, { ...material, ...alice });
    const events: TlsEvent[] = [];
    const server = createTlsContext(office.server).createEngine();
    const socket = tls.connect({
      socket: streamOf(server, events),
      ...material,
      ...alice,
      session,
      checkServerIdentity: () => undefined,
    });
    await once(socket, 'secureConnect');
    socket.write('hello');
    while (!events.some((event) => event.kind === 'data')) await new Promise((resolve) => setImmediate(resolve));

    assert.equal(socket.isSessionReused(), false);
    const secure = events.find((event) => event.kind === 'secure');
    assert.ok(secure?.kind === 'secure');
    assert.equal(secure.resumed, false);
    assert.equal(secure.peerCertificate?.commonName, 'alice');
    assert.deepEqual(
      socket.exportKeyingMaterial(32, 'EXPORTER-OpenVPN-datakeys', Buffer.alloc(0)).length,
      server.exportKeyingMaterial('EXPORTER-OpenVPN-datakeys', 32).length,
    );
    socket.destroy();
    server.close();
  });

  test(`${version}: our server gives a peer no session to bring back`, async () => {
    const events: TlsEvent[] = [];
    const server = createTlsContext(office.server).createEngine();
    const socket = tls.connect({
      socket: streamOf(server, events),
      ...material,
      ...alice,
      checkServerIdentity: () => undefined,
    });
    let sessions = 0;
    socket.on('session', () => sessions++);
    await once(socket, 'secureConnect');
    server.write(Buffer.from('hello'));
    socket.write('hello');
    await once(socket, 'data');
    assert.equal(version === 'TLSv1.3' ? sessions : (socket.getTLSTicket()?.length ?? 0), 0);
    socket.destroy();
    server.close();
  });

  test(`${version}: our client talks to a server that hands out tickets, and keeps none`, async () => {
    const listener = tls.createServer({ ...material, ...gateway, requestCert: true }, (socket) => socket.pipe(socket));
    const events: TlsEvent[] = [];
    const client = createTlsContext(office.client).createEngine();
    const stream = streamOf(client, events);
    client.start();
    client.write(Buffer.from('hello'));
    listener.emit('connection', stream);
    while (!events.some((event) => event.kind === 'data')) await new Promise((resolve) => setImmediate(resolve));

    assert.deepEqual(
      events.map((event) => event.kind),
      ['secure', 'data'],
    );
    stream.destroy();
    client.close();
  });
}

test('a peer that wants to renegotiate does not get it', async () => {
  const events: TlsEvent[] = [];
  const server = createTlsContext(office.server).createEngine();
  const socket = tls.connect({
    socket: streamOf(server, events),
    ca: office.ca.pem,
    cert: office.alice.pem,
    key: office.alice.keyPem,
    maxVersion: 'TLSv1.2',
    checkServerIdentity: () => undefined,
  });
  await once(socket, 'secureConnect');
  const refusal = once(socket, 'error');
  socket.renegotiate({}, () => undefined);
  const [error] = (await refusal) as [Error];
  assert.match(error.message, /no renegotiation/);
  assert.equal(events.filter((event) => event.kind === 'secure').length, 1);
  socket.destroy();
  server.close();
});

/** A session of a Node client with a Node server: what a peer could bring to us. */
async function sessionFromNode(server: tls.TlsOptions, client: tls.ConnectionOptions): Promise<Buffer> {
  const listener = tls.createServer({ ...server, requestCert: true }, (socket) => socket.end('hello'));
  const [here, there] = duplexPair();
  listener.emit('connection', there);
  const socket = tls.connect({ ...client, socket: here, checkServerIdentity: () => undefined });
  socket.resume();
  const [session] = (await once(socket, 'session')) as [Buffer];
  socket.destroy();
  return session;
}
