import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import { WireError } from '@culvert/wire';
import fc from 'fast-check';
import { datagrams, plain } from '../../../test/strongswan.ts';
import { Exchange, Flag, type Header } from './header.ts';
import { decodeMessage, encodeEncrypted, encodeMessage } from './message.ts';
import { decodePayloads, encodePayloadBody, encodePayloads, type Payload, PayloadType } from './payload.ts';

const ipv4 = (...bytes: number[]) => Uint8Array.from(bytes);
const first = { mm5: 5, mm6: 5, qm1: 8, qm2: 8, qm3: 8 } as const;

test('what strongSwan sends is read, field by field', () => {
  const message = decodeMessage(datagrams.mm1);
  assert.ok(message.kind === 'clear');
  assert.equal(message.header.exchange, Exchange.identityProtection);
  assert.deepEqual([...message.header.responderCookie], [0, 0, 0, 0, 0, 0, 0, 0]);
  const [sa, ...vendorIds] = message.payloads;
  assert.ok(sa?.kind === 'securityAssociation');
  assert.deepEqual(sa.proposals, [
    {
      number: 1,
      protocol: 1,
      spi: new Uint8Array(),
      transforms: [
        {
          number: 1,
          id: 1,
          attributes: [
            { type: 1, value: 7 },
            { type: 14, value: 256 },
            { type: 2, value: 2 },
            { type: 4, value: 14 },
            { type: 3, value: 1 },
            { type: 11, value: 1 },
            { type: 12, value: 15_840 },
          ],
        },
      ],
    },
  ]);
  assert.deepEqual(
    vendorIds.map(({ kind }) => kind),
    Array(5).fill('vendorId'),
  );
  const { payloads } = decodePayloads(first.mm5, plain.mm5);
  assert.deepEqual(
    { ...payloads[0], body: 0 },
    {
      kind: 'identification',
      type: 1,
      protocol: 0,
      port: 0,
      data: ipv4(198, 51, 100, 3),
      body: 0,
    },
  );
  const quick = decodePayloads(first.qm2, plain.qm2);
  assert.deepEqual(
    quick.payloads.map(({ kind }) => kind),
    ['hash', 'securityAssociation', 'nonce', 'identification', 'identification'],
  );
  assert.equal(quick.afterFirst.length, 172 - 28 - 24 - 8, 'the padding of 8 is no part of what HASH(2) covers');
});

test('what was decoded is encoded again byte for byte', () => {
  for (const name of ['mm1', 'mm2', 'mm3', 'mm4'] as const) {
    const message = decodeMessage(datagrams[name]);
    assert.ok(message.kind === 'clear', name);
    assert.deepEqual(encodeMessage(message.header, message.payloads), datagrams[name], name);
    for (const payload of message.payloads) assert.deepEqual(encodePayloadBody(payload), payload.body, name);
  }
  for (const name of ['mm5', 'qm1', 'qm3'] as const) {
    assert.deepEqual(encodePayloads(decodePayloads(first[name], plain[name]).payloads), {
      first: first[name],
      bytes: plain[name],
    });
  }
  for (const name of ['mm5', 'mm6', 'qm1', 'qm2', 'qm3', 'deleteEsp', 'deleteIsakmp'] as const) {
    const message = decodeMessage(datagrams[name]);
    assert.ok(message.kind === 'encrypted', name);
    const { header, ciphertext } = message;
    assert.deepEqual(encodeEncrypted(header, header.nextPayload, ciphertext), datagrams[name], name);
  }
});

test('a message that is cut at any byte is refused by name', () => {
  for (const [name, datagram] of Object.entries(datagrams)) {
    for (let length = 0; length < datagram.length; length++) {
      assert.throws(() => decodeMessage(datagram.slice(0, length)), WireError, `${name} cut at ${length}`);
    }
  }
  for (const [name, type] of Object.entries(first)) {
    const bytes = plain[name as keyof typeof first];
    const { payloads } = decodePayloads(type, bytes);
    const used = payloads.reduce((sum, { body }) => sum + body.length + 4, 0);
    for (let length = 0; length < used; length++) {
      assert.throws(() => decodePayloads(type, bytes.slice(0, length)), WireError, `${name} cut at ${length}`);
    }
  }
});

