import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@culvert/testkit';
import { WireError } from '@culvert/wire';
import fc from 'fast-check';
import { datagrams, plain } from '../../../test/strongswan.ts';
import { decodeFragment } from './fragment.ts';
import { decodeIdentification, encodeIdentification, networkOfIdentification } from './identification.ts';
import { decodeMessage, Exchange, encodeMessage, type Header } from './message.ts';
import { decodeDeletion, decodeNotification, deletion, notify } from './notification.ts';
import { bodyOf, decodePayloads, encodePayloads, type Payload, PayloadType } from './payload.ts';
import { decodeSecurityAssociation, encodeSecurityAssociation } from './security-association.ts';

const first = { mm5: 5, mm6: 5, qm1: 8, qm2: 8, qm3: 8 } as const;
const none = new Uint8Array();

test('what strongSwan sends is read, field by field', () => {
  const message = decodeMessage(datagrams.mm1);
  assert.equal(message.exchange, Exchange.main);
  assert.deepEqual([...message.responderCookie], [0, 0, 0, 0, 0, 0, 0, 0]);
  const { list } = decodePayloads(message.firstPayload, message.rest);
  const vendorIds = Array(5).fill(PayloadType.vendorId);
  assert.deepEqual(
    list.map(({ type }) => type),
    [PayloadType.securityAssociation, ...vendorIds],
  );
  const attributes = [
    { type: 1, value: 7 },
    { type: 14, value: 256 },
    { type: 2, value: 2 },
    { type: 4, value: 14 },
    { type: 3, value: 1 },
    { type: 11, value: 1 },
    { type: 12, value: 15_840 },
  ];
  const transforms = [{ number: 1, id: 1, attributes }];
  assert.deepEqual(decodeSecurityAssociation(list[0]?.body ?? none), [
    { number: 1, protocol: 1, spi: none, transforms },
  ]);
  const identity = bodyOf(decodePayloads(first.mm5, plain.mm5).list, PayloadType.identification) ?? none;
  const data = Uint8Array.of(198, 51, 100, 3);
  assert.deepEqual(decodeIdentification(identity), { type: 1, protocol: 0, port: 0, data });
  const quick = decodePayloads(first.qm2, plain.qm2);
  assert.deepEqual(
    quick.list.map(({ type }) => type),
    [8, 1, 10, 5, 5],
  );
  assert.equal(quick.afterFirst.length, 172 - 28 - 24 - 8, 'the padding of 8 is no part of what HASH(2) covers');
});

test('what was decoded is encoded again byte for byte', () => {
  for (const [name, datagram] of Object.entries(datagrams)) {
    const message = decodeMessage(datagram);
    assert.deepEqual(encodeMessage(message, message.firstPayload, message.rest), datagram, name);
  }
  for (const name of ['mm1', 'mm2', 'mm3', 'mm4'] as const) {
    const { firstPayload, rest } = decodeMessage(datagrams[name]);
    const { list } = decodePayloads(firstPayload, rest);
    assert.deepEqual(encodePayloads(list), Uint8Array.from(rest), name);
    const sa = bodyOf(list, PayloadType.securityAssociation);
    if (sa !== undefined)
      assert.deepEqual(encodeSecurityAssociation(decodeSecurityAssociation(sa)), Uint8Array.from(sa));
  }
  for (const name of ['mm5', 'qm1', 'qm3'] as const)
    assert.deepEqual(encodePayloads(decodePayloads(first[name], plain[name]).list), plain[name]);
});

test('a message that is cut at any byte is refused by name', () => {
  for (const [name, datagram] of Object.entries(datagrams)) {
    for (let length = 0; length < datagram.length; length++)
      assert.throws(() => decodeMessage(datagram.slice(0, length)), WireError, `${name} cut at ${length}`);
  }
  for (const [name, type] of Object.entries(first)) {
    const bytes = plain[name as keyof typeof first];
    const used = decodePayloads(type, bytes).list.reduce((sum, { body }) => sum + body.length + 4, 0);
    for (let length = 0; length < used; length++)
      assert.throws(() => decodePayloads(type, bytes.slice(0, length)), WireError, `${name} cut at ${length}`);
  }
});

