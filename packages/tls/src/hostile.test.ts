import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { join, makeOffice, Wire } from '../test/wire.ts';
import { createTlsContext, type TlsEngine, type TlsEvent } from './index.ts';
import { loadNative, type Native } from './native.ts';

const office = makeOffice();
const serverContext = createTlsContext(office.server);
const clientContext = createTlsContext(office.client);

function drain(engine: TlsEngine): TlsEvent[] {
  const events: TlsEvent[] = [];
  for (let event: TlsEvent | undefined; (event = engine.pollEvent()); ) events.push(event);
  return events;
}

/** A handshake record of `length` bytes of `body`, the version field that TLS 1.2 and 1.3 send. */
function record(type: number, body: Uint8Array, length = body.length): Uint8Array {
  return Buffer.concat([Uint8Array.of(type, 3, 3, length >> 8, length & 0xff), body]);
}

test('garbage never throws, gets at most a short answer, and fails at most once', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 5 }), (asServer, chunks) => {
      const engine = (asServer ? serverContext : clientContext).createEngine();
      if (!asServer) {
        engine.start();
        engine.pollTransmit();
      }
      for (const chunk of chunks) engine.handleData(chunk);
      assert.ok(drain(engine).length <= 1);
      assert.ok((engine.pollTransmit()?.length ?? 0) < 100);
      engine.close();
    }),
    { numRuns: 500 },
  );
});

test('records of random content inside a valid frame never throw, in every phase', () => {
  const phase = fc.constantFrom('fresh', 'handshake', 'secure');
  const type = fc.constantFrom(20, 21, 22, 23, 24);
  const body = fc.uint8Array({ maxLength: 2000 });
  fc.assert(
    fc.property(phase, fc.boolean(), type, body, (when, asServer, recordType, bytes) => {
      const wire = join(office.server, office.client);
      if (when === 'handshake') {
        wire.client.start();
        wire.server.handleData(wire.client.pollTransmit() ?? new Uint8Array());
      }
      if (when === 'secure') wire.settle();
      const victim = asServer ? wire.server : wire.client;
      victim.handleData(record(recordType, bytes));
      assert.ok(drain(victim).filter((event) => event.kind === 'data').length === 0);
      wire.close();
    }),
    { numRuns: 150 },
  );
});

test('every bit of a record that is turned over is noticed', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 7 }), (where, bit) => {
      const wire = join(office.server, office.client).settle();
      wire.client.write(Buffer.from('attack at dawn'));
      const bytes = wire.client.pollTransmit() ?? new Uint8Array();
      const at = where % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
      // A length field made longer waits for more: give it that.
      wire.server.handleData(Buffer.concat([bytes, new Uint8Array(20_000)]));
      assert.deepEqual(
        drain(wire.server).map((event) => event.kind),
        ['failed'],
      );
      wire.close();
    }),
    { numRuns: 60 },
  );
});

test('a record that fails its integrity check ends the session with the alert for it', () => {
  const wire = join(office.server, office.client).settle();
  wire.client.write(Buffer.from('hello'));
  const bytes = wire.client.pollTransmit() ?? new Uint8Array();
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  wire.server.handleData(bytes);
  wire.settle();
  assert.equal(wire.failed('server').reason, 'a record failed its integrity check');
  assert.equal(wire.failed('server').alert?.name, 'bad_record_mac');
  assert.equal(wire.failed('client').reason, 'the peer ended the session: alert bad_record_mac (20)');
  wire.close();
});

test('a truncated record waits, and an end of the wire in its middle gives nothing away', () => {
  const wire = join(office.server, office.client).settle();
  wire.client.write(Buffer.from('hello'));
  const bytes = wire.client.pollTransmit() ?? new Uint8Array();
  wire.server.handleData(bytes.subarray(0, -1));
  assert.deepEqual(drain(wire.server), []);
  wire.server.handleData(bytes.subarray(-1));
  assert.deepEqual(
    drain(wire.server).map((event) => event.kind),
    ['data'],
  );
  wire.close();
});

test('a record that announces more than TLS allows ends the session', () => {
  const wire = join(office.server, office.client).settle();
  wire.server.handleData(record(23, new Uint8Array(16), 16_384 + 257));
  wire.settle();
  assert.equal(wire.failed('server').reason, 'the peer sent a record that is too long');
  assert.equal(wire.failed('server').alert?.name, 'record_overflow');
  wire.close();
});

test('a peer that speaks HTTP is called that', () => {
  const engine = serverContext.createEngine();
  engine.handleData(Buffer.from('GET / HTTP/1.1\r\nHost: vpn.example.net\r\n\r\n'));
  const [event] = drain(engine);
  assert.equal(event?.kind === 'failed' ? event.reason : '', 'the peer speaks HTTP, not TLS');
  engine.close();
});

