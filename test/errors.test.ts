/** Holds docs/errors.md and the packages' tables of error codes to each other. `scripts/node scripts/error-codes.ts` updates it. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { documentedErrors, errorCodes } from '../scripts/error-codes.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

test('docs/errors.md has every code of every package with its sentence, and no other', async () => {
  const inCode = [...(await errorCodes()).values()].flat().map(({ code, sentence }) => `${code}: ${sentence}`);
  const inDocument = documentedErrors().map(({ code, sentence }) => `${code}: ${sentence}`);
  assert.deepEqual(inDocument.sort(), inCode.sort());
});

test('every error has a word on what to do', () => {
  const silent = documentedErrors().filter(({ whatToDo }) => whatToDo === '');
  assert.deepEqual(silent, []);
});

test('each code has the prefix of its package, and belongs to one package', async () => {
  const tables = await errorCodes();
  const all = [...tables.values()].flat().map(({ code }) => code);
  assert.equal(new Set(all).size, all.length);
  for (const [name, codes] of tables) {
    const prefix = `CULVERT_${name.toUpperCase().replaceAll('-', '_')}_`;
    const short = `CULVERT_${name.toUpperCase().split('-')[0]}_`;
    for (const { code } of codes) assert.ok(code.startsWith(prefix) || code.startsWith(short), `${name}: ${code}`);
  }
});

test('every code that the sources mention is in a table', async () => {
  const known = new Set([...(await errorCodes()).values()].flat().map(({ code }) => code));
  const notErrors = /^CULVERT_(?:TESTKIT_\w+|DEBUG|CI|RUN|PROFILES|CA_PASSPHRASE|CA_DIR|BACKGROUND)$/;
  for (const file of globSync('packages/*/src/**/*.ts', { cwd: root })) {
    for (const [code] of readFileSync(`${root}${file}`, 'utf8').matchAll(/\bCULVERT_[A-Z0-9_]+\b/g)) {
      if (!code.endsWith('_')) assert.ok(known.has(code) || notErrors.test(code), `${file}: ${code}`);
    }
  }
});