test('bytes behind the declared length, padding of any value and reserved bits are tolerated, unknown payloads skipped', () => {
  const longer = Uint8Array.of(...datagrams.mm2, 1, 2, 3);
  assert.equal(decodeMessage(longer).kind, 'clear');
  const chain = Uint8Array.of(
    99,
    0xff,
    0,
    12,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    8,
    0x80,
    0,
    5,
    42,
    0,
    0xff,
    0,
    6,
    1,
    2,
    0xee,
    0xee,
  );
  const { payloads, skipped, afterFirst } = decodePayloads(PayloadType.nonce, chain);
  assert.deepEqual(
    payloads.map(({ kind, body }) => [kind, [...body]]),
    [
      ['nonce', [1, 2, 3, 4, 5, 6, 7, 8]],
      ['hash', [1, 2]],
    ],
  );
  assert.deepEqual(skipped, [99]);
  assert.deepEqual(afterFirst, chain.subarray(12, 23));
});

const refusals: readonly [string, Uint8Array, RegExp][] = [
  ['IKEv2', patched(datagrams.mm1, 17, 0x20), /ISAKMP version 2/],
  ['a length below the header', patched(datagrams.mm1, 27, 27, 26, 0), /ISAKMP length 27/],
  ['a length beyond the datagram', patched(datagrams.mm1, 25, 1), /ISAKMP length 65716, 180 bytes came/],
  ['a payload of three bytes', patched(datagrams.mm1, 31, 3), /payload 1: length 3/],
  ['another DOI', patched(datagrams.mm1, 35, 2), /SA: DOI 2/],
  ['a situation with secrecy labels', patched(datagrams.mm1, 39, 3), /SA: situation 3/],
  ['a wrong number of transforms', patched(datagrams.mm1, 47, 2), /says 2 transforms and has 1/],
  ['a transform where a proposal belongs', patched(datagrams.mm1, 40, 3), /3 follows a proposal/],
];

for (const [what, bytes, message] of refusals) {
  test(`${what} is refused`, () => assert.throws(() => decodeMessage(bytes), { name: 'WireError', message }));
}

test('counts are bounded: payloads, SPIs, attributes, nonces', () => {
  const many = new Uint8Array(65 * 4);
  for (let n = 0; n < 65; n++) many.set([n < 64 ? 13 : 0, 0, 0, 4], n * 4);
  assert.throws(() => decodePayloads(13, many), /too many payloads/);
  assert.throws(
    () => decodePayloads(12, Uint8Array.of(0, 0, 0, 12, 0, 0, 0, 1, 3, 0, 0xff, 0xff)),
    /delete of 65535 SPIs/,
  );
  assert.throws(() => decodePayloads(10, Uint8Array.of(0, 0, 0, 11, 1, 2, 3, 4, 5, 6, 7)), /nonce of 7 bytes/);
  assert.throws(() => decodePayloads(11, Uint8Array.of(0, 0, 0, 12, 0, 0, 0, 1, 3, 17, 0, 1)), /SPI of 17 bytes/);
  assert.throws(() => decodePayloads(132, Uint8Array.of(0, 0, 0, 8, 0, 1, 0, 1)), /fragment number 0/);
  const attributes = Array(33).fill({ type: 1, value: 7 });
  const proposals = [{ number: 1, protocol: 1, spi: new Uint8Array(), transforms: [{ number: 1, id: 1, attributes }] }];
  const { bytes } = encodePayloads([{ kind: 'securityAssociation', proposals }]);
  assert.throws(() => decodePayloads(1, bytes), /too many attributes/);
});

test('any payloads survive encoding and decoding', () => {
  fc.assert(
    fc.property(fc.array(anyPayload, { minLength: 1, maxLength: 12 }), anyHeader, (payloads, header) => {
      const message = decodeMessage(encodeMessage(header, payloads));
      assert.ok(message.kind === 'clear');
      assert.deepEqual(
        message.payloads.map(({ body: _, ...payload }) => payload),
        payloads,
      );
      const { nextPayload: _, length: __, ...received } = message.header;
      assert.deepEqual(received, header);
    }),
  );
});

test('hostile bytes end in an error of the wire and in nothing else', () => {
  const random = seededRandom(20);
  const outcomes = { read: 0, refused: 0 };
  const bases = [...Object.values(datagrams), ...Object.values(plain)];
  for (let round = 0; round < 20_000; round++) {
    const bytes = (bases[random.integer(bases.length)] ?? plain.qm1).slice();
    for (let n = 1 + random.integer(4); n > 0; n--) bytes[random.integer(bytes.length)] = random.integer(256);
    try {
      if (random.chance(0.5)) decodeMessage(bytes);
      else decodePayloads([1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 20, 21, 132][random.integer(16)] ?? 1, bytes);
      outcomes.read++;
    } catch (error) {
      assert.ok(error instanceof WireError, String(error));
      outcomes.refused++;
    }
  }
  assert.ok(outcomes.read > 1000 && outcomes.refused > 1000, JSON.stringify(outcomes));
});

