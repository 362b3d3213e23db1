import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { phase1Offers, phase2Offers, windowsPeer } from '../../../test/peers.ts';
import { datagrams, plain } from '../../../test/strongswan.ts';
import { decodeMessage } from './message.ts';
import { sideBySide } from './offers.ts';
import { bodiesOf, bodyOf, decodePayloads, PayloadType } from './payload.ts';
import {
  acceptedPhase1,
  choosePhase1,
  chosenSuites,
  type Phase1Algorithms,
  phase1Name,
  phase1Offer,
  phase1Policy,
  phase1Suites,
} from './phase1-proposal.ts';
import {
  acceptedPhase2,
  choosePhase2,
  Encapsulation,
  espAlgorithms,
  espOffer,
  type Phase2Policy,
  phase2Offer,
} from './phase2-proposal.ts';
import { decodeSecurityAssociation, encodeSecurityAssociation } from './security-association.ts';
import { initiatorVendorIds, peerAbilities, responderVendorIds, type VendorIdName, vendorId } from './vendor-id.ts';

const strong = phase1Policy(['pre-shared-key'], false);
const weak = phase1Policy(['pre-shared-key'], true);

function chosen1(offer: Uint8Array, policy = strong): string {
  const choice = choosePhase1(decodeSecurityAssociation(offer), policy);
  if (choice.kind === 'none') return sideBySide(choice);
  const { cipher, hash, group } = choice.suite;
  return `${cipher.name} ${cipher.keyBytes * 8} ${hash} ${group} for ${choice.lifetimes.seconds} s`;
}

test('Windows’ first message has the size of the real one and is understood', () => {
  assert.equal(windowsPeer.firstMessage.length, 408);
  const { firstPayload, rest } = decodeMessage(windowsPeer.firstMessage);
  const vendorIds = bodiesOf(decodePayloads(firstPayload, rest).list, PayloadType.vendorId);
  assert.deepEqual(peerAbilities(vendorIds), {
    recognized: [
      'natRfc3947',
      'natDraft02Newline',
      'fragmentation',
      'microsoft',
      'microsoftKeyModules',
      'microsoftNegotiationDiscovery',
      'microsoftInitialContact',
      'microsoftCga',
    ],
    nat: { flavour: 'rfc', answer: 'natRfc3947' },
    deadPeerDetection: false,
    fragmentation: true,
    windows: 9,
  });
});

test('of what the native clients offer in phase 1 the best is taken', () => {
  assert.equal(chosen1(phase1Offers.windows), 'aes-cbc 256 sha1 ecp384 for 28800 s');
  assert.equal(
    chosen1(phase1Offers.windows, { ...strong, groups: ['modp2048'] }),
    'aes-cbc 256 sha1 modp2048 for 28800 s',
  );
  assert.equal(chosen1(phase1Offers.apple), 'aes-cbc 256 sha2-256 modp2048 for 3600 s');
  assert.equal(chosen1(phase1Offers.chromeos), 'aes-cbc 128 sha2-256 modp3072 for undefined s');
  assert.equal(chosen1(phase1Offers.debian), 'aes-cbc 128 sha2-256 curve25519 for undefined s');
  assert.equal(chosen1(phase1Offers.android, weak), 'aes-cbc 256 sha2-256 modp1024 for 3600 s');
});

test('where nothing fits, both offers stand side by side', () => {
  assert.equal(
    chosen1(phase1Offers.android),
    'the peer offers ' +
      'aes256-sha2-384-modp1024 (pre-shared-key), aes256-sha2-256-modp1024 (pre-shared-key), ' +
      'aes256-sha1-modp1024 (pre-shared-key), aes256-md5-modp1024 (pre-shared-key), ' +
      'aes128-sha2-384-modp1024 (pre-shared-key), aes128-sha2-256-modp1024 (pre-shared-key), ' +
      'aes128-sha1-modp1024 (pre-shared-key), aes128-md5-modp1024 (pre-shared-key), ' +
      '3des-sha1-modp1024 (pre-shared-key), 3des-md5-modp1024 (pre-shared-key), ' +
      'des-sha1-modp1024 (pre-shared-key), des-md5-modp1024 (pre-shared-key); ' +
      'accepted here: aes256|aes192|aes128 - sha2-256|sha2-384|sha2-512|sha1 - ' +
      'ecp384|ecp256|ecp521|curve25519|modp3072|modp4096|modp2048 (pre-shared-key)',
  );
  const certificates = phase1Policy(['rsa-signature'], true);
  assert.match(chosen1(phase1Offers.debian, certificates), /no encryption-no hash-curve25519 \(pre-shared-key\)/);
});