test('after a failure everything is ignored until close, and the alert can still be fetched', () => {
  const engine = serverContext.createEngine();
  engine.handleData(record(22, Buffer.from('nonsense')));
  engine.handleData(record(22, Buffer.from('nonsense')));
  engine.write(Buffer.from('hello'));
  engine.end();
  assert.equal(drain(engine).length, 1);
  const alert = engine.pollTransmit();
  assert.equal(alert?.[0], 21, 'an alert record');
  assert.equal(engine.pollTransmit(), undefined);
  engine.close();
});

test('a handshake message that is larger than any chain is refused before it is there', () => {
  const wire = join(office.server, { ...office.client, maxVersion: 'TLSv1.2' });
  wire.client.start();
  wire.server.handleData(wire.client.pollTransmit() ?? new Uint8Array());
  // A Certificate message of 16 MiB.
  wire.server.handleData(record(22, Buffer.concat([Uint8Array.of(11, 0xff, 0xff, 0xff), new Uint8Array(1000)])));
  const [event] = drain(wire.server);
  assert.equal(event?.kind === 'failed' ? event.reason : '', 'the peer sent a handshake message that is too long');
  wire.close();
});

test('a stranger makes a server keep no more than 64 KiB before the handshake is done', () => {
  const engine = serverContext.createEngine();
  // A ClientHello may have 128 KiB, as far as OpenSSL is concerned.
  engine.handleData(record(22, Buffer.concat([Uint8Array.of(1, 1, 0xff, 0xff), new Uint8Array(16_380)])));
  for (let n = 0; n < 2; n++) engine.handleData(record(22, new Uint8Array(16_384)));
  assert.deepEqual(drain(engine), [], 'it waits for the rest');
  engine.handleData(record(22, new Uint8Array(16_384)));
  const [event] = drain(engine);
  const reason = event?.kind === 'failed' ? event.reason : '';
  assert.equal(reason, 'the peer sent more than 65536 bytes before the handshake was done');
  engine.close();
});

test('plaintext that nobody reads is bounded', () => {
  const wire = join(office.server, office.client).settle();
  let last: TlsEvent | undefined;
  for (let n = 0; n < 70; n++) {
    wire.client.write(new Uint8Array(16_384));
    for (let bytes: Uint8Array | undefined; (bytes = wire.client.pollTransmit()); ) wire.server.handleData(bytes);
  }
  for (let event: TlsEvent | undefined; (event = wire.server.pollEvent()); ) last = event;
  assert.equal(last?.kind === 'failed' ? last.reason : '', 'more than 1048576 bytes from the peer wait unread');
  wire.close();
});

test('the binary throws for what is no handle, no bytes or no number, and never crashes', () => {
  const native = loadNative();
  const context = native.newContext(true, 2, 0x0303, 0x0304);
  const engine = native.newEngine(context);
  const closed = native.newEngine(context);
  native.closeEngine(closed);
  const detached = new Uint8Array(8);
  structuredClone(detached, { transfer: [detached.buffer] });
  const odd = fc.constantFrom<unknown>(
    ...[undefined, null, true, -1, 1e300, Number.NaN, 'text', '', Symbol('x'), 1n, {}, [], () => 0, detached],
    ...[
      new Uint8Array(0),
      new Uint8Array(3),
      new Float64Array(3),
      new DataView(new ArrayBuffer(4)),
      new ArrayBuffer(4),
    ],
    ...[new Uint8Array(new SharedArrayBuffer(4)), context, engine, closed],
  );
  // Not closeContext and closeEngine: they would end the two good handles, which the others are to be tried with.
  const names = Object.keys(native).filter((name) => !name.startsWith('close')) as (keyof Native)[];
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.array(odd, { maxLength: 6 }), (name, args) => {
      try {
        (native[name] as (...args: unknown[]) => unknown)(...args);
      } catch (error) {
        assert.ok(error instanceof TypeError, String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

test('engines that were closed leave nothing behind', () => {
  const meet = () => new Wire(serverContext.createEngine(), clientContext.createEngine()).settle().close();
  for (let n = 0; n < 100; n++) meet();
  const before = process.memoryUsage.rss();
  for (let n = 0; n < 500; n++) meet();
  const grown = process.memoryUsage.rss() - before;
  // A pair of engines that stayed would be 80 KiB, 40 MB in all.
  assert.ok(grown < 15 * 1024 * 1024, `grew by ${grown} bytes`);
});

test('two threads use the binary at once', async () => {
  const workers = [1, 2].map(() => new Worker(new URL('../test/handshake-worker.ts', import.meta.url)));
  const exits = await Promise.all(workers.map((worker) => new Promise((resolve) => worker.on('exit', resolve))));
  assert.deepEqual(exits, [0, 0]);
});
