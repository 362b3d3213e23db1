/** What a refusal costs: a stranger measures its time. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Claim } from '@culvert/core';
import { claimOf, openTestStore } from '../test/fixtures.ts';
import { NtHashes } from './nt-hashes.ts';
import { checkPassword, checkResponse, type Proven } from './proof.ts';

type Response = Extract<NonNullable<Claim['response']>, { kind: 'mschapv2' }>;

const names = ['alice', 'bob', 'eve', 'nobody'] as const;

/** alice has a password and what MS-CHAPv2 needs, bob has neither, eve's NT hash cannot be opened, nobody is no user. */
async function open(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-proof-'));
  const { store, hasher, close } = openTestStore();
  t.after(async () => {
    await close();
    rmSync(folder, { recursive: true });
  });
  const ntHashes = new NtHashes({ file: join(folder, 'secret.key'), ours: true });
  const passwordHash = await hasher.hash('right');
  const sealed = ntHashes.seal('alice', 'right');
  await store.addUser('alice', { passwordHash, ntHash: sealed });
  await store.addUser('bob', {});
  await store.addUser('eve', { passwordHash, ntHash: sealed });
  const work: string[] = [];
  for (const method of ['user', 'ntHash', 'passwordHash'] as const) {
    const original = store[method].bind(store);
    t.mock.method(store, method, (name: string) => {
      work.push(method);
      return original(name);
    });
  }
  const decipher = crypto.createDecipheriv;
  t.mock.method(crypto, 'createDecipheriv', (...of: Parameters<typeof decipher>) => {
    work.push('open');
    return decipher(...of);
  });
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return { store, hasher, ntHashes, work };
}

function claimed(user: string): Proven {
  return { kind: 'proven', user, certificate: undefined, proofs: ['password'] };
}

test('a wrong answer to MS-CHAPv2 costs the same work whoever it names', async (t) => {
  const { store, ntHashes, work } = await open(t);
  const reasons: string[] = [];
  for (const name of names) {
    const response: Response = {
      kind: 'mschapv2',
      username: name,
      authenticatorChallenge: new Uint8Array(16),
      peerChallenge: new Uint8Array(16),
      ntResponse: new Uint8Array(24),
    };
    const answer = await checkResponse(claimed(name), response, { store, ntHashes, bars: () => undefined });
    assert.ok(answer.kind === 'refused');
    reasons.push(answer.reason);
    assert.deepEqual(work.splice(0), ['ntHash', 'open', 'user'], name);
  }
  assert.deepEqual(reasons, [
    'wrong password for alice',
    'bob has no NT hash, which MS-CHAPv2 needs: culvertd user passwd bob',
    'eve has an NT hash of another key: culvertd user passwd eve',
    'there is no user nobody',
  ]);
});

test('a wrong password costs the same work whoever it names', async (t) => {
  const { store, hasher, work } = await open(t);
  for (const name of names) {
    const claim = claimOf({ password: [name, 'wrong'] });
    const answer = await checkPassword(claimed(name), claim, { store, hasher, signal: new AbortController().signal });
    assert.equal(answer?.kind, 'refused');
    assert.deepEqual(work.splice(0), ['passwordHash', 'user'], name);
  }
});
