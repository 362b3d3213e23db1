import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY, makeCa, makeCertificate, makeCrl } from '../test/certificates.ts';
import { join, makeOffice, Wire } from '../test/wire.ts';
import { createTlsContext, type TlsContextOptions, type TlsError } from './index.ts';

const office = makeOffice();
const now = Date.now();
const bob = makeCertificate({ commonName: 'bob', usages: ['clientAuth'], issuer: office.ca });
const asBob = { ...office.client, certificate: bob.pem, privateKey: bob.keyPem };
const listsBob = makeCrl({ issuer: office.ca, revoked: [bob] });
const expired = makeCrl({ issuer: office.ca, revoked: [bob], thisUpdate: now - 9 * DAY, nextUpdate: now - 2 * DAY });
const day = new Date(now - 2 * DAY).toISOString().slice(0, 10);

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${version}: a revoked certificate is refused and hears so, others are not`, () => {
    const server = { ...office.server, crl: listsBob, maxVersion: version };
    const refused = join(server, asBob).settle();
    assert.equal(refused.failed('server').reason, "the peer's certificate was revoked (CN=bob)");
    assert.equal(refused.failed('client').reason, 'the peer refused our certificate: alert certificate_revoked (44)');
    assert.equal(join(server, office.client).settle().secure('server').peerCertificate?.commonName, 'alice');
  });
}

test('a client checks CRLs too', () => {
  const crl = makeCrl({ issuer: office.ca, revoked: [office.gateway] });
  const wire = join(office.server, { ...office.client, crl }).settle();
  assert.equal(wire.failed('client').reason, "the peer's certificate was revoked (CN=vpn.example.net)");
  assert.equal(wire.failed('server').alert?.name, 'certificate_revoked');
});

test('a chain that comes without a handshake is held against the CRLs in force', () => {
  const server = createTlsContext(office.server);
  const [derOfBob, derOfAlice] = [bob, office.alice].map(({ der }) => new Uint8Array(der));
  assert.ok(derOfBob !== undefined && derOfAlice !== undefined);
  assert.notEqual(typeof server.verifyChain([derOfBob]), 'string');
  server.setCrl(listsBob);
  assert.equal(server.verifyChain([derOfBob]), "the peer's certificate was revoked (CN=bob)");
  assert.notEqual(typeof server.verifyChain([derOfAlice]), 'string');
  server.close();
});

test('an expired CRL still refuses what it lists, warns, and locks nobody else out', () => {
  const warnings: string[] = [];
  const server = createTlsContext({ ...office.server, crl: expired, onWarning: (message) => warnings.push(message) });
  const sentence = `the certificate revocation list of CN=Office CA is out of date (next update ${day}): it still refuses what it lists`;
  assert.deepEqual(warnings, [sentence], 'warned when it was set');

  const meet = (as: TlsContextOptions) => new Wire(server.createEngine(), createTlsContext(as).createEngine()).settle();
  assert.match(meet(asBob).failed('server').reason, /was revoked/);
  assert.ok(meet(office.client).secure('server'));
  assert.deepEqual(warnings, [sentence], 'and not again at each handshake');
});

test('a CRL that expires while the gateway runs is warned of at the next handshake', () => {
  const warnings: string[] = [];
  let time = now - 3 * DAY;
  const wallClock = { unixMillis: () => time };
  const ca = makeCa('Old CA');
  const valid = { notBefore: now - 9 * DAY, issuer: ca } as const;
  const gateway = makeCertificate({ commonName: 'gateway', usages: ['serverAuth'], ...valid });
  const carol = makeCertificate({ commonName: 'carol', usages: ['clientAuth'], ...valid });
  const longCa = makeCertificate({
    commonName: 'Old CA',
    ca: true,
    notBefore: now - 9 * DAY,
    keys: { publicKey: ca.publicKey, privateKey: ca.privateKey },
  });
  const crl = makeCrl({ issuer: ca, revoked: [], thisUpdate: now - 9 * DAY, nextUpdate: now - 2 * DAY });
  const server = createTlsContext({
    role: 'server',
    ca: longCa.pem,
    certificate: gateway.pem,
    privateKey: gateway.keyPem,
    crl,
    wallClock,
    onWarning: (message) => warnings.push(message),
  });
  const client = {
    role: 'client' as const,
    ca: longCa.pem,
    certificate: carol.pem,
    privateKey: carol.keyPem,
    wallClock,
  };
  const meet = () => new Wire(server.createEngine(), createTlsContext(client).createEngine()).settle();

  assert.ok(meet().secure('server'));
  assert.deepEqual(warnings, []);
  time = now;
  assert.ok(meet().secure('server'));
  assert.ok(meet().secure('server'));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /CN=Old CA is out of date/);
});

test('with crlExpired refuse an expired CRL refuses everyone whom it concerns', () => {
  const server = { ...office.server, crl: expired, crlExpired: 'refuse' as const };
  const wire = join(server, office.client).settle();
  assert.equal(
    wire.failed('server').reason,
    `the certificate revocation list for the peer's certificate expired on ${day} (issuer CN=Office CA)`,
  );
  assert.equal(wire.failed('client').alert?.name, 'certificate_expired');
});

test('a fresh CRL beside an expired one of the same CA is the one that counts', () => {
  const fresh = makeCrl({ issuer: office.ca, revoked: [] });
  const server = { ...office.server, crl: expired + fresh, crlExpired: 'refuse' as const };
  assert.ok(join(server, office.client).settle().secure('server'));
});

