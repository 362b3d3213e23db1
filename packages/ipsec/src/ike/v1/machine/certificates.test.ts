import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyPairKeyObjectResult } from 'node:crypto';
import { test } from 'node:test';
import {
  type IkeWork,
  type IkeWorkResult,
  type OwnCertificate,
  type SignatureMethod,
  signHash,
  verifyHash,
} from '@culvert/ipsec';
import { type HostOptions, IkeBed } from '../../../../test/ike-bed.ts';

const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = (namedCurve: string) => () => generateKeyPairSync('ec', { namedCurve });
const methods = { 'rsa-signature': rsa, 'ecdsa-256': ec('P-256'), 'ecdsa-384': ec('P-384'), 'ecdsa-521': ec('P-521') };

/** Stands in for a certificate: its first byte says whose key it has. Long, so that messages go in fragments. */
function certificate(n: number, method: SignatureMethod): OwnCertificate {
  const der = new Uint8Array(2000).fill(n);
  return {
    chain: [der, new Uint8Array(900).fill(9)],
    method,
    subject: Uint8Array.of(0x30, n),
    authorities: [Uint8Array.of(0x30, 9)],
  };
}

/** Two ends with a key of their own each; the second may have been given the wrong one. */
class Pair {
  readonly bed: IkeBed = new IkeBed();
  readonly #method: SignatureMethod;
  /** Certificates that the first shows beside its chain. */
  readonly #more: number;
  readonly #keys: readonly KeyPairKeyObjectResult[];
  readonly a;
  readonly b;

  constructor(
    method: SignatureMethod,
    options: { trusts?: (whose: number, by: number) => boolean; forged?: boolean; more?: number },
  ) {
    this.#method = method;
    this.#more = options.more ?? 0;
    this.#keys = [methods[method](), methods[method](), methods[method]()];
    const { trusts = () => true, forged = false } = options;
    this.a = this.bed.host(this.#host(0, '198.51.100.2', trusts, forged ? 2 : 0));
    this.b = this.bed.host(this.#host(1, '192.0.2.1', trusts, 1));
    this.bed.connect(this.a, this.b, { authentication: 'certificate' });
  }

  #host(n: number, address: string, trusts: (whose: number, by: number) => boolean, key: number): HostOptions {
    const work = (item: IkeWork): IkeWorkResult => {
      if (item.kind === 'sign') return signHash(item.method, this.#pair(key).privateKey, item.hash);
      if (item.kind !== 'verify') return undefined;
      const whose = item.certificates[0]?.[0] ?? 0;
      if (!trusts(whose, n)) return 'the certificate is not trusted';
      const { publicKey } = this.#pair(whose);
      return verifyHash(item.method, publicKey, item.hash, item.signature) || 'the signature is wrong';
    };
    const own = certificate(n, this.#method);
    const more = new Array(n === 0 ? this.#more : 0).fill(Uint8Array.of(9));
    return { address, certificate: { ...own, chain: [...own.chain, ...more] }, work };
  }

  #pair(n: number): KeyPairKeyObjectResult {
    return this.#keys[n] as KeyPairKeyObjectResult;
  }
}

for (const method of Object.keys(methods) as SignatureMethod[]) {
  test(`main mode by ${method}, in fragments, gives both the proven certificate and the same keys`, () => {
    const { bed, a, b } = new Pair(method, {});
    assert.ok(bed.until(() => a.of('child-ready').length > 0 && b.of('child-ready').length > 0, 5000));
    assert.equal(b.one('established').authentication, 'certificate');
    assert.equal(b.one('established').certificates.length, 2);
    assert.deepEqual(b.one('established').identity.data, Uint8Array.of(0x30, 0));
    assert.deepEqual(a.one('child-created').sa.inbound, b.one('child-created').sa.outbound);
    assert.ok(bed.sent.every(({ datagram }) => datagram.length <= 1200));
    assert.ok(bed.sent.filter(({ datagram }) => datagram[16] === 132).length >= 6);
  });

  test(`${method}: who shows a certificate whose key it does not have gets no SA`, () => {
    const { bed, a, b } = new Pair(method, { forged: true });
    bed.run(60_000);
    assert.equal(a.one('closed').code, 'authentication');
    assert.equal(b.one('closed').reason.detail, 'the signature is wrong');
    assert.equal(a.of('established').length + b.of('established').length, 0);
    assert.equal(b.of('child-created').length, 0);
  });
}

for (const distrustful of ['initiator', 'responder'] as const) {
  test(`a certificate that the ${distrustful} does not trust makes no SA`, () => {
    const { bed, a, b } = new Pair('rsa-signature', {
      trusts: (_, by) => by !== (distrustful === 'initiator' ? 0 : 1),
    });
    assert.ok(
      bed.until(() => a.of('closed').length + b.of('closed').length === 2, 5000),
      'both know soon',
    );
    bed.run(60_000);
    assert.equal(a.one('closed').code, 'authentication');
    assert.equal(b.one('closed').code, 'authentication');
    if (distrustful === 'responder') assert.equal(a.one('closed').reason.detail, 'the peer refused our authentication');
    assert.equal(a.of('established').length, 0);
    assert.equal(b.of('child-created').length, 0);
    if (distrustful === 'responder') assert.equal(b.one('closed').reason.detail, 'the certificate is not trusted');
  });
}

test('a peer that shows more certificates than are looked at is refused at once, with that as the reason', () => {
  const { bed, a, b } = new Pair('ecdsa-256', { more: 7 });
  assert.ok(bed.until(() => a.of('closed').length + b.of('closed').length === 2, 5_000));
  assert.equal(b.one('closed').reason.detail, 'the peer showed more than 8 certificates');
  assert.equal(a.one('closed').reason.detail, 'the peer refused our authentication');
});

test('ends whose certificates sign by different methods are told so by both offers', () => {
  const bed = new IkeBed();
  const a = bed.host({ address: '198.51.100.2', certificate: certificate(0, 'ecdsa-256') });
  const b = bed.host({ address: '192.0.2.1', certificate: certificate(1, 'rsa-signature') });
  bed.connect(a, b, { authentication: 'certificate' });
  bed.run(60_000);
  assert.equal(a.one('closed').code, 'no-proposal');
  assert.match(b.of('refused')[0]?.detail ?? '', /ecdsa-256.*rsa-signature/);
});

test('a peer whose certificate never comes is told of with what that may be', () => {
  const fragment = 132;
  const pair = new Pair('ecdsa-256', {});
  pair.bed.filter = ({ from, datagram }) =>
    from === pair.b.options.address || (datagram[16] !== fragment && ((datagram[19] ?? 0) & 1) === 0);
  pair.bed.run(120_000);
  assert.match(
    pair.b.one('closed').reason.detail,
    /, or its certificate is lost in fragments on the way, or it has none/,
  );
});
