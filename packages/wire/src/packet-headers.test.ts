import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fragment, PacketHeaders } from './packet-headers.ts';

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

const udp = '1389 0035 000c 0000 61626364';
const tcp = '1389 01bb 00000001 00000002 5012 ffff 0000 0000';
const address = (last: string) => `fd00000000000000 00000000000000${last}`;

function ipv4(upper: string, { protocol = '11', flags = '4000', options = '' } = {}): Uint8Array {
  const payload = hex(upper);
  const head = hex(`45 00 0000 1234 ${flags} 40 ${protocol} 0000 0a080002 c0a80a01 ${options}`);
  head[0] = 0x40 | (head.length / 4);
  const packet = Uint8Array.of(...head, ...payload);
  viewOf(packet).setUint16(2, packet.length);
  return packet;
}

/** `rest`: everything behind the fixed header. */
function ipv6(next: string, rest: string): Uint8Array {
  const packet = hex(`60000000 0000 ${next} 40 ${address('02')} ${address('01')} ${rest}`);
  viewOf(packet).setUint16(4, packet.length - 40);
  return packet;
}

function read(packet: Uint8Array): PacketHeaders {
  const h = new PacketHeaders();
  assert.ok(h.read(viewOf(packet), 0, packet.length));
  return h;
}

test('an IPv4 UDP packet is read to its ports', () => {
  const h = read(ipv4(udp));
  assert.deepEqual([h.version, h.protocol, h.hopLimit, h.length], [4, 17, 64, 32]);
  assert.deepEqual([h.source0, h.destination0 >>> 0], [0x0a08_0002, 0xc0a8_0a01]);
  assert.deepEqual([h.sourcePort, h.destinationPort], [5001, 53]);
  assert.ok(h.legible && h.dontFragment && !h.opaque && h.fragment === Fragment.none);
});

test('IPv4 options are stepped over', () => {
  const h = read(ipv4(udp, { options: '94040000' }));
  assert.deepEqual([h.upperAt, h.upperLength, h.destinationPort], [24, 12, 53]);
});

test('bytes behind the declared length are padding', () => {
  const packet = Uint8Array.of(...ipv4(udp), 0, 0, 0);
  const h = read(packet);
  assert.deepEqual([h.length, h.upperLength], [32, 12]);
});

test('TCP flags are read', () => {
  const h = read(ipv6('06', tcp));
  assert.deepEqual([h.sourcePort, h.destinationPort, h.tcpFlags], [5001, 443, 0x12]);
});

test('an echo shows its identifier as its source port, other ICMP shows none', () => {
  assert.equal(read(ipv4('0800 0000 4242 0001', { protocol: '01' })).sourcePort, 0x4242);
  assert.equal(read(ipv6('3a', '8100 0000 4343 0001')).sourcePort, 0x4343);
  const unreachable = read(ipv4('0303 0000 4242 0001', { protocol: '01' }));
  assert.deepEqual([unreachable.icmpType, unreachable.icmpCode, unreachable.sourcePort], [3, 3, 0]);
  assert.equal(read(ipv4('8000 0000 4343 0001', { protocol: '3a' })).sourcePort, 0, 'ICMPv6 in IPv4 is any protocol');
});

test('IPv6 extension headers are walked to the upper layer', () => {
  const h = read(ipv6('00', `2b00 000000000000 3c00 000000000000 1101 0000000000000000000000000000 ${udp}`));
  assert.deepEqual([h.protocol, h.upperAt, h.destinationPort], [17, 40 + 8 + 8 + 16, 53]);
  assert.ok(h.legible && !h.opaque);
});

test('a chain of headers without end, cut short or unknown is opaque and shows no ports', () => {
  const nine = '3c00 000000000000 '.repeat(9);
  for (const [packet, why] of [
    [ipv6('3c', `${nine} 1100 000000000000 ${udp}`), 'too many'],
    [ipv6('3c', '1105 0000'), 'longer than the packet'],
    [ipv6('3c', ''), 'absent'],
    [ipv6('3c', '11'), 'half of one'],
    [ipv6('87', `1100 000000000000 ${udp}`), 'mobility'],
    [ipv6('33', `1104 ${'00'.repeat(22)} ${udp}`), 'authentication'],
    [ipv6('fd', udp), 'experimental'],
    [ipv6('2c', `2c00 0001 00000001 1100 0001 00000001 ${udp}`), 'fragment in fragment'],
    [ipv4(udp, { protocol: '33' }), 'authentication in IPv4'],
  ] as const) {
    const h = read(packet);
    assert.ok(h.opaque && !h.legible, why);
    assert.deepEqual([h.sourcePort, h.destinationPort], [0, 0], why);
  }
});