test('bytes behind the declared length, padding of any value, reserved bits and unknown payloads are tolerated', () => {
  const longer = Uint8Array.of(...datagrams.mm2, 1, 2, 3);
  assert.deepEqual(decodeMessage(longer).rest, datagrams.mm2.subarray(28));
  const nonce = [99, 0xff, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8];
  const unknown = [8, 0x80, 0, 5, 42];
  const hash = [0, 0xff, 0, 6, 1, 2];
  const chain = Uint8Array.of(...nonce, ...unknown, ...hash, 0xee, 0xee);
  const { list, afterFirst } = decodePayloads(PayloadType.nonce, chain);
  assert.deepEqual(
    list.map(({ type, body }) => [type, [...body]]),
    [
      [PayloadType.nonce, [1, 2, 3, 4, 5, 6, 7, 8]],
      [99, [42]],
      [PayloadType.hash, [1, 2]],
    ],
  );
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
  test(`${what} is refused`, () => {
    const read = () => {
      const { firstPayload, rest } = decodeMessage(bytes);
      return decodeSecurityAssociation(bodyOf(decodePayloads(firstPayload, rest).list, 1) ?? none);
    };
    assert.throws(read, { name: 'WireError', message });
  });
}

test('counts are bounded: payloads, SPIs, attributes', () => {
  const many = (count: number) =>
    encodePayloads(Array.from({ length: count }, () => ({ type: PayloadType.vendorId, body: none })));
  assert.equal(decodePayloads(13, many(128)).list.length, 128);
  assert.throws(() => decodePayloads(13, many(129)), /too many payloads/);
  assert.throws(() => decodeDeletion(Uint8Array.of(0, 0, 0, 1, 3, 4, 0xff, 0xff)), /65535 SPIs of 4 bytes/);
  assert.throws(() => decodeNotification(Uint8Array.of(0, 0, 0, 1, 3, 17, 0, 1)), WireError);
  assert.throws(() => decodeIdentification(Uint8Array.of(1, 0, 0)), WireError);
  const attributes = Array(33).fill({ type: 1, value: 7 });
  const transforms = [{ number: 1, id: 1, attributes }];
  const body = encodeSecurityAssociation([{ number: 1, protocol: 1, spi: none, transforms }]);
  assert.throws(() => decodeSecurityAssociation(body), /too many attributes/);
});

test('any payloads survive encoding and decoding', () => {
  fc.assert(
    fc.property(fc.array(anyPayload, { minLength: 1, maxLength: 12 }), anyHeader, (payloads, header) => {
      const datagram = encodeMessage(header, payloads[0]?.type ?? 0, encodePayloads(payloads));
      const { firstPayload, rest, ...received } = decodeMessage(datagram);
      assert.deepEqual(received, header);
      assert.deepEqual(decodePayloads(firstPayload, rest).list, payloads);
    }),
  );
});

test('any body survives encoding and decoding', () => {
  const identity = record({ type: u8, protocol: u8, port: u16, data: bytesOf(0, 20) });
  const note = record({ protocol: u8, type: u16, spi: bytesOf(0, 16), data: bytesOf(0, 9) });
  const proposals = fc.array(proposal, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(identity, note, u8, bytesOf(1, 16), proposals, (id, of, protocol, spi, offered) => {
      assert.deepEqual(decodeIdentification(encodeIdentification(id)), id);
      assert.deepEqual(decodeNotification(notify(of.type, of.protocol, of.spi, of.data).body), of);
      assert.deepEqual(decodeDeletion(deletion(protocol, spi).body), { protocol, spis: [spi] });
      assert.deepEqual(decodeSecurityAssociation(encodeSecurityAssociation(offered)), offered);
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
      else decodePayloads(random.integer(20), bytes);
      outcomes.read++;
    } catch (error) {
      assert.ok(error instanceof WireError, String(error));
      outcomes.refused++;
    }
  }
  assert.ok(outcomes.read > 1000 && outcomes.refused > 1000, JSON.stringify(outcomes));
});

const readers: Readonly<Record<string, (body: Uint8Array) => unknown>> = {
  securityAssociation: decodeSecurityAssociation,
  identification: (body) => networkOfIdentification(decodeIdentification(body)),
  notification: decodeNotification,
  deletion: decodeDeletion,
  fragment: decodeFragment,
};

for (const [name, read] of Object.entries(readers)) {
  test(`hostile bodies are read or refused: ${name}`, () => {
    const random = seededRandom(21);
    const outcomes = { read: 0, refused: 0 };
    for (let round = 0; round < 20_000; round++) {
      const body = random.bytes(random.integer(40));
      // Small numbers, so that counts and lengths are often plausible.
      for (let n = 0; n < body.length && n < 12; n++) if (random.chance(0.8)) body[n] = random.integer(3);
      try {
        read(body);
        outcomes.read++;
      } catch (error) {
        assert.ok(error instanceof WireError, String(error));
        outcomes.refused++;
      }
    }
    assert.ok(outcomes.refused > 20, JSON.stringify(outcomes));
    if (name !== 'securityAssociation') assert.ok(outcomes.read > 20, JSON.stringify(outcomes));
  });
}

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
const attribute = record({ type: fc.integer({ min: 0, max: 0x7fff }), value: fc.oneof(u16, bytesOf(0, 9)) });
const transform = record({ number: u8, id: u8, attributes: fc.array(attribute, { maxLength: 9 }) });
const proposal = record({
  number: u8,
  protocol: u8,
  spi: bytesOf(0, 16),
  transforms: fc.array(transform, { minLength: 1, maxLength: 4 }),
});
const anyPayload: fc.Arbitrary<Payload> = record({ type: fc.integer({ min: 1, max: 255 }), body: bytesOf(0, 60) });
const anyHeader: fc.Arbitrary<Header> = record({
  initiatorCookie: bytesOf(8, 8),
  responderCookie: bytesOf(8, 8),
  exchange: u8,
  flags: u8,
  messageId: u32,
});
