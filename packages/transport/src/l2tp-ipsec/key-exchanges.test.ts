import assert from 'node:assert/strict';
import { getDiffieHellman } from 'node:crypto';
import { test } from 'node:test';
import { createKeyAgreement, groupNumbers, type IkeGroup, type IkeWorkResult, publicValueBytes } from '@culvert/ipsec';
import { seededRandom } from '@culvert/testkit';
import { exchangeKeysAside } from './agree.ts';
import { KeyExchanges } from './key-exchanges.ts';

const seed = new Uint8Array(48);
const unexpected = (): void => assert.fail();

for (const group of Object.keys(groupNumbers) as IkeGroup[]) {
  test(`${group}: an exchange on other threads agrees with one here, and refuses the same`, async () => {
    const end = createKeyAgreement(group, seededRandom(3));
    const values = new Set<string>();
    for (let n = 0; n < 3; n++) {
      const result = await exchangeKeysAside({ group, seed, peerValue: end.publicValue });
      assert.ok(result !== undefined);
      assert.equal(result.publicValue.length, publicValueBytes(group));
      assert.deepEqual(end.agree(result.publicValue), result.sharedSecret);
      values.add(result.publicValue.toString());
    }
    assert.equal(values.size, 3);
    const bytes = publicValueBytes(group);
    const bad = [
      new Uint8Array(bytes),
      end.publicValue.slice(1),
      Uint8Array.of(...end.publicValue, 0),
      new Uint8Array(),
    ];
    if (group !== 'curve25519') bad.push(new Uint8Array(bytes).fill(0xff), new Uint8Array(bytes).with(-1, 1));
    for (const peerValue of bad) assert.equal(await exchangeKeysAside({ group, seed, peerValue }), undefined);
  });
}

test('p and p-1 are refused on other threads too', async () => {
  const prime = Uint8Array.from(getDiffieHellman('modp14').getPrime());
  const almost = prime.with(-1, (prime.at(-1) ?? 0) - 1);
  for (const peerValue of [prime, almost])
    assert.equal(await exchangeKeysAside({ group: 'modp2048', seed, peerValue }), undefined);
});

const request = {
  group: 'ecp521',
  seed,
  peerValue: createKeyAgreement('ecp521', seededRandom(4)).publicValue,
} as const;

test('key exchanges are done one after another in their order, and those beyond the limit are dropped', async () => {
  const exchanges = new KeyExchanges({ limit: 3, onFault: unexpected });
  const done: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const taken = [1, 2, 3, 4].map((n) =>
    exchanges.push(request, (result: IkeWorkResult) => {
      assert.ok(typeof result === 'object' && 'publicValue' in result);
      done.push(n);
      if (n === 3) resolve();
    }),
  );
  assert.deepEqual(taken, [true, true, true, false]);
  assert.equal(exchanges.dropped, 1);
  assert.deepEqual(done, []);
  await promise;
  assert.deepEqual(done, [1, 2, 3]);
});

test('what was cleared is not told of, and what comes behind it is done', async () => {
  const exchanges = new KeyExchanges({ limit: 3, onFault: unexpected });
  exchanges.push(request, unexpected);
  exchanges.push(request, unexpected);
  exchanges.clear();
  await new Promise<void>((resolve) => assert.ok(exchanges.push(request, () => resolve())));
});

test('a fault in what takes a result is told, and what waits behind it is done', async () => {
  const faults: unknown[] = [];
  const exchanges = new KeyExchanges({ limit: 3, onFault: (error) => faults.push(error) });
  exchanges.push(request, () => {
    throw new TypeError('ours');
  });
  await new Promise<void>((resolve) => assert.ok(exchanges.push(request, () => resolve())));
  assert.deepEqual(faults, [new TypeError('ours')]);
});
