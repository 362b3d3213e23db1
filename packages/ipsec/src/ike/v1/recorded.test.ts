/** A main mode and a quick mode of strongSwan, every key, hash and byte of them made again from what the ends knew. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { WireError } from '@culvert/wire';
import { datagrams, plain, secrets } from '../../../test/strongswan.ts';
import type { EspAlgorithms } from '../../child-sa.ts';
import { CipherChain, type IkeCipher } from './cipher-chain.ts';
import { decodeMessage } from './message.ts';
import { natDetectionHash } from './nat-detection.ts';
import { decodePayloads, type ReceivedPayload } from './payload.ts';
import { derivePhase1Keys, phase1Hash, phase2Hash1, phase2Hash2, phase2Hash3 } from './phase1-keys.ts';
import { deriveEspKeys } from './phase2-keys.ts';
import { authenticationHash, signRsa, verifyRsa } from './signature.ts';

const aes256 = { name: 'aes-cbc', keyBytes: 32, blockBytes: 16 } as const satisfies IkeCipher;

function bodies(payloads: readonly ReceivedPayload[], kind: ReceivedPayload['kind']): readonly Uint8Array[] {
  return payloads.filter((payload) => payload.kind === kind).map(({ body }) => body);
}

function clear(datagram: Uint8Array) {
  const message = decodeMessage(datagram);
  assert.ok(message.kind === 'clear');
  return message;
}

function ciphertextOf(datagram: Uint8Array): Uint8Array {
  const message = decodeMessage(datagram);
  assert.ok(message.kind === 'encrypted');
  return message.ciphertext;
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
  const identities = [plain.mm5, plain.mm6].map((bytes) => decodePayloads(5, bytes).payloads);
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

test('the IV chains through phase 1 into each message of quick mode, in both roles', () => {
  const initiator = new CipherChain(aes256, keys.encryptionKey, keys.initialIv);
  const responder = new CipherChain(aes256, keys.encryptionKey, keys.initialIv);
  exchange([initiator, responder], ['mm5', 'mm6']);
  const quick = [initiator, responder].map((chain) => chain.forMessage('sha1', 0xac6d820c));
  exchange(quick, ['qm1', 'qm2', 'qm3']);
  const goodbye = responder.forMessage('sha1', 0xe723638a).open(ciphertextOf(datagrams.deleteEsp));
  const { payloads, afterFirst } = decodePayloads(8, goodbye);
  assert.deepEqual(bodies(payloads, 'hash')[0], phase2Hash1('sha1', keys.skeyidA, 0xe723638a, afterFirst));
  assert.ok(payloads[1]?.kind === 'delete');
  assert.deepEqual(payloads[1].spis, [Uint8Array.of(0xcc, 0xf6, 0x7e, 0x9d)]);

  function exchange(ends: readonly CipherChain[], names: readonly (keyof typeof plain)[]): void {
    for (const [n, name] of names.entries()) {
      const ciphertext = ciphertextOf(datagrams[name]);
      const [sender, receiver] = [ends[n % 2], ends[(n + 1) % 2]];
      assert.deepEqual(sender?.seal(plain[name]), ciphertext, name);
      const opened = receiver?.open(ciphertext);
      assert.deepEqual(opened?.slice(0, plain[name].length), plain[name], name);
      receiver?.advance(ciphertext);
    }
  }
});

test('a forged message leaves the chain where it was', () => {
  const chain = new CipherChain(aes256, keys.encryptionKey, keys.initialIv);
  chain.open(new Uint8Array(48).fill(7));
  assert.deepEqual(chain.open(ciphertextOf(datagrams.mm5)).slice(0, 36), plain.mm5);
  for (const length of [0, 15, 17]) assert.throws(() => chain.open(new Uint8Array(length)), WireError);
});

test('the three hashes of quick mode are charon’s', () => {
  const id = 0xac6d820c;
  const one = decodePayloads(8, plain.qm1);
  const two = decodePayloads(8, plain.qm2);
  const [nonceI = offer] = bodies(one.payloads, 'nonce');
  const [nonceR = offer] = bodies(two.payloads, 'nonce');
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
  const hashes = (datagram: Uint8Array) => bodies(clear(datagram).payloads, 'natDetection');
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
  const chains = [0, 1].map(() => new CipherChain(tripleDes, des.encryptionKey, des.initialIv));
  const sealed = chains[0]?.seal(plain.mm5) ?? offer;
  assert.equal(sealed.length, 40);
  assert.deepEqual(chains[1]?.open(sealed).slice(0, 36), plain.mm5);
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

test('an RSA signature is over the hash alone, and another hash, key or length is refused', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const signature = signRsa(privateKey, secrets.hashI);
  assert.equal(signature.length, 256);
  assert.ok(verifyRsa(publicKey, secrets.hashI, signature));
  assert.ok(!verifyRsa(publicKey, secrets.hashR, signature));
  assert.ok(!verifyRsa(stranger.publicKey, secrets.hashI, signature));
  assert.ok(!verifyRsa(publicKey, secrets.hashI, signature.slice(1)));
  assert.ok(!verifyRsa(publicKey, secrets.hashI, new Uint8Array()));
});

test('with ECDSA the curve decides by which hash an end proves itself', () => {
  assert.equal(authenticationHash('pre-shared-key', 'sha1'), 'sha1');
  assert.equal(authenticationHash('rsa-signature', 'sha2-384'), 'sha2-384');
  assert.equal(authenticationHash('ecdsa-256', 'sha1'), 'sha2-256');
  assert.equal(authenticationHash('ecdsa-384', 'sha1'), 'sha2-384');
  assert.equal(authenticationHash('ecdsa-521', 'sha1'), 'sha2-512');
});