test('DES, MD5 and MODP-768 are never taken, with whatever switch', () => {
  const attributes = (cipher: number, hash: number, group: number) => [
    { type: 1, value: cipher },
    ...(cipher === 7 ? [{ type: 14, value: 256 }] : []),
    { type: 2, value: hash },
    { type: 4, value: group },
    { type: 3, value: 1 },
  ];
  const offer = (...numbers: readonly [number, number, number]) => [
    {
      number: 1,
      protocol: 1,
      spi: new Uint8Array(),
      transforms: [{ number: 1, id: 1, attributes: attributes(...numbers) }],
    },
  ];
  assert.equal(choosePhase1(offer(7, 2, 14), weak).kind, 'chosen');
  assert.equal(choosePhase1(offer(5, 2, 2), weak).kind, 'chosen');
  assert.equal(choosePhase1(offer(5, 2, 14), strong).kind, 'none');
  for (const [cipher, hash, group] of [
    [1, 2, 14],
    [7, 1, 14],
    [7, 2, 1],
    [7, 2, 22],
    [99, 2, 14],
  ] as const) {
    assert.equal(choosePhase1(offer(cipher, hash, group), weak).kind, 'none', `${cipher} ${hash} ${group}`);
  }
});

test('a chosen transform is answered byte for byte', () => {
  const choice = choosePhase1(decodeSecurityAssociation(phase1Offers.windows), strong);
  assert.ok(choice.kind === 'chosen');
  const answer = Buffer.from(encodeSecurityAssociation(choice.answer)).toString('hex');
  const offered = Buffer.from(phase1Offers.windows).toString('hex');
  assert.equal(answer.slice(40), offered.slice(40, 40 + 72), 'from the transform’s number on');
  assert.equal(answer.length, (8 + 8 + 40) * 2);
});

test('strongSwan’s own answers are those that are made here', () => {
  const none = new Uint8Array();
  const saOf = (first: number, bytes: Uint8Array) =>
    bodyOf(decodePayloads(first, bytes).list, PayloadType.securityAssociation) ?? none;
  const [offer, theirs] = [datagrams.mm1, datagrams.mm2].map((datagram) => saOf(1, decodeMessage(datagram).rest));
  const choice = choosePhase1(decodeSecurityAssociation(offer ?? none), strong);
  assert.ok(choice.kind === 'chosen');
  assert.deepEqual(encodeSecurityAssociation(choice.answer), theirs);
  const esp = choosePhase2(decodeSecurityAssociation(saOf(8, plain.qm1)), accepting(Encapsulation.transport));
  assert.ok(esp.kind === 'chosen');
  assert.equal(esp.spi, 0xccf67e9d);
  assert.deepEqual(esp.lifetimes, { seconds: 3960, kilobytes: undefined });
  assert.deepEqual(encodeSecurityAssociation(esp.answer(Uint8Array.of(0xc4, 0x81, 0xe2, 0x9f))), saOf(8, plain.qm2));
});

test('a client offers each cipher, hash and group that it takes, in a message that no path cuts', () => {
  for (const weak of [false, true]) {
    const suites = phase1Suites('pre-shared-key', weak);
    const policy = phase1Policy(['pre-shared-key'], weak);
    assert.equal(new Set(suites.map(phase1Name)).size, suites.length);
    for (const [what, all] of [
      ['cipher', policy.ciphers],
      ['hash', policy.hashes],
      ['group', policy.groups],
    ] as const)
      for (const one of all)
        assert.ok(
          suites.some((suite) => isDeepStrictEqual(suite[what], one)),
          `${what} ${JSON.stringify(one)}`,
        );
    const sa = encodeSecurityAssociation(phase1Offer(suites, 28_800));
    const vendorIds = initiatorVendorIds.map((name) => 4 + vendorId(name).length);
    const message = 28 + 4 + sa.length + vendorIds.reduce((sum, bytes) => sum + bytes, 0);
    assert.ok(message + 4 + 8 + 40 <= 1_280, `${message} bytes`);
  }
});

