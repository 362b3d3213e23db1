import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { config } from '../test/ends.ts';
import { OpenvpnError } from './errors.ts';
import type { PushedConfig } from './face.ts';
import type { Agreement } from './negotiation.ts';
import { PushAssembly } from './push-assembly.ts';
import { decodePush } from './push-decode.ts';
import { chunkPush, pushOptions } from './push-encode.ts';

const agreement: Agreement = {
  cipher: 'AES-256-GCM',
  pushCipher: true,
  features: { dataV2: true, tlsKeyExport: true, controlExit: true, dynamicTlsCrypt: true },
};

function push(pushed: PushedConfig, changes: Partial<Parameters<typeof pushOptions>[0]> = {}): string[] {
  return pushOptions({ config: pushed, agreement, peerId: 3, maxMtu: 1_600, compression: false, ...changes });
}

function assemble(messages: readonly string[]): readonly string[] {
  const assembly = new PushAssembly();
  for (const message of messages) {
    const options = assembly.take(message);
    if (options !== 'more' && options !== 'tooLong') return options;
  }
  throw new Error('the last message did not complete the push');
}

const octet = fc.integer({ min: 0, max: 255 });
const ipv4Route = fc.tuple(octet, octet).map(([a, b]) => `10.${a}.${b}.0/24`);
const ipv6Route = fc.integer({ min: 1, max: 0xffff }).map((n) => `fd00:${n.toString(16)}::/64`);

