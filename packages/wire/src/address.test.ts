import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressAt,
  contains,
  formatAddress,
  formatNetwork,
  netmask,
  networkOf,
  parseAddress,
  parseNetwork,
  prefixOfNetmask,
} from './address.ts';

const ipv4Bytes = fc.uint8Array({ minLength: 4, maxLength: 4 });
/** Zeros are frequent, so that runs of them are. */
const ipv6Bytes = fc
  .array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 })
  .map((all) => Uint8Array.from(all));
const bytes = fc.oneof(ipv4Bytes, ipv6Bytes);

test('an address is the same after it was written and read', () => {
  fc.assert(fc.property(bytes, (b) => assert.deepEqual(parseAddress(formatAddress(b)).bytes, b)));
});

test('IPv6 addresses are spelled as RFC 5952 and the platform spell them', () => {
  fc.assert(
    fc.property(ipv6Bytes, (b) => {
      const text = formatAddress(b);
      assert.ok(isIPv6(text));
      // WHATWG URL serializes IPv6 hosts by the same rules.
      assert.equal(new URL(`http://[${text}]`).hostname, `[${text}]`);
    }),
  );
  for (const [long, short] of [
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['FE80::A', 'fe80::a'],
  ] as const) {
    assert.equal(formatAddress(parseAddress(long)), short);
  }
});

test('what is not quite an address is refused', () => {
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4.',
    ' 1.2.3.4',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    ':::',
    '12345::',
    'fe80::1%eth0',
    '::1.2.3',
    '1.2.3.4::',
    '1:2:3:4:5:6:7::8:9',
  ]) {
    assert.throws(() => parseAddress(text), { code: 'CULVERT_WIRE_ADDRESS' }, text);
  }
});

test('a network holds its own addresses and no others', () => {
  fc.assert(
    fc.property(bytes, fc.nat(128), fc.nat(127), (b, prefixSeed, bitSeed) => {
      const bits = b.length * 8;
      const prefix = prefixSeed % (bits + 1);
      const network = networkOf({ version: bits === 32 ? 4 : 6, bytes: b }, prefix);
      assert.ok(contains(network, { version: network.address.version, bytes: b }));
      const flipped = b.slice();
      const bit = bitSeed % bits;
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
      assert.equal(contains(network, { version: network.address.version, bytes: flipped }), bit >= prefix);
      assert.deepEqual(parseNetwork(formatNetwork(network)), network);
    }),
  );
});

test('a network with host bits set is refused, and the message names the right one', () => {
  assert.throws(() => parseNetwork('10.8.0.1/24'), /the network is 10\.8\.0\.0\/24/);
  for (const text of ['10.8.0.0/33', 'fd00::/129', '10.8.0.0/', '10.8.0.0/-1', '10.8.0.0/8/8', '10.8.0.0/1e1']) {
    assert.throws(() => parseNetwork(text), { code: 'CULVERT_WIRE_ADDRESS' }, text);
  }
});

test('addresses of a network are counted from its first to its last', () => {
  const network = parseNetwork('10.8.1.0/24');
  assert.equal(formatAddress(addressAt(network, 255n)), '10.8.1.255');
  assert.throws(() => addressAt(network, 256n), RangeError);
  assert.throws(() => addressAt(network, -1n), RangeError);
  assert.equal(formatAddress(addressAt(parseNetwork('fd00::/64'), 0x1_0002n)), 'fd00::1:2');
});

test('netmasks and prefixes are each other’s inverse, and a mask with holes has no prefix', () => {
  for (let prefix = 0; prefix <= 32; prefix++) assert.equal(prefixOfNetmask(netmask(prefix)), prefix);
  assert.equal(netmask(22), '255.255.252.0');
  assert.equal(prefixOfNetmask('255.0.255.0'), undefined);
});
