import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { type IkeWork, type IkeWorkResult, type OwnCertificate, signRsa, verifyRsa } from '@culvert/ipsec';
import { type HostOptions, IkeBed } from '../../../../test/ike-bed.ts';

const pairs = [
  generateKeyPairSync('rsa', { modulusLength: 2048 }),
  generateKeyPairSync('rsa', { modulusLength: 2048 }),
];

/** Stands in for a certificate: its first byte says whose key it has. Long, so that messages go in fragments. */
function certificate(n: number): OwnCertificate {
  const der = new Uint8Array(2000).fill(n);
  return {
    chain: [der, new Uint8Array(900).fill(9)],
    key: 'rsa',
    subject: Uint8Array.of(0x30, n),
    authorities: [Uint8Array.of(0x30, 9)],
  };
}

function host(n: number, address: string, trusts: (n: number) => boolean): HostOptions {
  const work = (item: IkeWork): IkeWorkResult => {
    if (item.kind === 'sign') return signRsa((pairs[n] as { privateKey: KeyObject }).privateKey, item.hash);
    if (item.kind !== 'verify') return undefined;
    const whose = item.certificates[0]?.bytes[0] ?? 0;
    if (!trusts(whose)) return 'the certificate is not trusted';
    const key = (pairs[whose] as { publicKey: KeyObject }).publicKey;
    return verifyRsa(key, item.hash, item.signature) || 'the signature is wrong';
  };
  return { address, certificate: certificate(n), work };
}

test('main mode by certificates, in fragments, gives both the proven certificate and the same keys', () => {
  const bed = new IkeBed();
  const a = bed.host(host(0, '198.51.100.2', () => true));
  const b = bed.host(host(1, '192.0.2.1', () => true));
  bed.connect(a, b, { authentication: 'certificate' });
  assert.ok(bed.until(() => a.of('child-ready').length > 0 && b.of('child-ready').length > 0, 5000));
  assert.equal(b.one('established').authentication, 'certificate');
  assert.equal(b.one('established').certificates.length, 2);
  assert.deepEqual(b.one('established').identity.data, Uint8Array.of(0x30, 0));
  assert.deepEqual(a.one('child-created').sa.inbound, b.one('child-created').sa.outbound);
  assert.ok(bed.sent.every(({ datagram }) => datagram.length <= 1200));
  assert.ok(bed.sent.filter(({ datagram }) => datagram[16] === 132).length >= 6);
});

for (const distrustful of ['initiator', 'responder'] as const) {
  test(`a certificate that the ${distrustful} does not trust makes no SA`, () => {
    const bed = new IkeBed();
    const a = bed.host(host(0, '198.51.100.2', () => distrustful === 'responder'));
    const b = bed.host(host(1, '192.0.2.1', () => distrustful === 'initiator'));
    bed.connect(a, b, { authentication: 'certificate' });
    bed.run(60_000);
    assert.equal(a.one('closed').code, 'authentication');
    assert.equal(a.of('established').length, 0);
    assert.equal(b.of('child-created').length, 0);
    if (distrustful === 'responder') assert.equal(b.one('closed').reason.detail, 'the certificate is not trusted');
  });
}