test('what a server pushes is what a client takes', () => {
  const configs = fc.record(
    {
      ipv4: fc.option(
        octet.map((n) => ({ address: `10.8.${n}.2`, prefix: 16, gateway: '10.8.0.1' })),
        { nil: undefined },
      ),
      ipv6: fc.constant({ address: 'fd00:8::2', prefix: 64, gateway: 'fd00:8::1' }),
      mtu: fc.integer({ min: 576, max: 1_600 }),
      routes: fc
        .tuple(fc.uniqueArray(ipv4Route, { maxLength: 80 }), fc.uniqueArray(ipv6Route, { maxLength: 80 }))
        .map(([a, b]) => [...a, ...b]),
      redirect: fc.record({ ipv4: fc.boolean(), ipv6: fc.boolean() }, { noNullPrototype: true }),
      dns: fc.record(
        {
          servers: fc.uniqueArray(fc.constantFrom('192.0.2.53', 'fd00::53', '9.9.9.9'), { maxLength: 3 }),
          search: fc.uniqueArray(fc.constantFrom('office.example', 'lab.example'), { maxLength: 2 }),
        },
        { noNullPrototype: true },
      ),
      networksBehind: fc.constant([]),
      keepalive: fc.constant({ interval: 10_000, timeout: 60_000 }),
      idleTimeout: fc.constant(undefined),
      sessionTimeout: fc.constant(undefined),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(configs, (wanted) => {
      const messages = chunkPush(push(wanted));
      for (const message of messages) assert.ok(message.length + 1 <= 1_024 && message.startsWith('PUSH_REPLY,'));
      const got = decodePush(assemble(messages), 1_600);
      assert.deepEqual(got.config, wanted);
      assert.deepEqual(got.notes, []);
      assert.deepEqual([got.cipher, got.peerId, got.refuse], ['AES-256-GCM', 3, undefined]);
      assert.deepEqual(got.flags, { controlExit: true, tlsKeyExport: true, dynamicTlsCrypt: true });
    }),
  );
});

test('a long push goes over several messages with their continuation marks', () => {
  const routes = Array.from({ length: 60 }, (_, n) => `10.1.${n}.0/24`);
  const messages = chunkPush(push({ ...config, routes }));
  assert.ok(messages.length > 1);
  const marks = messages.map((message) => /push-continuation (\d)$/.exec(message)?.[1]);
  assert.deepEqual(marks, [...new Array<string>(messages.length - 1).fill('2'), '1']);
});

test('an option that holds a comma or does not fit is an error of the caller', () => {
  assert.throws(() => chunkPush(['dhcp-option DOMAIN a,b']), OpenvpnError);
  assert.throws(() => chunkPush([`route ${'x'.repeat(1_000)}`]), OpenvpnError);
  assert.throws(() => chunkPush(['dhcp-option DOMAIN a\nb']), OpenvpnError);
});

test('an IPv6 network that OpenVPN does not take for a device is told as one that it takes, and a route', () => {
  const ipv6Of = (prefix: number) =>
    push({ ...config, routes: [], ipv6: { address: 'fd00::2', prefix, gateway: 'fd00::1' } }).filter((option) =>
      /^ifconfig-ipv6|^route-ipv6 fd00:/.test(option),
    );
  assert.deepEqual(ipv6Of(64), ['ifconfig-ipv6 fd00::2/64 fd00::1']);
  assert.deepEqual(ipv6Of(56), ['ifconfig-ipv6 fd00::2/64 fd00::1', 'route-ipv6 fd00::/56']);
  assert.deepEqual(ipv6Of(126), ['ifconfig-ipv6 fd00::2/124 fd00::1']);
});

test('a client without cc-exit is told of the exporter by key-derivation, one without the exporter of nothing', () => {
  const flags = (features: Partial<Agreement['features']>) =>
    push(config, { agreement: { ...agreement, features: { ...agreement.features, ...features } } }).filter((option) =>
      /^(protocol-flags|key-derivation)/.test(option),
    );
  assert.deepEqual(flags({}), ['protocol-flags cc-exit tls-ekm dyn-tls-crypt']);
  assert.deepEqual(flags({ controlExit: false, dynamicTlsCrypt: false }), ['key-derivation tls-ekm']);
  assert.deepEqual(flags({ controlExit: false, tlsKeyExport: false, dynamicTlsCrypt: false }), []);
});

test('the push of an OpenVPN 2.6 server is taken as it is meant', () => {
  const text =
    'PUSH_REPLY,route 192.168.5.0 255.255.255.0,route 192.168.6.7,dhcp-option DNS 9.9.9.9,redirect-gateway def1,tun-ipv6,' +
    'route-gateway 10.77.0.1,topology subnet,ping 2,ping-restart 10,ifconfig-ipv6 fd77::1000/64 fd77::1,' +
    'ifconfig 10.77.0.2 255.255.255.0,peer-id 0,cipher AES-256-GCM,protocol-flags cc-exit tls-ekm dyn-tls-crypt,tun-mtu 1500';
  const { config: got, notes } = decodePush(assemble([text]), 1_600);
  assert.deepEqual(notes, []);
  assert.deepEqual(got.ipv4, { address: '10.77.0.2', prefix: 24, gateway: '10.77.0.1' });
  assert.deepEqual(got.routes, ['192.168.5.0/24', '192.168.6.7/32']);
  assert.deepEqual(got.redirect, { ipv4: true, ipv6: false });
  assert.deepEqual(got.keepalive, { interval: 2_000, timeout: 10_000 });
});

test('net30 and p2p give the peer as gateway', () => {
  const ipv4 = (options: readonly string[]) => decodePush(options, 1_600).config.ipv4;
  assert.deepEqual(ipv4(['topology net30', 'ifconfig 10.8.0.6 10.8.0.5']), {
    address: '10.8.0.6',
    prefix: 30,
    gateway: '10.8.0.5',
  });
  assert.deepEqual(ipv4(['topology p2p', 'ifconfig 10.8.0.6 10.8.0.1']), {
    address: '10.8.0.6',
    prefix: 32,
    gateway: '10.8.0.1',
  });
});

test('`dns` options replace dhcp-options, in order of their priority', () => {
  const { config: got } = decodePush(
    [
      'ifconfig 10.8.0.2 255.255.255.0',
      'dhcp-option DNS 192.0.2.1',
      'dns server 2 address [fd00::53]:53',
      'dns server 1 address 9.9.9.9 192.0.2.9:53',
      'dns search-domains office.example lab.example.',
    ],
    1_600,
  );
  assert.deepEqual(got.dns, {
    servers: ['9.9.9.9', '192.0.2.9', 'fd00::53'],
    search: ['office.example', 'lab.example'],
  });
});

test('nothing that a server pushes is executed or taken on trust: the rest is named', () => {
  const { config: got, notes } = decodePush(
    [
      'ifconfig 10.8.0.2 255.255.255.0',
      'up /bin/sh',
      'script-security 3',
      '__proto__ x',
      'constructor x',
      'route 1.2.3.4 255.255.255.255 net_gateway',
      'route evil.example',
      'dhcp-option DNS not-an-address',
      'dhcp-option DOMAIN $(reboot)',
      'dhcp-option PROXY_HTTP 1.2.3.4 80',
      'tun-mtu 0',
      'peer-id 16777216',
    ],
    1_600,
  );
  assert.deepEqual(got.routes, []);
  assert.deepEqual(got.dns, { servers: [], search: [] });
  assert.equal(got.mtu, 1_500);
  assert.equal(notes.length, 11);
});

test('compression, epoch keys and a missing address are reasons to refuse', () => {
  const refuse = (...options: string[]) => decodePush(options, 1_600).refuse;
  const address = 'ifconfig 10.8.0.2 255.255.255.0';
  assert.match(refuse(address, 'compress lz4-v2') ?? '', /compression \(lz4-v2\)/);
  assert.match(refuse(address, 'comp-lzo yes') ?? '', /compression/);
  assert.match(refuse(address, 'protocol-flags aead-epoch') ?? '', /epoch/);
  assert.match(refuse('topology subnet') ?? '', /no address/);
  assert.equal(decodePush([address, 'compress stub-v2'], 1_600).compression, 'stub-v2');
  assert.equal(decodePush([address, 'comp-lzo no'], 1_600).compression, 'lzo-framing');
});

test('what a server can make a client hold is bounded', () => {
  const many = Array.from({ length: 10_000 }, (_, n) => `route 10.${n >> 8}.${n & 255}.0 255.255.255.0`);
  const { config: got, notes } = decodePush(['ifconfig 10.8.0.2 255.255.255.0', ...many], 1_600);
  assert.equal(got.routes.length, 2_048);
  assert.ok(notes.length >= 1 && notes.length <= 32);
  const assembly = new PushAssembly();
  let answer: ReturnType<PushAssembly['take']> = 'more';
  for (let n = 0; n < 1_000 && answer === 'more'; n++)
    answer = assembly.take(`PUSH_REPLY,${'x'.repeat(1_000)},push-continuation 2`);
  assert.equal(answer, 'tooLong');
});

test('any options are digested without an error', () => {
  const word = fc.oneof(
    fc.constantFrom(
      'route',
      'ifconfig',
      'ifconfig-ipv6',
      'dns',
      'server',
      'address',
      'dhcp-option',
      'DNS',
      'topology',
      'peer-id',
      '255.255.255.0',
      '10.0.0.1',
      'fd00::1/64',
      '[',
      '1:2:53',
    ),
    fc.string({ maxLength: 12 }),
  );
  const option = fc.array(word, { maxLength: 6 }).map((words) => words.join(' '));
  fc.assert(
    fc.property(fc.array(option, { maxLength: 20 }), (options) => {
      decodePush(options, 1_600);
    }),
    { numRuns: 500 },
  );
});