test('suites that were chosen by hand are offered and accepted in their order, and no others', () => {
  const only: readonly Phase1Algorithms[] = [
    { cipher: 'aes-cbc', keyBytes: 16, hash: 'sha1', group: 'modp1024' },
    { cipher: '3des-cbc', keyBytes: 24, hash: 'sha1', group: 'modp2048' },
    { cipher: 'aes-cbc', keyBytes: 32, hash: 'sha2-256', group: 'ecp384' },
  ];
  const suites = chosenSuites('pre-shared-key', only);
  const names = suites.map(phase1Name);
  assert.deepEqual(names, [
    'aes128-sha1-modp1024 (pre-shared-key)',
    '3des-sha1-modp2048 (pre-shared-key)',
    'aes256-sha2-256-ecp384 (pre-shared-key)',
  ]);
  const policy = phase1Policy(['pre-shared-key'], false, only);
  const nameFor = (from: typeof suites) => {
    const choice = choosePhase1(phase1Offer(from, 28_800), policy);
    return choice.kind === 'chosen' ? phase1Name(choice.suite) : choice.accepted;
  };
  assert.equal(nameFor(suites.toReversed()), names[0], 'ours decides');
  assert.equal(nameFor(suites.slice(1).toReversed()), names[1]);
  assert.deepEqual(nameFor(chosenSuites('rsa-signature', only)), names, 'another proof');
  const others = phase1Suites('pre-shared-key', true).filter((suite) => !names.includes(phase1Name(suite)));
  assert.deepEqual(nameFor(others), names);
});

test('a client takes from the responder what it offered, alone', () => {
  const suites = phase1Suites('pre-shared-key', false);
  const offer = phase1Offer(suites, 28_800);
  const choice = choosePhase1(offer, strong);
  assert.ok(choice.kind === 'chosen');
  assert.deepEqual(choice.suite, suites[0]);
  assert.deepEqual(acceptedPhase1(choice.answer, suites), choice);
  assert.equal(acceptedPhase1(offer, suites).kind, 'none', 'all of it is no answer');
  assert.equal(acceptedPhase1(choice.answer, suites.slice(1)).kind, 'none', 'never offered');
  assert.equal(acceptedPhase1([], suites).kind, 'none');
  assert.equal(acceptedPhase1([...choice.answer, ...choice.answer], suites).kind, 'none', 'two proposals');
  assert.deepEqual(decodeSecurityAssociation(encodeSecurityAssociation(offer)), offer);
  for (const group of [undefined, 'ecp256'] as const) {
    const terms = { algorithms: espOffer(false), encapsulation: Encapsulation.udpTransport, group };
    const quick = phase2Offer(terms, Uint8Array.of(1, 2, 3, 4), 100_000);
    const esp = choosePhase2(quick, { ...accepting(Encapsulation.udpTransport), groups: ['ecp256'] });
    assert.ok(esp.kind === 'chosen');
    assert.deepEqual([esp.group, esp.lifetimes.seconds, esp.spi], [group, 100_000, 0x01020304]);
    const answer = esp.answer(Uint8Array.of(5, 6, 7, 8));
    const taken = acceptedPhase2(answer, terms);
    assert.ok(taken.kind === 'chosen');
    assert.deepEqual([taken.algorithms, taken.spi], [esp.algorithms, 0x05060708]);
    assert.equal(acceptedPhase2(quick, terms).kind, 'none', 'all of it is no answer');
    assert.equal(acceptedPhase2(answer, { ...terms, group: 'modp2048' }).kind, 'none', 'another group');
  }
});

function accepting(encapsulation: number, options = { weak: false, truncatedSha256: false }): Phase2Policy {
  return { algorithms: espAlgorithms(options), encapsulations: [encapsulation], groups: [], requirePfs: false };
}

function chosen2(offer: Uint8Array, policy: Phase2Policy): unknown {
  const choice = choosePhase2(decodeSecurityAssociation(offer), policy);
  if (choice.kind === 'none') return sideBySide(choice);
  const { algorithms, mode, udpEncapsulated, group } = choice;
  return { ...algorithms, mode, udpEncapsulated, ...(group && { group }) };
}

