import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { join, makeOffice, Wire } from '../test/wire.ts';
import { createTlsContext, type TlsError } from './index.ts';

const office = makeOffice();
const versions = ['TLSv1.2', 'TLSv1.3'] as const;

for (const version of versions) {
  const server = { ...office.server, maxVersion: version };
  const client = { ...office.client, minVersion: version, maxVersion: version };

  test(`${version}: both ends learn whom they talk to`, () => {
    const wire = join(server, client).settle();

    const seen = wire.secure('server');
    assert.equal(seen.protocol, version);
    assert.match(seen.cipher, /GCM|CHACHA20/);
    assert.equal(seen.resumed, false);
    const alice = seen.peerCertificate;
    assert.equal(alice?.commonName, 'alice');
    assert.equal(alice.subject, 'CN=alice,O=Office');
    assert.equal(alice.issuer, 'CN=Office CA');
    assert.equal(alice.serial, office.alice.serial.toString(16));
    assert.match(alice.fingerprint256, /^[0-9a-f]{64}$/);
    assert.ok(alice.notBefore < Date.now() && alice.notAfter > Date.now());
    assert.deepEqual(Buffer.from(alice.der), Buffer.from(office.alice.der));
    assert.equal(wire.secure('client').peerCertificate?.commonName, 'vpn.example.net');
    wire.close();
  });

  test(`${version}: both ends export the same keying material, another for each label and context`, () => {
    const wire = join(server, client).settle();
    const ours = wire.server.exportKeyingMaterial('EXPORTER-OpenVPN-datakeys', 256);
    assert.equal(ours.length, 256);
    assert.deepEqual(wire.client.exportKeyingMaterial('EXPORTER-OpenVPN-datakeys', 256), ours);
    assert.notDeepEqual(wire.client.exportKeyingMaterial('EXPORTER-other', 256), ours);
    const context = Uint8Array.of(13);
    const inContext = wire.client.exportKeyingMaterial('EXPORTER-OpenVPN-datakeys', 256, context);
    assert.deepEqual(wire.server.exportKeyingMaterial('EXPORTER-OpenVPN-datakeys', 256, context), inContext);
    assert.notDeepEqual(inContext, ours);
    const empty = wire.client.exportKeyingMaterial('EXPORTER-OpenVPN-datakeys', 256, new Uint8Array(0));
    assert.equal(Buffer.from(empty).equals(ours), version === 'TLSv1.3');
    wire.close();
  });

  test(`${version}: what is written arrives as one event a record, both ways, also from before the handshake`, () => {
    const wire = join(server, client);
    const early = Uint8Array.of(1, 2, 3);
    wire.client.write(early);
    early.fill(9);
    wire.settle();
    assert.deepEqual(wire.records('server').map(Buffer.from), [Buffer.of(1, 2, 3)]);

    const sizes = [1, 1000, 16_384, 2];
    const sent = sizes.map((size) => randomBytes(size));
    for (const bytes of sent) wire.server.write(bytes);
    wire.settle();
    assert.deepEqual(wire.records('client').map(Buffer.from), sent);
    wire.close();
  });

  test(`${version}: a handshake and data survive a wire that carries one byte at a time`, () => {
    const wire = join(server, client);
    wire.client.write(Buffer.from('hello'));
    wire.settle(1);
    assert.equal(wire.secure('client').protocol, version);
    assert.deepEqual(wire.records('server').map(Buffer.from), [Buffer.from('hello')]);
    wire.close();
  });

  test(`${version}: the peer hears the end, and can still be told what was left to say`, () => {
    const wire = join(server, client).settle();
    wire.client.write(Buffer.from('last words'));
    wire.client.end();
    wire.client.end();
    wire.settle();
    assert.deepEqual(
      wire.events.server.map((event) => event.kind),
      ['secure', 'data', 'ended'],
    );
    wire.server.write(Buffer.from('answer'));
    wire.settle();
    assert.deepEqual(wire.records('client').map(Buffer.from), [Buffer.from('answer')]);
    assert.throws(() => wire.client.write(Buffer.from('more')), isCode('CULVERT_TLS_STATE'));
    wire.close();
  });
}

