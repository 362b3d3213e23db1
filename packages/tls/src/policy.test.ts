import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Authority,
  type CertificateOptions,
  DAY,
  makeCa,
  makeCertificate,
  type Usage,
} from '../test/certificates.ts';
import { join, makeOffice } from '../test/wire.ts';
import { createTlsContext, type TlsContextOptions } from './index.ts';

const office = makeOffice();
const now = Date.now();
const dayOf = (time: number) => new Date(time).toISOString().slice(0, 10);

/** The certificate under trial, and the words of the sentence and the alert that it must cause. */
interface Case {
  readonly name: string;
  readonly shows: Partial<TlsContextOptions>;
  readonly reason: string | RegExp;
  readonly alert: readonly [name: string, number: number];
}

const show = (one: Authority) => ({ certificate: one.pem, privateKey: one.keyPem });
const showChain = (one: Authority, next: Authority) => ({ certificate: one.pem + next.pem, privateKey: one.keyPem });
const foreign = makeCa('Foreign CA');
const namesake = makeCa('Office CA');
const middle = makeCa('Office Middle CA', office.ca);

/** Refusals that are the same in both directions, for a certificate that would otherwise do as `role`'s. */
function casesFor(role: 'server' | 'client'): Case[] {
  const good = role === 'client' ? ('clientAuth' as const) : ('serverAuth' as const);
  const bad = role === 'client' ? ('serverAuth' as const) : ('clientAuth' as const);
  const base = { commonName: 'bob', usages: [good], issuer: office.ca };
  return [
    {
      name: 'of a foreign CA',
      shows: show(makeCertificate({ ...base, issuer: foreign })),
      reason: "the peer's certificate (CN=bob) is signed by a CA that is not ours (issuer CN=Foreign CA)",
      alert: ['unknown_ca', 48],
    },
    {
      name: 'of a foreign CA that has the name of ours',
      shows: show(makeCertificate({ ...base, issuer: namesake })),
      reason: /CN=bob.*CN=Office CA/,
      alert: ['unknown_ca', 48],
    },
    {
      name: 'that signed itself',
      shows: show(makeCertificate({ commonName: 'bob', usages: [good] })),
      reason: "the peer's certificate is signed by itself and not by a CA of ours (CN=bob)",
      alert: ['unknown_ca', 48],
    },
    {
      name: 'whose intermediate CA is not shown',
      shows: show(makeCertificate({ ...base, issuer: middle })),
      reason: "the peer's certificate (CN=bob) is signed by a CA that is not ours (issuer CN=Office Middle CA)",
      alert: ['unknown_ca', 48],
    },
    {
      name: 'that an ordinary certificate issued',
      shows: showChain(makeCertificate({ ...base, issuer: office.alice }), office.alice),
      reason: /CN=alice/,
      alert: ['unknown_ca', 48],
    },
    {
      name: 'that has expired',
      shows: show(makeCertificate({ ...base, notBefore: now - 9 * DAY, notAfter: now - DAY })),
      reason: `the peer's certificate expired on ${dayOf(now - DAY)} (CN=bob)`,
      alert: ['certificate_expired', 45],
    },
    {
      name: 'that is not valid yet',
      shows: show(makeCertificate({ ...base, notBefore: now + 2 * DAY })),
      reason: `the peer's certificate is not valid before ${dayOf(now + 2 * DAY)} (CN=bob)`,
      alert: ['bad_certificate', 42],
    },
    {
      name: 'with the wrong extended key usage',
      shows: show(makeCertificate({ ...base, usages: [bad] })),
      reason: `the peer's certificate may not be used as a ${role}: its extended key usage lacks ${good} (CN=bob)`,
      alert: ['unsupported_certificate', 43],
    },
    {
      name: 'without any extended key usage',
      shows: show(makeCertificate({ ...base, usages: [] })),
      reason: `the peer's certificate may not be used as a ${role}: its extended key usage lacks ${good} (CN=bob)`,
      alert: ['unsupported_certificate', 43],
    },
  ];
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  for (const { name, shows, reason, alert } of casesFor('client')) {
    test(`${version}: a server refuses a certificate ${name}, and the client hears why`, () => {
      const wire = join({ ...office.server, maxVersion: version }, { ...office.client, ...shows }).settle();
      assertReason(wire.failed('server').reason, reason);
      assert.deepEqual(wire.failed('server').alert, { from: 'us', name: alert[0], number: alert[1] });
      assert.deepEqual(wire.failed('client').alert, { from: 'peer', name: alert[0], number: alert[1] });
      assert.equal(wire.failed('client').reason, `the peer refused our certificate: alert ${alert[0]} (${alert[1]})`);
      assert.equal(wire.events.server.length, 1, 'the server was never secure');
      wire.close();
    });
  }

  for (const { name, shows, reason, alert } of casesFor('server')) {
    test(`${version}: a client refuses a certificate ${name}, and the server hears why`, () => {
      const wire = join({ ...office.server, ...shows }, { ...office.client, maxVersion: version }).settle();
      assertReason(wire.failed('client').reason, reason);
      assert.deepEqual(wire.failed('client').alert, { from: 'us', name: alert[0], number: alert[1] });
      assert.deepEqual(wire.failed('server').alert, { from: 'peer', name: alert[0], number: alert[1] });
      assert.equal(wire.events.client.length, 1, 'the client was never secure');
      wire.close();
    });
  }

  test(`${version}: a server that requires a certificate refuses a client that shows none`, () => {
    const { certificate: _, privateKey: __, ...anonymous } = office.client;
    const wire = join({ ...office.server, maxVersion: version }, anonymous).settle();
    assert.equal(wire.failed('server').reason, 'the peer showed no certificate');
    const number = version === 'TLSv1.3' ? 116 : 40;
    assert.equal(wire.failed('server').alert?.number, number);
    assert.equal(wire.failed('client').alert?.number, number);
    assert.match(wire.failed('client').reason, /wants a certificate/);
    wire.close();
  });
}

