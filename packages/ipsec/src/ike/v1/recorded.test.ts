/** A main mode and a quick mode of strongSwan, every key, hash and byte of them made again from what the ends knew. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { datagrams, plain, secrets } from '../../../test/strongswan.ts';
import type { EspAlgorithms } from '../../child-sa.ts';
import { decrypt, encrypt, type IkeCipher } from './cbc.ts';
import { Protection } from './machine/protection.ts';
import { decodeMessage } from './message.ts';
import { natDetectionHash, natPayloads } from './nat-detection.ts';
import { decodeDeletion } from './notification.ts';
import { bodiesOf, decodePayloads, encodePayloads, type Payload, PayloadType } from './payload.ts';
import { derivePhase1Keys, phase1Hash, phase2Hash1, phase2Hash2, phase2Hash3 } from './phase1-keys.ts';
import { deriveEspKeys } from './phase2-keys.ts';

const aes256 = { name: 'aes-cbc', keyBytes: 32, blockBytes: 16 } as const satisfies IkeCipher;

function bodies(list: readonly Payload[], kind: keyof typeof PayloadType): readonly Uint8Array[] {
  return bodiesOf(list, PayloadType[kind]);
}

function clear(datagram: Uint8Array) {
  const header = decodeMessage(datagram);
  return { header, payloads: decodePayloads(header.firstPayload, header.rest).list };
}

const [offer = new Uint8Array()] = bodies(clear(datagrams.mm1).payloads, 'securityAssociation');
const third = clear(datagrams.mm3);
const fourth = clear(datagrams.mm4);
const { initiatorCookie, responderCookie } = fourth.header;
const [initiatorValue = offer, responderValue = offer] = [third, fourth].flatMap((m) =>
  bodies(m.payloads, 'keyExchange'),
);
const [initiatorNonce = offer, responderNonce = offer] = [third, fourth].flatMap((m) => bodies(m.payloads, 'nonce'));
const keys = derivePhase1Keys({
  hash: 'sha1',
  cipher: aes256,
  preSharedKey: new TextEncoder().encode(secrets.preSharedKey),
  initiatorCookie,
  responderCookie,
  initiatorNonce,
  responderNonce,
  initiatorValue,
  responderValue,
  sharedSecret: secrets.sharedSecret,
});

test('phase 1 derives what charon derived', () => {
  assert.deepEqual(keys, {
    skeyid: secrets.skeyid,
    skeyidD: secrets.skeyidD,
    skeyidA: secrets.skeyidA,
    encryptionKey: secrets.encryptionKey,
    initialIv: secrets.initialIv,
  });
});

test('each end proves itself by the hash that charon made', () => {
  const initiator = {
    hash: 'sha1',
    skeyid: keys.skeyid,
    ownValue: initiatorValue,
    otherValue: responderValue,
  } as const;
  const identities = [plain.mm5, plain.mm6].map((bytes) => decodePayloads(5, bytes).list);
  const [identityI = offer, identityR = offer] = identities.flatMap((payloads) => bodies(payloads, 'identification'));
  const hashI = phase1Hash({
    ...initiator,
    ownCookie: initiatorCookie,
    otherCookie: responderCookie,
    offer,
    identity: identityI,
  });
  const hashR = phase1Hash({
    hash: 'sha1',
    skeyid: keys.skeyid,
    ownValue: responderValue,
    otherValue: initiatorValue,
    ownCookie: responderCookie,
    otherCookie: initiatorCookie,
    offer,
    identity: identityR,
  });
  assert.deepEqual([hashI, hashR], [secrets.hashI, secrets.hashR]);
  assert.deepEqual(
    identities.flatMap((payloads) => bodies(payloads, 'hash')),
    [hashI, hashR],
  );
});

/** An end that has the keys of phase 1. */
function protectedEnd(): Protection {
  const end = new Protection();
  const suite = { cipher: aes256, hash: 'sha1', group: 'modp2048', authentication: 'pre-shared-key' } as const;
  end.keys = { ...keys, suite };
  return end;
}