test('of what the native clients offer for ESP the best is taken', () => {
  const { transport, udpTransport, udpTransportDraft } = Encapsulation;
  const windows = { encryption: 'aes-cbc', keyBytes: 16, integrity: 'hmac-sha1-96' };
  assert.deepEqual(chosen2(phase2Offers.windows(transport), accepting(transport)), {
    ...windows,
    mode: 'transport',
    udpEncapsulated: false,
  });
  for (const mode of [udpTransport, udpTransportDraft]) {
    const expected = { mode: 'transport', udpEncapsulated: true };
    assert.deepEqual(chosen2(phase2Offers.windows(mode), accepting(mode)), { ...windows, ...expected });
    const apple = { encryption: 'aes-cbc', keyBytes: 32, integrity: 'hmac-sha2-256-128' };
    assert.deepEqual(chosen2(phase2Offers.apple(mode), accepting(mode)), { ...apple, ...expected });
    assert.deepEqual(chosen2(phase2Offers.apple(mode), accepting(mode, { weak: false, truncatedSha256: true })), {
      ...apple,
      integrity: 'hmac-sha2-256-96',
      ...expected,
    });
    const chromeos = { encryption: 'aes-gcm-16', keyBytes: 16 };
    assert.deepEqual(chosen2(phase2Offers.chromeos(mode), accepting(mode)), { ...chromeos, ...expected });
  }
  const choice = choosePhase2(decodeSecurityAssociation(phase2Offers.windows(transport)), accepting(transport));
  assert.ok(choice.kind === 'chosen');
  assert.deepEqual(choice.lifetimes, { seconds: 3600, kilobytes: 250_000 });
});

test('AH beside ESP, reserved SPIs, extended sequence numbers and missing key lengths are passed over', () => {
  const policy = accepting(Encapsulation.transport);
  const expected = { encryption: 'aes-cbc', integrity: 'hmac-sha1-96', mode: 'transport', udpEncapsulated: false };
  assert.deepEqual(chosen2(phase2Offers.ahAndEsp, policy), { ...expected, keyBytes: 16 });
  assert.match(String(chosen2(phase2Offers.reservedSpi, policy)), /offers aes256-sha1 \(transport, no PFS\); accepted/);
  assert.match(
    String(chosen2(phase2Offers.extended, policy)),
    /aes-sha1 .*PFS modp2048.*hmac-sha1-96 \(transport, no PFS\)$/,
  );
  const groups = ['modp2048'] as const;
  const withPfs = { ...expected, keyBytes: 32, group: 'modp2048' };
  assert.deepEqual(chosen2(phase2Offers.extended, { ...policy, groups, requirePfs: true }), withPfs);
  assert.equal(typeof chosen2(phase2Offers.ahAndEsp, { ...policy, groups, requirePfs: true }), 'string');
});

test('another encapsulation than is wanted is not taken', () => {
  const text = chosen2(phase2Offers.windows(Encapsulation.tunnel), accepting(Encapsulation.transport));
  assert.match(
    String(text),
    /^the peer offers aes128-sha1 \(tunnel, no PFS\), 3des-sha1 .*, des-sha1 \(tunnel, no PFS\); acc/,
  );
});

test('3DES for ESP is taken behind the switch, DES and MD5 never', () => {
  const only = (id: number, hash: number, keyBits?: number) =>
    choosePhase2(
      [
        {
          number: 1,
          protocol: 3,
          spi: Uint8Array.of(1, 2, 3, 4),
          transforms: [
            {
              number: 1,
              id,
              attributes: [
                { type: 4, value: 2 },
                { type: 5, value: hash },
                ...(keyBits === undefined ? [] : [{ type: 6, value: keyBits }]),
              ],
            },
          ],
        },
      ],
      accepting(2, { weak: true, truncatedSha256: false }),
    ).kind;
  assert.equal(only(3, 2), 'chosen');
  for (const [id, hash, bits] of [
    [2, 2],
    [3, 1],
    [11, 2],
    [12, 1, 256],
    [12, 2, 255],
    [20, 2, 256],
  ] as const) {
    assert.equal(only(id, hash, bits), 'none', `${id} ${hash}`);
  }
});