test('hostile bodies of every type are read or refused, and none is missed', () => {
  const random = seededRandom(21);
  const read: Record<string, number> = {};
  const refused: Record<number, number> = {};
  const types = Object.values(PayloadType).filter((type) => type !== PayloadType.none);
  for (let round = 0; round < 30_000; round++) {
    const type = types[random.integer(types.length)] ?? 1;
    const body = random.bytes(random.integer(40));
    // Small numbers, so that counts and lengths are often plausible.
    for (let n = 0; n < body.length && n < 12; n++) if (random.chance(0.8)) body[n] = random.integer(3);
    try {
      const [payload] = decodePayloads(type, Uint8Array.of(0, 0, 0, body.length + 4, ...body)).payloads;
      assert.ok(payload !== undefined);
      if (payload.kind !== 'securityAssociation') assert.deepEqual(payload.body, body);
      read[payload.kind] = (read[payload.kind] ?? 0) + 1;
    } catch (error) {
      assert.ok(error instanceof WireError, String(error));
      refused[type] = (refused[type] ?? 0) + 1;
    }
  }
  const kinds = Object.keys(PayloadType).filter((name) => !/^none$|Draft$|Apple$|^securityAssociation$/.test(name));
  for (const kind of kinds) assert.ok((read[kind] ?? 0) > 20, `${kind}: ${JSON.stringify(read)}`);
  for (const type of [1, 5, 6, 7, 10, 11, 12, 16, 21, 131, 132]) assert.ok((refused[type] ?? 0) > 20, String(type));
});

function patched(bytes: Uint8Array, ...places: number[]): Uint8Array {
  const copy = bytes.slice();
  for (let n = 0; n < places.length; n += 2) copy[places[n] ?? 0] = places[n + 1] ?? 0;
  return copy;
}

const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
const bytesOf = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((bytes) => Uint8Array.from(bytes));
const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const flavour = fc.constantFrom('rfc', 'draft', 'apple');
const spis = fc
  .integer({ min: 0, max: 16 })
  .chain((size) => fc.array(bytesOf(size, size), { minLength: 1, maxLength: 5 }));
const attribute = record({ type: fc.integer({ min: 0, max: 0x7fff }), value: fc.oneof(u16, bytesOf(0, 9)) });
const transform = record({ number: u8, id: u8, attributes: fc.array(attribute, { maxLength: 9 }) });
const proposal = record({
  number: u8,
  protocol: u8,
  spi: bytesOf(0, 16),
  transforms: fc.array(transform, { minLength: 1, maxLength: 4 }),
});
const anyPayload: fc.Arbitrary<Payload> = fc.oneof(
  record({
    kind: fc.constant('securityAssociation' as const),
    proposals: fc.array(proposal, { minLength: 1, maxLength: 4 }),
  }),
  record({ kind: fc.constantFrom('keyExchange', 'hash', 'signature', 'vendorId'), data: bytesOf(0, 40) }),
  record({ kind: fc.constant('nonce' as const), data: bytesOf(8, 256) }),
  record({ kind: fc.constant('identification' as const), type: u8, protocol: u8, port: u16, data: bytesOf(0, 20) }),
  record({ kind: fc.constantFrom('certificate', 'certificateRequest'), encoding: u8, data: bytesOf(0, 50) }),
  record({
    kind: fc.constant('notification' as const),
    doi: u32,
    protocol: u8,
    spi: bytesOf(0, 16),
    type: u16,
    data: bytesOf(0, 9),
  }),
  record({ kind: fc.constant('delete' as const), doi: u32, protocol: u8, spis }),
  record({ kind: fc.constant('natDetection' as const), flavour, hash: bytesOf(0, 64) }),
  record({
    kind: fc.constant('natOriginalAddress' as const),
    flavour,
    address: fc.oneof(bytesOf(4, 4), bytesOf(16, 16)),
  }),
);
const anyHeader: fc.Arbitrary<Header> = record({
  initiatorCookie: bytesOf(8, 8),
  responderCookie: bytesOf(8, 8),
  exchange: u8,
  flags: u8.map((flags) => flags & ~Flag.encryption),
  messageId: u32,
});