test('where CRLs are given but none of the issuer, warn accepts with a warning and refuse refuses', () => {
  const second = makeCa('Second CA');
  const carol = makeCertificate({ commonName: 'carol', usages: ['clientAuth'], issuer: second });
  const asCarol = { ...office.client, certificate: carol.pem, privateKey: carol.keyPem };
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  const server = { ...office.server, ca: office.ca.pem + second.pem, crl: listsBob, onWarning };

  assert.ok(join(server, asCarol).settle().secure('server'));
  assert.deepEqual(warnings, [
    'no certificate revocation list of CN=Second CA is there: its certificates are accepted unchecked',
  ]);
  const refused = join({ ...server, crlExpired: 'refuse' }, asCarol).settle();
  assert.match(refused.failed('server').reason, /no certificate revocation list of its issuer.*CN=carol.*CN=Second CA/);
});

test('a stranger with an unsigned certificate causes no warning', () => {
  const warnings: string[] = [];
  const forged = makeCertificate({ commonName: 'mallory', usages: ['clientAuth'], issuer: makeCa('Office CA') });
  const server = createTlsContext({ ...office.server, onWarning: (message) => warnings.push(message) });
  server.setCrl(makeCrl({ issuer: makeCa('Unknown CA'), revoked: [] }));
  warnings.length = 0;
  const client = createTlsContext({ ...office.client, certificate: forged.pem, privateKey: forged.keyPem });
  const wire = new Wire(server.createEngine(), client.createEngine()).settle();
  assert.equal(wire.failed('server').alert?.from, 'us');
  assert.deepEqual(warnings, []);
});

test('a revoked intermediate CA takes its certificates with it', () => {
  const middle = makeCa('Middle CA', office.ca);
  const dave = makeCertificate({ commonName: 'dave', usages: ['clientAuth'], issuer: middle });
  const client = { ...office.client, certificate: dave.pem + middle.pem, privateKey: dave.keyPem };
  const leaves = makeCrl({ issuer: middle, revoked: [] });
  const ok = { ...office.server, crl: leaves, crlExpired: 'refuse' as const };
  assert.ok(join(ok, client).settle().secure('server'), 'a CRL of the root is not asked for');
  const crl = leaves + makeCrl({ issuer: office.ca, revoked: [middle] });
  const wire = join({ ...office.server, crl }, client).settle();
  assert.equal(wire.failed('server').reason, "a CA certificate in the peer's chain was revoked (CN=Middle CA)");
});

test('a list of an intermediate CA that it did not sign refuses whom it concerns', () => {
  const middle = makeCa('Middle CA', office.ca);
  const dave = makeCertificate({ commonName: 'dave', usages: ['clientAuth'], issuer: middle });
  const client = { ...office.client, certificate: dave.pem + middle.pem, privateKey: dave.keyPem };
  const ours = makeCrl({ issuer: office.ca, revoked: [] });
  const meet = (crl: string) => join({ ...office.server, crl: ours + crl }, client).settle();
  assert.ok(meet(makeCrl({ issuer: middle, revoked: [] })).secure('server'));
  const forged = makeCrl({ issuer: middle, revoked: [], signer: makeCa('Middle CA') });
  assert.match(meet(forged).failed('server').reason, /carries a wrong signature \(issuer CN=Middle CA\)/);
});

test('setCrl takes effect at once: for new engines, and for one in the middle of its handshake', () => {
  const server = createTlsContext(office.server);
  const client = createTlsContext(asBob);
  const meet = () => new Wire(server.createEngine(), client.createEngine());
  assert.ok(meet().settle().secure('server'));

  const underway = meet();
  underway.client.start();
  underway.server.handleData(underway.client.pollTransmit() ?? new Uint8Array());
  server.setCrl(listsBob);
  assert.match(underway.settle().failed('server').reason, /was revoked/);
  assert.match(meet().settle().failed('server').reason, /was revoked/);

  server.setCrl(undefined);
  assert.ok(meet().settle().secure('server'));
});

test('a CRL that cannot be used is refused and leaves the old one in force', () => {
  const server = createTlsContext({ ...office.server, crl: listsBob });
  const forged = makeCrl({ issuer: office.ca, revoked: [], signer: makeCa('Office CA') });
  const bad = [
    '',
    'nonsense',
    office.ca.pem,
    listsBob.replace('MII', 'AII').replace('MIH', 'AIH'),
    forged,
    `${listsBob}${forged}`,
  ];
  for (const pem of bad) {
    assert.throws(
      () => server.setCrl(pem),
      (error: TlsError) => error.code === 'CULVERT_TLS_CRL',
    );
  }
  const wire = new Wire(server.createEngine(), createTlsContext(asBob).createEngine()).settle();
  assert.match(wire.failed('server').reason, /was revoked/);
});

test('a link that was up before is found by its certificate', () => {
  const server = createTlsContext(office.server);
  assert.equal(server.isRevoked(bob.der), false);
  server.setCrl(listsBob);
  assert.equal(server.isRevoked(bob.der), true);
  assert.equal(server.isRevoked(office.alice.der), false);
  const foreign = makeCertificate({ commonName: 'bob', serial: bob.serial, issuer: makeCa('Other CA') });
  assert.equal(server.isRevoked(foreign.der), false, 'the same serial of another CA');
  assert.throws(() => server.isRevoked(Uint8Array.of(1, 2, 3)), TypeError);
});