test('the IV goes through phase 1 into each message of quick mode, in both roles', () => {
  const ends = [protectedEnd(), protectedEnd()] as const;
  for (const [n, name] of (['mm5', 'mm6'] as const).entries()) {
    const [sender, receiver] = n === 0 ? ends : [ends[1], ends[0]];
    const message = decodeMessage(datagrams[name]);
    assert.deepEqual(sender.sealMain(plain[name]), Uint8Array.from(message.rest), name);
    assert.deepEqual(
      encodePayloads(receiver.openMain(message)?.list ?? []),
      plain[name].slice(0, lengthOf(name)),
      name,
    );
    receiver.acceptMain(message);
  }
  let iv: Uint8Array | undefined;
  for (const [n, name] of (['qm1', 'qm2', 'qm3'] as const).entries()) {
    const [sender, receiver] = n % 2 === 0 ? ends : [ends[1], ends[0]];
    const message = decodeMessage(datagrams[name]);
    const [hash, ...rest] = decodePayloads(8, plain[name]).list;
    const sealed = sender.seal(0xac6d820c, iv, hash?.body ?? offer, rest);
    assert.deepEqual(sealed.ciphertext, Uint8Array.from(message.rest), name);
    const opened = receiver.open(message, iv);
    assert.deepEqual(opened?.hash, Uint8Array.from(hash?.body ?? offer), name);
    assert.deepEqual(opened?.iv, sealed.iv);
    iv = sealed.iv;
  }
  const goodbye = ends[1].open(decodeMessage(datagrams.deleteEsp))?.payloads;
  const { list: payloads = [], afterFirst = offer } = goodbye ?? {};
  assert.deepEqual(bodies(payloads, 'hash')[0], phase2Hash1('sha1', keys.skeyidA, 0xe723638a, afterFirst));
  const [deleted = offer] = bodies(payloads, 'delete');
  assert.deepEqual(decodeDeletion(deleted).spis, [Uint8Array.of(0xcc, 0xf6, 0x7e, 0x9d)]);

  /** Without the padding. */
  function lengthOf(name: 'mm5' | 'mm6'): number {
    return decodePayloads(5, plain[name]).list.reduce((sum, { body }) => sum + body.length + 4, 0);
  }
});

test('a forged message leaves the IV where it was, and what is no whole block is none of ours', () => {
  const end = protectedEnd();
  const message = decodeMessage(datagrams.mm5);
  end.openMain({ ...message, rest: new Uint8Array(48).fill(7) });
  assert.equal(end.openMain(message)?.list.length, 2);
  for (const length of [0, 15, 17]) assert.equal(end.openMain({ ...message, rest: new Uint8Array(length) }), undefined);
});

test('the three hashes of quick mode are charon’s', () => {
  const id = 0xac6d820c;
  const one = decodePayloads(8, plain.qm1);
  const two = decodePayloads(8, plain.qm2);
  const [nonceI = offer] = bodies(one.list, 'nonce');
  const [nonceR = offer] = bodies(two.list, 'nonce');
  assert.deepEqual(phase2Hash1('sha1', keys.skeyidA, id, one.afterFirst), secrets.hash1);
  assert.deepEqual(phase2Hash2('sha1', keys.skeyidA, id, nonceI, two.afterFirst), secrets.hash2);
  assert.deepEqual(phase2Hash3('sha1', keys.skeyidA, id, nonceI, nonceR), secrets.hash3);
  const algorithms = { encryption: 'aes-cbc', keyBytes: 32, integrity: 'hmac-sha1-96' } as const;
  const inputs = {
    hash: 'sha1',
    skeyidD: keys.skeyidD,
    sharedSecret: undefined,
    initiatorNonce: nonceI,
    responderNonce: nonceR,
  } as const;
  // The key of what the initiator sends belongs to the SPI that the responder chose.
  assert.deepEqual(deriveEspKeys(inputs, algorithms, 0xc481e29f), {
    spi: 0xc481e29f,
    encryptionKey: secrets.initiatorEncryption,
    integrityKey: secrets.initiatorIntegrity,
  });
  assert.deepEqual(deriveEspKeys(inputs, algorithms, 0xccf67e9d), {
    spi: 0xccf67e9d,
    encryptionKey: secrets.responderEncryption,
    integrityKey: secrets.responderIntegrity,
  });
});

test('keys of ESP have the length that each algorithm needs, and PFS changes them', () => {
  const nonce = new Uint8Array(16);
  const inputs = {
    hash: 'sha1',
    skeyidD: keys.skeyidD,
    sharedSecret: undefined,
    initiatorNonce: nonce,
    responderNonce: nonce,
  } as const;
  const lengths = (algorithms: EspAlgorithms) => {
    const { encryptionKey, integrityKey } = deriveEspKeys(inputs, algorithms, 256);
    return [encryptionKey.length, integrityKey.length];
  };
  assert.deepEqual(lengths({ encryption: 'aes-gcm-16', keyBytes: 32 }), [36, 0]);
  assert.deepEqual(lengths({ encryption: 'aes-gcm-16', keyBytes: 16 }), [20, 0]);
  assert.deepEqual(lengths({ encryption: '3des-cbc', keyBytes: 24, integrity: 'hmac-sha1-96' }), [24, 20]);
  assert.deepEqual(lengths({ encryption: 'aes-cbc', keyBytes: 16, integrity: 'hmac-sha2-256-96' }), [16, 32]);
  assert.deepEqual(lengths({ encryption: 'aes-cbc', keyBytes: 24, integrity: 'hmac-sha2-384-192' }), [24, 48]);
  assert.deepEqual(lengths({ encryption: 'aes-cbc', keyBytes: 32, integrity: 'hmac-sha2-512-256' }), [32, 64]);
  const gcm = { encryption: 'aes-gcm-16', keyBytes: 32 } as const;
  assert.notDeepEqual(
    deriveEspKeys({ ...inputs, sharedSecret: secrets.sharedSecret }, gcm, 256),
    deriveEspKeys(inputs, gcm, 256),
  );
});

