import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '@culvert/base';
import { formatAddress } from '@culvert/wire';
import fc from 'fast-check';
import { bytes } from '../../test/hex.ts';
import { RouterAdvertiser } from './advertiser.ts';
import { AddressConfiguration } from './host.ts';
import {
  type Advertisement,
  decodeAdvertisement,
  decodeSolicitation,
  encodeAdvertisement,
  encodeSolicitation,
  isRouterMessage,
  linkLocal,
  type Prefix,
} from './message.ts';

const now = 1_000 as Instant;
const routerId = bytes('0000000000000001');
const hostId = bytes('e46bb66e8d8c76a6');
const advertisement: Advertisement = {
  lifetime: 1_800,
  prefixes: [
    { prefix: bytes('fd00009900000007 0000000000000000'), bits: 64, valid: 7_200, preferred: 3_600, autonomous: true },
  ],
  mtu: 1_396,
  nameServers: [bytes('fd000099000000000000000000000053')],
};

/** Laid out by hand after RFC 4861, section 4.1; the checksum was worked out apart. */
const solicitation = bytes(
  '6000000000083aff' + 'fe80000000000000e46bb66e8d8c76a6' + 'ff020000000000000000000000000002' + '8500de2900000000',
);

test('a solicitation is laid out as the RFC draws it, and read', () => {
  const made = encodeSolicitation(linkLocal(hostId));
  assert.deepEqual(made, solicitation);
  assert.equal(formatAddress(decodeSolicitation(made) ?? bytes('')), 'fe80::e46b:b66e:8d8c:76a6');
});

test('an advertisement survives', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 65_535 }),
      fc.option(fc.integer({ min: 0, max: 0xffff_ffff }), { nil: undefined }),
      fc.array(fc.uint8Array({ minLength: 16, maxLength: 16 }), { maxLength: 4 }),
      (lifetime, mtu, nameServers) => {
        const sent = { ...advertisement, lifetime, mtu, nameServers };
        const packet = encodeAdvertisement(linkLocal(routerId), sent);
        assert.ok(isRouterMessage(packet, 0, packet.length));
        assert.deepEqual(decodeAdvertisement(packet), { router: linkLocal(routerId), advertisement: sent });
      },
    ),
  );
});

test('a message that a router or host must not believe is none', () => {
  const packet = encodeAdvertisement(linkLocal(routerId), advertisement);
  const changes: Record<string, (copy: Uint8Array) => void> = {
    'from farther away (hop limit)': (copy) => (copy[7] = 64),
    'a broken checksum': (copy) => (copy[60] = (copy[60] ?? 0) ^ 1),
    'another code': (copy) => (copy[41] = 1),
    'a payload longer than the packet': (copy) => (copy[5] = (copy[5] ?? 0) + 8),
    'not from the link': (copy) => (copy[8] = 0x20),
  };
  for (const [name, change] of Object.entries(changes)) {
    const copy = packet.slice();
    change(copy);
    assert.equal(decodeAdvertisement(copy), undefined, name);
  }
  for (let length = 0; length < packet.length; length++)
    assert.equal(decodeAdvertisement(packet.subarray(0, length)), undefined);
});

test('any bytes are read or not, without an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
      const packet = Uint8Array.of(...encodeSolicitation(linkLocal(hostId)).subarray(0, 40), ...tail);
      packet[40] = 134;
      decodeAdvertisement(packet);
      decodeSolicitation(packet);
      isRouterMessage(tail, 0, tail.length);
    }),
  );
});

test('an option without length ends the reading', () => {
  const packet = encodeAdvertisement(linkLocal(routerId), { ...advertisement, mtu: undefined, nameServers: [] });
  packet[57] = 0;
  assert.equal(decodeAdvertisement(packet), undefined);
});

