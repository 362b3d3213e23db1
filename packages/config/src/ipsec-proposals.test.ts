import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { offered, printProposals, readEspProposals, readIkeProposals, weakProposals } from './ipsec-proposals.ts';

const ike = (text: string) =>
  readIkeProposals(text).proposals.map(({ algorithms: { cipher, keyBytes, hash, group } }) => {
    return [cipher, keyBytes, hash, group].join(' ');
  });
const whyNot = (read: typeof readIkeProposals | typeof readEspProposals, text: string) => {
  return read(text).leftOut.map(({ why }) => why);
};

test('phase 1 as strongSwan and Libreswan write it, in its order', () => {
  assert.deepEqual(ike('aes256-sha1-modp1024,3des-sha-modp2048 , aes-sha2_384-ecp521!'), [
    'aes-cbc 32 sha1 modp1024',
    '3des-cbc 24 sha1 modp2048',
    'aes-cbc 16 sha2-384 ecp521',
  ]);
  assert.deepEqual(ike('AES192-SHA512-X25519,aes256-prfsha256-sha256-ecp384,aes128-prfsha384-modp3072'), [
    'aes-cbc 24 sha2-512 curve25519',
    'aes-cbc 32 sha2-256 ecp384',
    'aes-cbc 16 sha2-384 modp3072',
  ]);
  assert.deepEqual(ike('aes_cbc256-sha2;dh14,aes256-sha1-ecp_384,aes256-sha1;dh5'), [
    'aes-cbc 32 sha2-256 modp2048',
    'aes-cbc 32 sha1 ecp384',
    'aes-cbc 32 sha1 modp1536',
  ]);
  assert.deepEqual(ike('aes256-aes128-sha256-sha1-modp2048-modp1024'), ['aes-cbc 32 sha2-256 modp2048'], 'one of each');
});

test('phase 1: why a proposal is not offered', () => {
  for (const [text, why] of [
    ['aes256gcm16-prfsha256-ecp256', 'IKEv1 has no AES-GCM in phase 1'],
    ['aes256-sha256', 'it names no Diffie-Hellman group, such as modp2048'],
    ['aes256-modp2048', 'it names no hash, such as sha256'],
    ['sha256-modp2048', 'it names no encryption, such as aes256'],
    ['aes256-sha256_96-modp2048', 'phase 1 has no hash that is cut to 96 bits'],
    ['aes256-sha1-prfsha256-modp2048', 'IKEv1 has one hash in phase 1'],
    ['aes256-md5-modp2048', '"md5" is nothing that is done here'],
    ['des-sha1-modp2048', '"des" is nothing that is done here'],
    ['aes256-sha256-modp8192', '"modp8192" is nothing that is done here'],
    ['aes256--modp2048', '"" is nothing that is done here'],
    ['aes256-constructor-modp2048', '"constructor" is nothing that is done here'],
  ] as const)
    assert.deepEqual(whyNot(readIkeProposals, text), [why]);
  const many = Array.from({ length: 65 }, (_, n) => `aes${[128, 192, 256][n % 3]}-sha${[1, 256, 384, 512][n % 4]}`);
  const suites = many.map(
    (text, n) => `${text}-${['modp2048', 'ecp256', 'ecp384', 'ecp521', 'modp4096', 'x25519'][Math.floor(n / 12)]}`,
  );
  assert.deepEqual(whyNot(readIkeProposals, suites.join()), ['64 are before it']);
});

test('phase 2: AES-GCM, AES-CBC and 3DES, one group for all', () => {
  const esp = (text: string) =>
    readEspProposals(text).proposals.map(({ algorithms }) => Object.values(algorithms).join(' '));
  assert.deepEqual(esp('aes256gcm16,aes128gcm128-noesn,aes_gcm_c_256-null,aes192gcm-none!'), [
    'aes-gcm-16 32',
    'aes-gcm-16 16',
    'aes-gcm-16 24',
  ]);
  assert.deepEqual(esp('aes256-sha256,aes128-sha1,3des-sha512'), [
    'aes-cbc 32 hmac-sha2-256-128',
    'aes-cbc 16 hmac-sha1-96',
    '3des-cbc 24 hmac-sha2-512-256',
  ]);
  const groups = readEspProposals('3des-sha1-modp1024,aes256-sha1-modp2048,aes128-sha1,aes128-sha1-dh14');
  assert.deepEqual(
    groups.proposals.map(({ text, group }) => `${text} ${group}`),
    ['aes256-sha1-modp2048 modp2048', 'aes128-sha1-dh14 modp2048'],
    'that of the first which is not weak',
  );
  assert.deepEqual(
    groups.leftOut.map(({ text, why }) => `${text}: ${why}`),
    [
      '3des-sha1-modp1024: another Diffie-Hellman group than modp2048, and a quick mode has one',
      'aes128-sha1: another Diffie-Hellman group than modp2048, and a quick mode has one',
    ],
  );
});

test('phase 2: why a proposal is not offered', () => {
  for (const [text, why] of [
    ['aes256', 'it names no integrity, such as sha256'],
    ['sha256', 'it names no encryption, such as aes256'],
    ['aes256gcm16-sha256', 'AES-GCM has its own integrity'],
    ['aes256gcm12', '"aes256gcm12" is nothing that is done here'],
    ['null-sha1', '"null" is nothing that is done here'],
    ['aes256-sha256-esn', '"esn" is nothing that is done here'],
  ] as const)
    assert.deepEqual(whyNot(readEspProposals, text), [why]);
  // One number stands for both, so the first decides.
  const { proposals, leftOut } = readEspProposals('aes128-sha256_96,aes128-sha256');
  assert.equal(
    proposals[0]?.algorithms.encryption === 'aes-cbc' && proposals[0].algorithms.integrity,
    'hmac-sha2-256-96',
  );
  assert.deepEqual(leftOut, [{ text: 'aes128-sha256', why: 'to a server it is the same as one before it' }]);
});

test('weak are 3DES and short groups; they are offered to who was told alone', () => {
  const { proposals } = readIkeProposals('aes256-sha256-modp2048,3des-sha1-modp2048,aes256-sha1-modp1536');
  assert.equal(printProposals(offered(proposals, false)), 'aes256-sha256-modp2048');
  assert.equal(offered(proposals, true), proposals);
  assert.equal(offered(undefined, false), undefined);
  const weak = readEspProposals('3des-sha1').proposals;
  assert.equal(weakProposals({ ike: proposals, esp: undefined }), undefined);
  assert.equal(weakProposals({ ike: proposals, esp: weak }), '3des-sha1');
  assert.equal(
    weakProposals({ ike: readIkeProposals('aes256-sha1-modp1024!').proposals, esp: weak }),
    'aes256-sha1-modp1024 and 3des-sha1',
  );
});

test('any text can be read, and what is offered reads back as itself', () => {
  const words = fc.constantFrom(
    'aes256',
    '3des',
    'sha1',
    'sha256_96',
    'modp1024',
    'ecp256',
    'none',
    'aes128gcm',
    'null',
    '',
  );
  const list = fc.array(
    fc.array(words, { maxLength: 4 }).map((each) => each.join('-')),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        list.map((each) => each.join()),
      ),
      (text) => {
        for (const read of [readIkeProposals, readEspProposals]) {
          const { proposals } = read(text);
          assert.deepEqual(read(printProposals(proposals) ?? ''), { proposals, leftOut: [] });
        }
      },
    ),
  );
});