test('NAT-D is charon’s for both ends', () => {
  const hashes = (datagram: Uint8Array) => bodiesOf(clear(datagram).payloads, natPayloads.rfc.detection);
  const of = (host: number) =>
    natDetectionHash('sha1', initiatorCookie, responderCookie, Uint8Array.of(198, 51, 100, host), 500);
  assert.deepEqual(hashes(datagrams.mm3), [of(2), of(3)]);
  assert.deepEqual(hashes(datagrams.mm4), [of(3), of(2)]);
});

test('a key shorter than a hash is its beginning; signatures make SKEYID of the secret', () => {
  const inputs = { initiatorCookie, responderCookie, initiatorNonce, responderNonce, initiatorValue, responderValue };
  const aes128 = { name: 'aes-cbc', keyBytes: 16, blockBytes: 16 } as const;
  const common = { ...inputs, hash: 'sha1', cipher: aes128, sharedSecret: secrets.sharedSecret } as const;
  const preSharedKey = new TextEncoder().encode(secrets.preSharedKey);
  assert.deepEqual(derivePhase1Keys({ ...common, preSharedKey }).encryptionKey, secrets.skeyidE.slice(0, 16));
  assert.notDeepEqual(derivePhase1Keys({ ...common, preSharedKey: undefined }).skeyid, secrets.skeyid);
  const tripleDes = { name: '3des-cbc', keyBytes: 24, blockBytes: 8 } as const;
  const des = derivePhase1Keys({ ...common, cipher: tripleDes, preSharedKey });
  assert.equal(des.encryptionKey.length, 24);
  const sealed = encrypt(tripleDes, des.encryptionKey, des.initialIv, plain.mm5);
  assert.equal(sealed.length, 40);
  assert.deepEqual(decrypt(tripleDes, des.encryptionKey, des.initialIv, sealed)?.slice(0, 36), plain.mm5);
});

test('with signatures and SHA-384 the keys are those of NIST (CAVP for SP 800-135, IKEv1)', () => {
  const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));
  const nist = {
    hash: 'sha2-384',
    cipher: aes256,
    initiatorCookie: bytes('1c8aba986a00af0f'),
    responderCookie: bytes('b049d9672f73c920'),
    initiatorNonce: bytes('cec89d845add83ef'),
    responderNonce: bytes('cebd43ab71d17db9'),
    initiatorValue: offer,
    responderValue: offer,
    sharedSecret: bytes('1724dbd893523764bfef8c6fa927856fccfb77ae254358cce29c2769a32915c1'),
  } as const;
  const { skeyid, skeyidD, skeyidA, encryptionKey } = derivePhase1Keys({ ...nist, preSharedKey: undefined });
  const expected = {
    skeyid: '6e4514610bf82d0ab7bf0260096f6146a153c712071abb633ced813c572156c783e36874a65a64690ca701d40d56ea18',
    skeyidD: 'b083234e9ed7745911f93eb31faa66fcf88906266830eb17ef166d295cb1f86a3543b8b8efa5df918533df537e9c809c',
    skeyidA: '938295a374aceb4147a8024c9a007dd313403fd8fd7070dbd0cfbe1ccd308dbfbb7b9e9c64049e4df44ff551016cb7b5',
    encryptionKey: '8595b249dc1fa8599729f87eb6b9dd13bfbfdfd4f9ebd78929bab6ecc402539a',
  };
  const found = Object.entries({ skeyid, skeyidD, skeyidA, encryptionKey });
  assert.deepEqual(
    Object.fromEntries(found.map(([name, value]) => [name, Buffer.from(value).toString('hex')])),
    expected,
  );
  const preShared = derivePhase1Keys({
    ...nist,
    initiatorNonce: bytes('d6596b7e5b398534'),
    responderNonce: bytes('136fbdfa8d0ceb8e'),
    preSharedKey: bytes('9e'),
  });
  assert.equal(
    Buffer.from(preShared.skeyid).toString('hex'),
    'b54fa27cb4251051e44a659d73591845691d11f1874bf4e4088e5df6462d28e57a3a2af3ab4f9b746a8f5766f8785f2b',
  );
});
