import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PasswordHasher } from './index.ts';

/** Little work, so that the tests are quick. */
const parameters = { memoryKib: 64, passes: 1, lanes: 1 };
const quick = (more: { concurrent?: number; waiting?: number } = {}) => new PasswordHasher({ parameters, ...more });

test('a password verifies against its own hash and no other', async () => {
  const hasher = quick();
  const encoded = await hasher.hash('correct horse');
  assert.match(encoded, /^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.equal(await hasher.verify(encoded, 'correct horse'), true);
  assert.equal(await hasher.verify(encoded, 'correct horsf'), false);
  assert.equal(await hasher.verify(encoded, ''), false);
  assert.notEqual(await hasher.hash('correct horse'), encoded, 'every hash has its own salt');
});

test('the same letters composed differently are the same password', async () => {
  const hasher = quick();
  assert.equal(await hasher.verify(await hasher.hash('Zo\u00eb'), 'Zoe\u0308'), true);
});

test('hashes of the reference implementation verify', async () => {
  // A vector of github.com/P-H-C/phc-winner-argon2, src/test.c: Argon2id, "password", "somesalt".
  const hasher = quick();
  const encoded = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';
  assert.equal(await hasher.verify(encoded, 'password'), true);
});

test('no user and no password take the work of a real one, and are false', async () => {
  const hasher = new PasswordHasher();
  const started = performance.now();
  assert.equal(await hasher.verify(undefined, 'anything'), false);
  const unknown = performance.now() - started;
  const encoded = await hasher.hash('secret');
  const again = performance.now();
  assert.equal(await hasher.verify(encoded, 'wrong'), false);
  const known = performance.now() - again;
  assert.ok(unknown > known / 4, `${unknown} ms against ${known} ms`);
});

test('empty and endless passwords are refused, endless ones never verify', async () => {
  const hasher = quick();
  await assert.rejects(hasher.hash(''), { code: 'CULVERT_STORE_PASSWORD' });
  await assert.rejects(hasher.hash('x'.repeat(1025)), { code: 'CULVERT_STORE_PASSWORD' });
  assert.equal(await hasher.verify(await hasher.hash('x'), 'x'.repeat(100_000)), false);
});

test('a stored hash that asks for too much, or is none, is an error', async () => {
  const salted = '$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';
  for (const head of [
    '$argon2id$v=19$m=9999999,t=1,p=1',
    '$argon2id$v=19$m=64,t=99,p=1',
    '$argon2i$v=19$m=64,t=1,p=1',
  ]) {
    await assert.rejects(quick().verify(head + salted, 'x'), { code: 'CULVERT_STORE_HASH' });
  }
});

test('what waits is bounded: one more is turned away at once', async () => {
  const hasher = quick({ concurrent: 1, waiting: 2 });
  const accepted = [hasher.hash('a'), hasher.hash('b'), hasher.hash('c')];
  await assert.rejects(hasher.hash('d'), { code: 'CULVERT_STORE_OVERLOADED' });
  assert.equal((await Promise.all(accepted)).length, 3);
  await hasher.hash('e');
});

test('who gives up leaves the queue and frees the place', async () => {
  const hasher = quick({ concurrent: 1, waiting: 1 });
  const first = hasher.hash('a');
  const gone = new AbortController();
  const second = hasher.hash('b', gone.signal);
  gone.abort(new Error('gone'));
  await assert.rejects(second, /gone/);
  const third = hasher.hash('c');
  await Promise.all([first, third]);
});