test('first and later fragments are told apart, and only the first shows ports', () => {
  const first = read(ipv4(udp, { flags: '2000' }));
  assert.deepEqual([first.fragment, first.fragmentId, first.destinationPort], [Fragment.first, 0x1234, 53]);
  const later = read(ipv4(udp, { flags: '0001' }));
  assert.deepEqual([later.fragment, later.legible, later.destinationPort], [Fragment.later, false, 0]);
  const first6 = read(ipv6('2c', `1100 0001 deadbeef ${udp}`));
  assert.deepEqual([first6.fragment, first6.fragmentId >>> 0, first6.destinationPort], [1, 0xdead_beef, 53]);
  const later6 = read(ipv6('2c', `1100 0009 deadbeef ${udp}`));
  assert.deepEqual([later6.fragment, later6.protocol, later6.legible], [Fragment.later, 17, false]);
  const last6 = read(ipv6('2c', `1100 0008 deadbeef ${udp}`));
  assert.equal(last6.fragment, Fragment.later);
});

test('a fragment that is the whole packet is no fragment', () => {
  const h = read(ipv6('2c', `1100 0000 deadbeef ${udp}`));
  assert.deepEqual([h.fragment, h.legible, h.destinationPort], [Fragment.none, true, 53]);
});

test('an upper-layer header that is cut short is not legible', () => {
  for (const packet of [
    ipv4('1389 0035 0000', { protocol: '11' }),
    ipv4('1389 0035 00000001 00000002 5012 ffff 0000', { protocol: '06' }),
    ipv4('1389 0035 00000001 00000002 4012 ffff 0000 0000', { protocol: '06' }),
    ipv4('1389 0035 00000001 00000002 6012 ffff 0000 0000', { protocol: '06' }),
    ipv4('0800 0000 4242', { protocol: '01' }),
  ]) {
    const h = read(packet);
    assert.deepEqual([h.legible, h.opaque, h.sourcePort], [false, false, 0]);
  }
});

test('what is no whole packet is refused', () => {
  const whole = ipv4(udp);
  const h = new PacketHeaders();
  const refused = (bytes: Uint8Array) => assert.equal(h.read(viewOf(bytes), 0, bytes.length), false);
  refused(new Uint8Array(0));
  refused(whole.subarray(0, 19));
  refused(whole.subarray(0, 31));
  refused(Uint8Array.of(0x44, ...whole.subarray(1)));
  refused(Uint8Array.of(0x55, ...whole.subarray(1)));
  refused(ipv6('11', udp).subarray(0, 50));
  refused(ipv6('3b', '').subarray(0, 39));
});

test('a quoted packet may end behind 8 bytes of its upper layer', () => {
  const h = new PacketHeaders();
  for (const [packet, header] of [
    [ipv4(tcp, { protocol: '06' }), 20],
    [ipv6('06', tcp), 40],
  ] as const) {
    assert.equal(h.read(viewOf(packet), 0, header + 8), false);
    assert.ok(h.readQuoted(viewOf(packet), 0, header + 8));
    assert.deepEqual([h.legible, h.sourcePort, h.destinationPort], [true, 5001, 443]);
    assert.ok(h.readQuoted(viewOf(packet), 0, header + 7));
    assert.equal(h.legible, false);
  }
});

test('no bytes send the reader out of the packet, and it never throws', () => {
  const h = new PacketHeaders();
  const start = fc.constantFrom(
    ipv4(udp),
    ipv4(tcp, { protocol: '06' }),
    ipv6('00', `2c00 000000000000 1100 0001 00000007 ${udp}`),
  );
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array({ maxLength: 100 }), start),
      fc.array(fc.tuple(fc.nat(99), fc.nat(255)), { maxLength: 4 }),
      fc.nat(100),
      fc.boolean(),
      (bytes, changes, length, quoted) => {
        const packet = bytes.slice(0, length);
        for (const [at, value] of changes) if (at < packet.length) packet[at] = value;
        const readable = quoted
          ? h.readQuoted(viewOf(packet), 0, packet.length)
          : h.read(viewOf(packet), 0, packet.length);
        if (!readable) return;
        assert.ok(h.upperAt >= 20 && h.upperLength >= 0 && h.upperAt + h.upperLength <= packet.length);
        if (!quoted) assert.ok(h.length <= packet.length);
      },
    ),
    { numRuns: 2000 },
  );
});