test('a host asks three times, and makes its address of the prefix', () => {
  const host = new AddressConfiguration(linkLocal(hostId), now);
  let asked = 0;
  for (let at: Instant | undefined = now; at !== undefined; at = host.pollTimeout()) {
    host.handleTimeout(at);
    while (host.pollPacket()) asked++;
  }
  assert.equal(asked, 3);
  host.handlePacket(encodeAdvertisement(linkLocal(routerId), advertisement));
  assert.equal(formatAddress(host.config?.address ?? bytes('')), 'fd00:99:0:7:e46b:b66e:8d8c:76a6');
  assert.equal(host.config?.mtu, 1_396);
});

test('a peer that is a host too and asks for routers breaks nothing', () => {
  const host = new AddressConfiguration(linkLocal(hostId), now);
  host.handlePacket(encodeSolicitation(linkLocal(routerId)));
  assert.equal(host.stats.malformed, 0);
  host.handlePacket(encodeSolicitation(linkLocal(routerId)).subarray(0, 47));
  assert.equal(host.stats.malformed, 1);
});

test('a host takes no prefix that is none, and no MTU below 1,280', () => {
  const [prefix] = advertisement.prefixes;
  assert.ok(prefix);
  const useless = [
    { ...prefix, bits: 56 },
    { ...prefix, autonomous: false },
    { ...prefix, valid: 0 },
    { ...prefix, prefix: bytes('fe800000000000000000000000000000') },
    { ...prefix, prefix: bytes('ff020000000000000000000000000000') },
    { ...prefix, prefix: new Uint8Array(16) },
  ];
  const host = new AddressConfiguration(linkLocal(hostId), now);
  for (const one of useless) {
    host.handlePacket(encodeAdvertisement(linkLocal(routerId), { ...advertisement, prefixes: [one] }));
    assert.equal(host.config, undefined);
  }
  host.handlePacket(encodeAdvertisement(linkLocal(routerId), { ...advertisement, mtu: 576 }));
  assert.equal(host.config?.mtu, undefined);
});

test('a host gives up the prefix that its router takes back, and no other', () => {
  const [prefix] = advertisement.prefixes;
  assert.ok(prefix);
  const host = new AddressConfiguration(linkLocal(hostId), now);
  const tell = (...prefixes: Prefix[]) => {
    host.handlePacket(encodeAdvertisement(linkLocal(routerId), { ...advertisement, prefixes }));
    return host.config && formatAddress(host.config.address);
  };
  const other = { ...prefix, prefix: bytes('fd00009900000008 0000000000000000') };
  const own = 'fd00:99:0:7:e46b:b66e:8d8c:76a6';
  assert.equal(tell(prefix), own);
  assert.equal(tell({ ...other, valid: 0 }), own);
  assert.equal(tell({ ...prefix, valid: 0, autonomous: false }), own, 'not of those that hosts make addresses of');
  assert.equal(tell({ ...prefix, preferred: 0 }), own);
  assert.equal(tell(), own, 'what is not named stays');
  assert.equal(tell({ ...prefix, valid: 0 }), undefined);
  assert.equal(tell(prefix), own);
  assert.equal(tell({ ...prefix, valid: 0 }, other), 'fd00:99:0:8:e46b:b66e:8d8c:76a6', 'another takes its place');
});

test('a router tells its prefix by itself, and answers each question but a flood', () => {
  const router = new RouterAdvertiser(linkLocal(routerId), advertisement, now);
  const sent = (): number => {
    let count = 0;
    while (router.pollPacket()) count++;
    return count;
  };
  assert.equal(sent(), 1);
  const question = encodeSolicitation(linkLocal(hostId));
  for (let n = 0; n < 50; n++) router.handlePacket(question, (now + n * 10) as Instant);
  assert.equal(sent(), 1);
  router.handlePacket(question, (now + 600) as Instant);
  assert.equal(sent(), 1);
  const distances: number[] = [];
  let last = now;
  for (let n = 0; n < 4; n++) {
    const at = router.pollTimeout();
    router.handleTimeout(at);
    distances.push(at - last);
    last = at;
    assert.equal(sent(), 1);
  }
  assert.deepEqual(distances, [16_000, 16_000, 600_000, 600_000]);
  router.handlePacket(bytes('60'), now);
  assert.equal(router.stats.malformed, 1);
});
