import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { emptyOpenvpnProfile, type OpenvpnProfile, type ProfileFile } from './openvpn-profile.ts';
import { quoteWord, splitLine } from './openvpn-profile-line.ts';
import { parseOpenvpnProfile } from './openvpn-profile-parse.ts';
import { printOpenvpnProfile } from './openvpn-profile-print.ts';

const minimal = `client
remote vpn.example.com
ca ca.crt
cert alice.crt
key alice.key
remote-cert-tls server
`;

function parse(text: string) {
  return parseOpenvpnProfile(text, { file: 'home.ovpn' });
}

function problemsOf(text: string): string[] {
  return parse(text).problems.map((p) => `${p.severity} ${p.line} ${p.key}: ${p.found} / ${p.expected}`);
}

test('a typical profile is understood wholly and without a word', () => {
  const { profile, problems } = parse(`# made by hand
client
dev tun
proto tcp
remote vpn1.example.com 443
remote 2001:db8::1 1195 udp6   ; the other one
remote-random
resolv-retry infinite
nobind
persist-key
persist-tun
<ca>
-----BEGIN CERTIFICATE-----
AAAA
-----END CERTIFICATE-----
</ca>
auth-user-pass
<tls-auth>
key
</tls-auth>
key-direction 1
remote-cert-tls server
verify-x509-name "C=DE, CN=office gateway" subject
data-ciphers AES-256-GCM:?CHACHA20-POLY1305
auth SHA256
keepalive 10 60
mssfix 1400 mtu
redirect-gateway def1 ipv6
route 10.1.2.3 255.255.0.0 vpn_gateway 50
route-ipv6 fd00:1::1/64
pull-filter ignore "dhcp-option DNS"
dns server 2 address 10.0.0.2
dns server 1 address 10.0.0.1 [fd00::1]:53
dhcp-option DOMAIN corp.example
static-challenge "Your code?" 1
setenv UV_TEAM blue
verb 3
`);
  assert.deepEqual(problems, []);
  assert.deepEqual(profile, {
    ...emptyOpenvpnProfile(),
    remotes: [
      { host: 'vpn1.example.com', port: 443, protocol: 'tcp', family: undefined },
      { host: '2001:db8::1', port: 1195, protocol: 'udp', family: 6 },
    ],
    remoteRandom: true,
    resolveRetry: 'infinite',
    ca: { kind: 'inline', text: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' },
    credentials: { kind: 'prompt' },
    wrap: { kind: 'tls-auth', key: { kind: 'inline', text: 'key\n' }, direction: 1 },
    remoteCertTls: 'server',
    serverName: { kind: 'subject', value: 'C=DE, CN=office gateway' },
    dataCiphers: ['AES-256-GCM', 'CHACHA20-POLY1305'],
    auth: 'SHA256',
    ping: 10,
    pingRestart: 60,
    mssfix: { bytes: 1400, of: 'mtu' },
    redirectGateway: { ipv4: true, ipv6: true, blockLocal: false },
    routes: [
      { network: '10.1.0.0/16', gateway: 'vpn', metric: 50 },
      { network: 'fd00:1::/64', gateway: undefined, metric: undefined },
    ],
    pullFilters: [{ action: 'ignore', text: 'dhcp-option DNS' }],
    dns: { servers: ['10.0.0.1', 'fd00::1', '10.0.0.2'], search: ['corp.example'] },
    staticChallenge: { text: 'Your code?', echo: true },
    environment: [['UV_TEAM', 'blue']],
  } satisfies OpenvpnProfile);
});

test('all mistakes are reported at once, each with its line', () => {
  assert.deepEqual(
    problemsOf(`client
remote vpn.example.com 70000
proto sctp
dev tap0
ca
tls-crypt a.key
tls-crypt-v2 b.key
route 10.0.0.0 255.0.255.0
tun-mtu "15
data-ciphers :
keepalive 10 11
`),
    [
      'error 2 remote: "70000" / a port from 1 to 65535',
      'error 3 proto: "sctp" / udp or tcp, with 4, 6 or -client behind',
      'error 4 dev: "tap0" / dev tun: Culvert carries IP packets, not Ethernet frames',
      'error 5 ca: nothing / a file, or a <ca> block',
      'error 7 tls-crypt-v2: tls-crypt-v2 / one of tls-auth, tls-crypt and tls-crypt-v2; tls-crypt is there',
      'error 8 route: "10.0.0.0 255.0.255.0" / an IPv4 network and its netmask',
      'error 9 tun-mtu: no closing quotation mark (") / words as OpenVPN quotes them',
      'error 10 data-ciphers: ":" / ciphers joined by colons, such as AES-256-GCM:CHACHA20-POLY1305',
      'error 11 keepalive: "10 11" / a second number at least twice the first',
      'error 12 auth-user-pass: nothing / a certificate (cert and key, or pkcs12) or auth-user-pass',
      'warning 12 remote-cert-tls: nothing / remote-cert-tls server, so that no other client of the CA can pose as the server',
    ],
  );
});

test('programs that a profile names are never run, and it is said', () => {
  for (const hook of ['up /tmp/evil.sh', 'route-up "sh -c x"', 'plugin evil.so', 'tls-verify x', 'ipchange x']) {
    const { profile, problems } = parse(`${minimal}${hook}\n`);
    assert.equal(problems.length, 1);
    assert.deepEqual([problems[0]?.severity, problems[0]?.line, problems[0]?.key], ['warning', 7, hook.split(' ')[0]]);
    assert.deepEqual(profile, parse(minimal).profile);
  }
});

test('an unknown directive is a warning with its line, unless the profile says that it may be unknown', () => {
  assert.deepEqual(problemsOf(`${minimal}frobnicate 7\n`), [
    'warning 7 frobnicate: "frobnicate 7" / a directive that OpenVPN knows; it is left out',
  ]);
  assert.deepEqual(problemsOf(`${minimal}ignore-unknown-option frobnicate\nfrobnicate 7\nsetenv opt brandnew 1\n`), []);
  assert.equal(parse(`${minimal}setenv opt tun-mtu 1400\n`).profile.tunMtu, 1400);
});

test('names of object members are unknown directives, not members', () => {
  for (const key of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
    assert.equal(parse(`${minimal}${key} 1\n`).problems[0]?.severity, 'warning');
  }
});

test('connection blocks give remotes with a port and protocol of their own, and replace lone remotes', () => {
  const { profile, problems } = parse(`client
ca ca.crt
auth-user-pass
remote-cert-tls server
proto tcp
remote lone.example.com
<connection>
remote a.example.com 443
proto udp
</connection>
<connection>
remote b.example.com
port 500
tls-crypt other.key
</connection>
`);
  assert.deepEqual(profile.remotes, [
    { host: 'a.example.com', port: 443, protocol: 'udp', family: undefined },
    { host: 'b.example.com', port: 500, protocol: 'tcp', family: undefined },
  ]);
  assert.deepEqual(
    problems.map((p) => [p.severity, p.line, p.key]),
    [
      ['warning', 7, 'connection'],
      ['error', 14, 'tls-crypt'],
    ],
  );
});

test('a block without an end is an error at its beginning', () => {
  assert.deepEqual(problemsOf(`${minimal}<tls-crypt>\nabc\n`), [
    'error 7 tls-crypt: a block that does not end / </tls-crypt>',
  ]);
});

test('line ends of Windows and a byte order mark change nothing', () => {
  const text = `${minimal}<tls-crypt>\nabc\n</tls-crypt>\n`;
  assert.deepEqual(parse(`\uFEFF${text.replaceAll('\n', '\r\n')}`), parse(text));
});

test('words follow the quoting rules of OpenVPN', () => {
  const words = (line: string) => {
    const split = splitLine(line);
    return 'words' in split ? split.words : split.mistake;
  };
  assert.deepEqual(words(String.raw`a "b c" 'd "e\' f\ g "h\"i\\j" # no`), ['a', 'b c', 'd "e\\', 'f g', 'h"i\\j']);
  assert.deepEqual(words('a#b c;d ;e'), ['a#b', 'c;d']);
  assert.deepEqual(words('"" \'\''), ['', '']);
  assert.deepEqual(words('"a"b'), ['a', 'b']);
  assert.deepEqual(words('  # only a comment'), []);
  assert.equal(words(String.raw`a\b`), 'a backslash that protects nothing');
  assert.equal(words("'a"), "no closing quotation mark (')");
  assert.equal(words('x'.repeat(256)), 'a word of more than 255 bytes');
});

test('every word that can be quoted is read back', () => {
  fc.assert(
    fc.property(fc.array(aWord(), { maxLength: 5 }), (all) => {
      assert.deepEqual(splitLine(all.map(quoteWord).join(' ')), { words: all });
    }),
  );
});

test('parsing what was printed gives the same profile, without a problem', () => {
  fc.assert(
    fc.property(aProfile(), (profile) => {
      const { profile: back, problems } = parse(printOpenvpnProfile(profile));
      assert.deepEqual(problems, []);
      assert.deepEqual(back, structuredClone(profile)); // fast-check's records have no prototype
    }),
    { numRuns: 500 },
  );
});

test('no text makes the parser throw, and a profile without errors can be printed', () => {
  const keys = [
    ...new Set(
      `${minimal} proto port dev tls-auth route route-ipv6 dns dhcp-option mssfix <connection> </connection> <ca> </ca> setenv opt`.split(
        /\s+/,
      ),
    ),
  ];
  const anyLine = fc.oneof(
    fc.string(),
    fc
      .tuple(
        fc.constantFrom(...keys),
        fc.array(fc.oneof(fc.string(), fc.constantFrom('1', 'tcp', '10.0.0.1', 'server')), { maxLength: 4 }),
      )
      .map(([key, args]) => [key, ...args].join(' ')),
  );
  fc.assert(
    fc.property(fc.array(anyLine, { maxLength: 12 }), (lines) => {
      const { profile, problems } = parse(lines.join('\n'));
      if (problems.some((p) => p.severity === 'error')) return;
      assert.deepEqual(parse(printOpenvpnProfile(profile)).profile, profile);
    }),
    { numRuns: 500 },
  );
});

test('a hostile profile of a megabyte costs little time and few problems', () => {
  const started = performance.now();
  for (const unit of [
    '<a>\n</a>\n',
    '<connection>\n</connection>\n',
    'route 10.0.0.0\n',
    'x\n',
    '<ca>\n',
    '"\n',
    'remote a\n',
    `setenv A ${'\\\\'.repeat(90)}\n`,
  ]) {
    const { problems } = parse(unit.repeat(Math.floor((1 << 20) / unit.length)));
    assert.ok(problems.length <= 201 && problems.some((p) => p.severity === 'error'), unit);
  }
  assert.match(problemsOf('#'.repeat((1 << 20) + 1)).join(), /at most 1 MiB/);
  assert.ok(performance.now() - started < 10_000, 'linear in its length');
});

test('a value that no line can hold is not printed', () => {
  const { profile } = parse(minimal);
  for (const bad of [
    { ...profile, environment: [['UV_X', 'a\nup /tmp/evil.sh']] as const },
    { ...profile, ca: { kind: 'inline', text: 'x\n</ca>\nup /tmp/evil.sh\n' } as const },
    { ...profile, credentials: { kind: 'inline', username: 'a\nb', password: 'c' } as const },
  ]) {
    assert.throws(() => printOpenvpnProfile(bad), RangeError);
  }
});

function aWord(): fc.Arbitrary<string> {
  const special = fc.string({
    unit: fc.constantFrom('a', ' ', '"', "'", '\\', '#', ';', '\t', 'é', '<', '>'),
    maxLength: 20,
  });
  return fc
    .oneof(fc.string({ maxLength: 40 }), special)
    .filter((s) => !/[\n\r\0]/.test(s) && Buffer.byteLength(s) <= 255);
}

/** Content as the parser hands it out: whole lines, not blank, none that ends the block. */
function aText(): fc.Arbitrary<string> {
  const line = fc.string({ maxLength: 70 }).filter((s) => !/[\r\n\0]/.test(s) && !s.trimStart().startsWith('</'));
  return fc
    .array(line, { minLength: 1, maxLength: 5 })
    .map((lines) => lines.map((l) => `${l}\n`).join(''))
    .filter((text) => text.trim() !== '');
}

function aFile(): fc.Arbitrary<ProfileFile> {
  return fc.oneof(
    aText().map((text) => ({ kind: 'inline', text }) as const),
    aWord()
      .filter((path) => path !== '' && path !== '[inline]')
      .map((path) => ({ kind: 'file', path }) as const),
  );
}

function aProfile(): fc.Arbitrary<OpenvpnProfile> {
  const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
  const upTo = (max: number, min = 0) => maybe(fc.integer({ min, max }));
  const list = <T>(value: fc.Arbitrary<T>) => fc.array(value, { maxLength: 3 });
  const name = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?$/);
  const cipher = fc.constantFrom('AES-256-GCM', 'AES-128-GCM', 'CHACHA20-POLY1305', 'AES-256-CBC');
  const family = fc.constantFrom(4 as const, 6 as const, undefined);
  const line = fc
    .string({ maxLength: 30 })
    .filter((s) => s !== '' && !/[\r\n\0]/.test(s) && !s.trimStart().startsWith('</'));
  const metric = upTo(1000);
  const rest = {
    remotes: fc.array(
      fc.record({
        host: fc.oneof(name, fc.ipV4(), fc.constant('2001:db8::1')),
        port: fc.integer({ min: 1, max: 65_535 }),
        protocol: fc.constantFrom('udp' as const, 'tcp' as const),
        family,
      }),
      { minLength: 1, maxLength: 4 },
    ),
    remoteRandom: fc.boolean(),
    deviceName: maybe(name.filter((n) => !n.startsWith('tap') && n !== 'tun')),
    ca: aFile(),
    extraCertificates: maybe(aFile()),
    pkcs12: maybe(aFile()),
    crl: maybe(aFile()),
    passphraseFile: maybe(aWord()),
    peerFingerprints: list(fc.stringMatching(/^[0-9a-f]{64}$/)),
    remoteCertTls: fc.constant('server' as const),
    serverName: maybe(
      fc.record({
        kind: fc.constantFrom('subject' as const, 'name' as const, 'name-prefix' as const),
        value: aWord().filter((w) => w !== ''),
      }),
    ),
    tlsVersionMin: maybe(fc.constantFrom('1.2' as const, '1.3' as const)),
    tlsVersionMax: maybe(fc.constantFrom('1.2' as const, '1.3' as const)),
    wrap: fc.oneof(
      fc.constant({ kind: 'none' } as const),
      fc.record({
        kind: fc.constant('tls-auth' as const),
        key: aFile(),
        direction: fc.constantFrom(0 as const, 1 as const, undefined),
      }),
      fc.record({ kind: fc.constantFrom('tls-crypt' as const, 'tls-crypt-v2' as const), key: aFile() }),
    ),
    dataCiphers: maybe(fc.uniqueArray(cipher, { minLength: 1 })),
    dataCiphersFallback: maybe(cipher),
    cipher: maybe(cipher),
    auth: maybe(fc.constantFrom('SHA1', 'SHA256', 'RSA-SHA512')),
    compression: maybe(fc.constantFrom('comp-lzo' as const, 'stub' as const, 'stub-v2' as const)),
    authNoCache: fc.boolean(),
    staticChallenge: maybe(fc.record({ text: aWord().filter((w) => w !== ''), echo: fc.boolean() })),
    tunMtu: upTo(65_535, 68),
    mssfix: maybe(
      fc.record({
        bytes: fc.integer({ min: 0, max: 65_535 }),
        of: fc.constantFrom('payload' as const, 'mtu' as const, 'fixed' as const),
      }),
    ),
    ping: upTo(86_400),
    pingRestart: upTo(86_400),
    pingExit: upTo(86_400),
    inactive: upTo(86_400),
    renegotiate: upTo(2_000_000_000),
    handshakeWindow: upTo(3600, 1),
    connectTimeout: upTo(86_400, 1),
    connectRetry: maybe(fc.record({ first: fc.integer({ min: 0, max: 65_535 }), max: upTo(86_400) })),
    connectRetryMax: upTo(1_000_000),
    resolveRetry: maybe(fc.oneof(fc.constant('infinite' as const), fc.nat(1000))),
    float: fc.boolean(),
    explicitExitNotify: upTo(100),
    redirectGateway: maybe(fc.record({ ipv4: fc.boolean(), ipv6: fc.boolean(), blockLocal: fc.boolean() })),
    routes: list(
      fc.oneof(
        fc.record({
          network: fc.constantFrom('10.0.0.0/8', '10.1.2.3/32', '0.0.0.0/0'),
          gateway: fc.constantFrom('vpn', 'net', '192.0.2.1', undefined),
          metric,
        }),
        fc.record({
          network: fc.constantFrom('fd00::/64', '::/0', 'fd00::1/128'),
          gateway: fc.constantFrom('vpn', 'net', 'fd00::1', undefined),
          metric,
        }),
      ),
    ),
    routeNoPull: fc.boolean(),
    pullFilters: list(
      fc.record({ action: fc.constantFrom('accept' as const, 'ignore' as const, 'reject' as const), text: aWord() }),
    ),
    dns: fc.record({
      servers: fc.uniqueArray(fc.oneof(fc.ipV4(), fc.constant('fd00::53')), { maxLength: 3 }),
      search: fc.uniqueArray(name, { maxLength: 3 }),
    }),
    blockOutsideDns: fc.boolean(),
    blockIpv6: fc.boolean(),
    environment: list(fc.tuple(fc.constantFrom('UV_A', 'CLIENT_CERT', 'FRIENDLY_NAME'), aWord())),
  };
  const withCertificate = fc.record({
    ...rest,
    certificate: aFile(),
    privateKey: aFile(),
    credentials: maybe(fc.constant({ kind: 'prompt' } as const)),
  });
  const withPassword = fc.record({
    ...rest,
    certificate: fc.constant(undefined),
    privateKey: fc.constant(undefined),
    credentials: fc.oneof(
      fc.constant({ kind: 'prompt' } as const),
      aWord()
        .filter((w) => w !== '' && w !== 'username-only')
        .map((path) => ({ kind: 'file', path }) as const),
      fc.record({ kind: fc.constant('inline' as const), username: line, password: maybe(line) }),
    ),
  });
  return fc.oneof(withCertificate, withPassword);
}