const derOf = (pems: string): Uint8Array[] =>
  [...pems.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END/g)].map(([, text]) =>
    Buffer.from(text ?? '', 'base64'),
  );

for (const [role, peer] of [
  ['server', 'client'],
  ['client', 'server'],
] as const) {
  const { name: _, ...ours } = { name: undefined, ...office[role] };
  for (const { name, shows, reason } of casesFor(peer)) {
    test(`a ${role} refuses a certificate ${name} that comes without a handshake, with the same words`, () => {
      const context = createTlsContext(ours);
      assertReason(context.verifyChain(derOf(shows.certificate ?? '')) as string, reason);
      context.close();
    });
  }
}

test('a chain that comes without a handshake is judged by the policy of the context', () => {
  const context = createTlsContext(office.server);
  const bob = makeCertificate({ commonName: 'bob', usages: ['clientAuth'], issuer: middle });
  const chain = derOf(bob.pem + middle.pem);
  const found = context.verifyChain(chain);
  assert.ok(typeof found !== 'string');
  assert.equal(found.commonName, 'bob');
  assert.deepEqual(found.der, new Uint8Array(chain[0] ?? []));
  const later = createTlsContext({ ...office.server, wallClock: { unixMillis: () => now + 365 * DAY } });
  assert.match(later.verifyChain(chain) as string, /expired on/);
  for (const wrong of [[], [Uint8Array.of(1, 2)], [...chain, Uint8Array.of()], Array(9).fill(chain[0])]) {
    assert.match(context.verifyChain(wrong as Uint8Array[]) as string, /no certificate, or too many/);
  }
  const [first = new Uint8Array()] = chain;
  assert.match(context.verifyChain([Buffer.concat([first, Buffer.of(0)])]) as string, /no certificate/);
  for (const one of [context, later]) one.close();
  assert.throws(() => context.verifyChain(chain), { code: 'CULVERT_TLS_STATE' });
});