test('an end that is asked for before the handshake follows what was queued', () => {
  const wire = join(office.server, office.client);
  wire.client.write(Buffer.from('hello'));
  wire.client.end();
  wire.settle();
  assert.deepEqual(
    wire.events.server.map((event) => event.kind),
    ['secure', 'data', 'ended'],
  );
  wire.close();
});

test('the newest common version and a post-quantum group are chosen without a retry', () => {
  const wire = join(office.server, office.client);
  wire.client.start();
  const hello = wire.client.pollTransmit();
  assert.ok(hello !== undefined && hello.length > 1184, 'the ClientHello carries an ML-KEM-768 share');
  wire.server.handleData(hello);
  const answer = wire.server.pollTransmit();
  assert.ok(answer !== undefined && answer.length > 1088, 'the server answers with its own share and certificate');
  wire.client.handleData(answer);
  wire.settle();
  assert.equal(wire.secure('client').protocol, 'TLSv1.3');
  wire.close();
});

test('ciphertext comes out as a stream, at most as much at a time as is asked for', () => {
  const wire = join(office.server, office.client);
  wire.client.start();
  const first = wire.client.pollTransmit(100);
  assert.equal(first?.length, 100);
  assert.deepEqual([...first.subarray(0, 2)], [0x16, 0x03], 'the first bytes of a handshake record');
  let rest = 0;
  for (let bytes: Uint8Array | undefined; (bytes = wire.client.pollTransmit(100)); rest += bytes.length) {
    assert.ok(bytes.length <= 100);
  }
  assert.ok(rest > 100);
  assert.equal(wire.client.pollTransmit(), undefined);
  wire.close();
});

test('a server without a client certificate policy lets a client without a certificate in', () => {
  const { certificate: _, privateKey: __, ...anonymous } = office.client;
  for (const peerCertificate of ['optional', 'none'] as const) {
    const wire = join({ ...office.server, peerCertificate }, anonymous).settle();
    assert.equal(wire.secure('server').peerCertificate, undefined);
    wire.close();
  }
});

test('the caller is told of calls that cannot be', () => {
  const wire = join(office.server, office.client);
  assert.throws(() => wire.client.exportKeyingMaterial('x', 32), isCode('CULVERT_TLS_STATE'));
  assert.throws(() => wire.client.write(new Uint8Array(16_385)), RangeError);
  for (let n = 0; n < 4; n++) wire.client.write(new Uint8Array(16_384));
  assert.throws(() => wire.client.write(new Uint8Array(1)), isCode('CULVERT_TLS_QUEUE'));
  wire.client.write(new Uint8Array(0));
  wire.settle();
  assert.equal(wire.records('server').length, 4);
  assert.throws(() => wire.client.exportKeyingMaterial('x', 0), RangeError);
  assert.throws(() => wire.client.exportKeyingMaterial('x', 16_385), RangeError);
  wire.close();
});

test('ciphertext that nobody sends is bounded', () => {
  const wire = join(office.server, office.client).settle();
  assert.throws(() => {
    for (let n = 0; n < 100; n++) wire.client.write(new Uint8Array(16_384));
  }, isCode('CULVERT_TLS_QUEUE'));
  wire.close();
});

test('a closed engine throws, closing again does not', () => {
  const { server } = join(office.server, office.client);
  server.close();
  server.close();
  const calls = [
    () => server.start(),
    () => server.handleData(new Uint8Array(1)),
    () => server.write(new Uint8Array(1)),
    () => server.end(),
    () => server.pollTransmit(),
    () => server.pollEvent(),
    () => server.exportKeyingMaterial('x', 1),
  ];
  for (const call of calls) assert.throws(call, isCode('CULVERT_TLS_STATE'));
});

test('engines outlive their context, which makes no more of them', () => {
  const server = createTlsContext(office.server);
  const client = createTlsContext(office.client);
  const wire = new Wire(server.createEngine(), client.createEngine());
  server.close();
  server.close();
  client.close();
  assert.throws(() => server.createEngine(), isCode('CULVERT_TLS_STATE'));
  assert.throws(() => server.setCrl(undefined), isCode('CULVERT_TLS_STATE'));
  assert.equal(wire.settle().secure('server').peerCertificate?.commonName, 'alice');
  wire.close();
});

function isCode(code: string): (error: TlsError) => boolean {
  return (error) => error.name === 'TlsError' && error.code === code;
}