test('whatever is offered, what is taken was offered and is accepted', () => {
  const outcomes = { chosen: 0, none: 0 };
  const value = (...values: number[]) => fc.constantFrom(...values);
  const attributes = (types: Readonly<Record<number, fc.Arbitrary<number>>>) =>
    fc
      .tuple(...Object.entries(types).map(([type, each]) => each.map((one) => ({ type: Number(type), value: one }))))
      .chain((all) => fc.shuffledSubarray(all, { minLength: all.length - 1 }));
  const proposals = (protocol: number, ids: fc.Arbitrary<number>, all: ReturnType<typeof attributes>) =>
    fc.array(
      fc.record({
        number: value(1, 2, 3, 4),
        protocol: fc.constant(protocol),
        spi: fc.constant(Uint8Array.of(1, 2, 3, 4)),
        transforms: fc.array(fc.record({ number: fc.nat(9), id: ids, attributes: all }), {
          minLength: 1,
          maxLength: 4,
        }),
      }),
      { maxLength: 4 },
    );
  const suite = attributes({
    1: value(1, 5, 7),
    2: value(1, 2, 4, 5),
    3: value(1, 3),
    4: value(1, 2, 14, 19, 31),
    14: value(128, 256, 512),
  });
  const esp = attributes({ 4: value(1, 2, 4), 5: value(1, 2, 5), 6: value(128, 256), 11: value(1) });
  fc.assert(
    fc.property(proposals(1, fc.constant(1), suite), proposals(3, value(2, 3, 11, 12, 20), esp), (first, second) => {
      for (const [offer, choice] of [
        [first, choosePhase1(first, strong)],
        [second, choosePhase2(second, accepting(Encapsulation.transport))],
      ] as const) {
        outcomes[choice.kind]++;
        if (choice.kind === 'none') continue;
        const [answer] = typeof choice.answer === 'function' ? choice.answer(Uint8Array.of(1, 2, 3, 4)) : choice.answer;
        const [transform] = answer?.transforms ?? [];
        const values = Object.fromEntries(transform?.attributes.map(({ type, value: one }) => [type, one]) ?? []);
        assert.ok(offer.some((each) => each.number === answer?.number && each.transforms.includes(transform as never)));
        if (offer === first) {
          assert.ok(
            values[1] === 7 && values[2] !== 1 && values[3] === 1 && Number(values[4]) > 2,
            JSON.stringify(values),
          );
        } else {
          assert.ok(values[4] === 2 && values[5] !== 1 && values[11] === undefined, JSON.stringify(values));
          assert.ok(transform?.id === 12 || transform?.id === 20);
        }
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(outcomes.chosen > 100 && outcomes.none > 100, JSON.stringify(outcomes));
});

test('vendor ids are the MD5 of their sentences', () => {
  const sentences: readonly [VendorIdName, string][] = [
    ['natRfc3947', 'RFC 3947'],
    ['natApple', 'draft-ietf-ipsec-nat-t-ike'],
    ['natDraft00', 'draft-ietf-ipsec-nat-t-ike-00'],
    ['natDraft01', 'draft-ietf-ipsec-nat-t-ike-01'],
    ['natDraft02', 'draft-ietf-ipsec-nat-t-ike-02'],
    ['natDraft02Newline', 'draft-ietf-ipsec-nat-t-ike-02\n'],
    ['natDraft03', 'draft-ietf-ipsec-nat-t-ike-03'],
    ['natDraft04', 'draft-ietf-ipsec-nat-t-ike-04'],
    ['natDraft05', 'draft-ietf-ipsec-nat-t-ike-05'],
    ['natDraft06', 'draft-ietf-ipsec-nat-t-ike-06'],
    ['natDraft07', 'draft-ietf-ipsec-nat-t-ike-07'],
    ['natDraft08', 'draft-ietf-ipsec-nat-t-ike-08'],
    ['fragmentation', 'FRAGMENTATION'],
    ['microsoft', 'MS NT5 ISAKMPOAKLEY'],
    ['microsoftNegotiationDiscovery', 'MS-Negotiation Discovery Capable'],
    ['microsoftInitialContact', 'Vid-Initial-Contact'],
    ['microsoftCga', 'IKE CGA version 1'],
    ['racoon', 'KAME/racoon'],
  ];
  for (const [name, sentence] of sentences) {
    const md5 = Uint8Array.from(createHash('md5').update(sentence).digest());
    assert.deepEqual(vendorId(name).slice(0, 16), md5, name);
  }
});

test('what a peer says is answered, and nothing else; the best NAT traversal alone', () => {
  const of = (...names: VendorIdName[]) => peerAbilities(names.map(vendorId));
  assert.deepEqual(responderVendorIds(of()), []);
  assert.deepEqual(responderVendorIds(of('natDraft00', 'natDraft01', 'xauth')), []);
  assert.deepEqual(responderVendorIds(of(...initiatorVendorIds)), ['natRfc3947', 'deadPeerDetection', 'fragmentation']);
  assert.deepEqual(of('natDraft02', 'natDraft02Newline').nat, { flavour: 'draft', answer: 'natDraft02Newline' });
  assert.deepEqual(of('natApple', 'natDraft08').nat, { flavour: 'apple', answer: 'natDraft08' });
  assert.equal(of('microsoft').windows, 0);
  assert.equal(of('deadPeerDetection').windows, undefined);
  const strange = peerAbilities([new Uint8Array(), new Uint8Array(200), vendorId('ciscoUnity')]);
  assert.deepEqual(strange.recognized, ['ciscoUnity']);
});
