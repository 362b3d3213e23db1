import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '@culvert/testkit';
import { watchFile } from './file-watch.ts';

test('a file that is rewritten, replaced, taken away and put back is told each time', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-watch-'));
  const path = join(folder, 'crl.pem');
  writeFileSync(path, 'one');
  let changes = 0;
  const { promise: seen, resolve } = Promise.withResolvers<void>();
  const watch = watchFile(path, () => changes++, resolve);
  await seen;
  writeFileSync(path, 'two!');
  await eventually('a rewrite', () => changes === 1);
  writeFileSync(`${path}.new`, 'four');
  renameSync(`${path}.new`, path);
  await eventually('a replacement', () => changes === 2);
  rmSync(path);
  writeFileSync(`${path}.new`, 'five');
  renameSync(`${path}.new`, path);
  await eventually('its return', () => changes === 3);
  watch.close();
  rmSync(folder, { recursive: true });
  assert.equal(changes, 3);
});