for (const [role, own, other] of [
  ['server', 'clientAuth', 'serverAuth'],
  ['client', 'serverAuth', 'clientAuth'],
] as const) {
  test(`a ${role} of IKE takes what issuers put into certificates for IPsec, and no certificate for something else`, () => {
    const context = createTlsContext({ ...office[role], name: undefined, usage: 'ike' });
    const verdict = (usages: readonly Usage[], more: Partial<CertificateOptions> = {}) => {
      const bob = makeCertificate({ commonName: 'bob', usages, issuer: office.ca, ...more });
      const found = context.verifyChain([bob.der]);
      return typeof found === 'string' ? found : true;
    };
    for (const usages of [[own], ['iKEIntermediate'], ['ipsecIKE'], ['anyExtendedKeyUsage'], []] as const)
      assert.equal(verdict(usages), true, String(usages));
    assert.equal(verdict(['codeSigning', 'iKEIntermediate']), true, 'one of several');
    const peer = role === 'server' ? 'client' : 'server';
    const refused = `the peer's certificate may not be used as a ${peer}: its extended key usage lacks ${own} or iKEIntermediate (CN=bob)`;
    for (const usages of [['codeSigning'], [other]] as const) assert.equal(verdict(usages), refused);
    assert.match(String(verdict([], { keyUsage: [0x20, 5] })), /may not sign: its key usage lacks digitalSignature/);
    assert.equal(verdict([], { keyUsage: [0x40, 6] }), true, 'nonRepudiation is a signature too');
    assert.match(String(verdict([own], { issuer: foreign })), /not ours/);
    assert.match(String(verdict([own], { notAfter: now - DAY, notBefore: now - 9 * DAY })), /expired/);
    context.close();
  });

  test(`a ${role} of IKE refuses a CA on the way that issues for something else`, () => {
    const context = createTlsContext({ ...office[role], name: undefined, usage: 'ike' });
    for (const [usages, reason] of [
      [['iKEIntermediate'], undefined],
      [['codeSigning'], /a CA certificate in the peer's chain may not issue certificates for this use/],
    ] as const) {
      const between = makeCertificate({ commonName: 'Between', ca: true, usages, issuer: office.ca });
      const bob = makeCertificate({ commonName: 'bob', usages: ['iKEIntermediate'], issuer: between });
      const found = context.verifyChain([bob.der, between.der]);
      if (reason === undefined) assert.notEqual(typeof found, 'string');
      else assert.match(String(found), reason);
      const alice = makeCertificate({ commonName: 'alice', usages: [own], issuer: office.alice });
      assert.match(
        String(context.verifyChain([alice.der, office.alice.der])),
        /CN=alice/,
        'who is no CA issues nothing',
      );
    }
    context.close();
  });
}

test('a server to which certificates are optional still refuses a bad one', () => {
  const bob = makeCertificate({ commonName: 'bob', usages: ['clientAuth'], issuer: foreign });
  const wire = join({ ...office.server, peerCertificate: 'optional' }, { ...office.client, ...show(bob) }).settle();
  assert.match(wire.failed('server').reason, /not ours/);
  wire.close();
});

test('a chain by way of an intermediate CA that the peer shows is accepted', () => {
  const bob = makeCertificate({ commonName: 'bob', usages: ['clientAuth'], issuer: middle });
  const shows = { certificate: bob.pem + middle.pem, privateKey: bob.keyPem };
  const wire = join(office.server, { ...office.client, ...shows }).settle();
  assert.equal(wire.secure('server').peerCertificate?.commonName, 'bob');
  wire.close();
});

test('without the usage rule a certificate may lack an extended key usage, but not carry a wrong one', () => {
  const server = { ...office.server, usage: 'optional' as const };
  const none = makeCertificate({ commonName: 'bob', issuer: office.ca });
  assert.ok(
    join(server, { ...office.client, ...show(none) })
      .settle()
      .secure('server'),
  );
  const wrong = makeCertificate({ commonName: 'bob', usages: ['codeSigning'], issuer: office.ca });
  assert.match(
    join(server, { ...office.client, ...show(wrong) })
      .settle()
      .failed('server').reason,
    /lacks clientAuth/,
  );
});

test('time is the wall clock that was given', () => {
  const wallClock = { unixMillis: () => now + 365 * DAY };
  const wire = join({ ...office.server, wallClock }, office.client).settle();
  assert.match(wire.failed('server').reason, /expired on/);
  wire.close();
});

test('a client takes only the server of the name that it expects', () => {
  const names = [
    { rule: { kind: 'exact', value: 'vpn.example.net' }, accepted: true },
    { rule: { kind: 'exact', value: 'alt.example.net' }, accepted: true },
    { rule: { kind: 'exact', value: 'ALT.example.net' }, accepted: true },
    { rule: { kind: 'prefix', value: 'vpn.' }, accepted: true },
    { rule: { kind: 'exact', value: 'vpn.example' }, accepted: false },
    { rule: { kind: 'exact', value: 'VPN.example.net' }, accepted: false },
    { rule: { kind: 'prefix', value: 'alt.' }, accepted: false },
    { rule: { kind: 'prefix', value: 'vpn.example.net.evil' }, accepted: false },
  ] as const;
  const dnsNames = ['alt.example.net', '*.example.org'];
  const gateway = makeCertificate({
    commonName: 'vpn.example.net',
    usages: ['serverAuth'],
    dnsNames,
    issuer: office.ca,
  });
  for (const { rule, accepted } of names) {
    const wire = join({ ...office.server, ...show(gateway) }, { ...office.client, name: rule }).settle();
    if (accepted) assert.ok(wire.secure('client'), rule.value);
    else assert.equal(wire.failed('client').alert?.name, 'bad_certificate', rule.value);
    wire.close();
  }
});

test('a wrong name is told with what was expected', () => {
  const name = { kind: 'exact', value: 'other.example.net' } as const;
  const wire = join(office.server, { ...office.client, name }).settle();
  assert.equal(
    wire.failed('client').reason,
    `the peer's name is "vpn.example.net", expected "other.example.net" (CN=vpn.example.net)`,
  );
  wire.close();
});

test('a name full of control characters forges no line of a log', () => {
  const bob = makeCertificate({ commonName: 'bob\r\ninfo all is well', usages: ['clientAuth'], issuer: foreign });
  const wire = join(office.server, { ...office.client, ...show(bob) }).settle();
  assert.doesNotMatch(wire.failed('server').reason, /[\r\n]/);
  wire.close();
});

test('ends without a common version say so', () => {
  const wire = join({ ...office.server, minVersion: 'TLSv1.3' }, { ...office.client, maxVersion: 'TLSv1.2' }).settle();
  assert.equal(wire.failed('server').reason, 'the two ends share no TLS version');
  assert.match(wire.failed('client').reason, /no common TLS version.*protocol_version \(70\)/);
  wire.close();
});

test('ends without a common cipher say so', () => {
  const only = { maxVersion: 'TLSv1.2' } as const;
  const wire = join(
    { ...office.server, ...only, ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' },
    { ...office.client, ...only, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
  ).settle();
  assert.equal(wire.failed('server').reason, 'the two ends share no cipher');
  wire.close();
});

function assertReason(found: string, expected: string | RegExp): void {
  if (typeof expected === 'string') assert.equal(found, expected);
  else assert.match(found, expected);
}
