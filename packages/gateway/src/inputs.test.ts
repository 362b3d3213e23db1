import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inputReader, serviceReader } from './inputs.ts';
import { serviceAccount } from './privileges.ts';

test('a file is read with its mode; one that is not there is the system’s error', () => {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-inputs-'));
  const path = join(folder, 'key');
  writeFileSync(path, 'secret', { mode: 0o640 });
  const read = inputReader(undefined);
  const { text, mode } = read(path);
  assert.equal(text, 'secret');
  assert.equal((mode ?? 0) & 0o777, 0o640);
  assert.throws(() => read(join(folder, 'nothing')), { code: 'ENOENT' });
  rmSync(folder, { recursive: true });
});

test('an inherited descriptor is read from its start, again and again, where the path may not be opened', () => {
  const folder = mkdtempSync(join(tmpdir(), 'culvert-inputs-'));
  const path = join(folder, 'key');
  writeFileSync(path, 'secret');
  const fd = openSync(path, 'r');
  readSync(fd, Buffer.alloc(3));
  const denied = () => {
    throw Object.assign(new Error('denied'), { code: 'EACCES' });
  };
  const inherited = new Set<string>();
  const onInherited = (file: string) => void inherited.add(file);
  const read = inputReader({ tun: undefined, files: { [path]: fd } }, { open: denied, onInherited });
  assert.equal(inherited.size, 0);
  assert.equal(read(path).text, 'secret');
  assert.equal(read(path).text, 'secret');
  assert.throws(() => read(join(folder, 'other')), { code: 'EACCES' });
  assert.deepEqual([...inherited], [path], 'told as no news');
  rmSync(folder, { recursive: true });
});

test('read for the service, a file tells when its user could not open it', (t) => {
  if (process.getuid?.() !== 0) {
    assert.ok(process.env['CI'] !== '1' && process.env['CULVERT_CI'] !== '1', 'root is missing');
    return t.skip('needs root');
  }
  const folder = mkdtempSync(join(tmpdir(), 'culvert-inputs-'));
  chmodSync(folder, 0o755);
  const path = join(folder, 'key');
  writeFileSync(path, 'secret', { mode: 0o600 });
  const read = serviceReader(serviceAccount('nobody'));
  assert.equal(read(path).text, 'secret');
  assert.equal(read(path).closedTo, 'nobody');
  chmodSync(path, 0o644);
  assert.equal(read(path).closedTo, undefined);
  rmSync(folder, { recursive: true });
});
