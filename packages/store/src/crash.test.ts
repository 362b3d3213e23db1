/** What was acknowledged survives kill -9 and a full disk. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SqliteStore } from './sqlite-store.ts';

const child = fileURLToPath(new URL('../test/add-users.ts', import.meta.url));
let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'culvert-store-'));
});
after(() => rmSync(directory, { recursive: true }));

test('kill -9 at any moment loses nothing that was acknowledged', async () => {
  const path = join(directory, 'killed.db');
  const acknowledged = new Set<string>();
  for (let round = 0; round < 8; round++) {
    const names = await namesBeforeKill(path, `r${round}`, 1 + 7 * round);
    for (const name of names) acknowledged.add(name);
    const store = new SqliteStore(path);
    const users = new Map(store.users().map((user) => [user.name, user]));
    for (const name of acknowledged) assert.equal(users.get(name)?.groups.length, 2, `${name} is whole`);
    store.close();
  }
  assert.ok(acknowledged.size > 100, `enough was written to matter: ${acknowledged.size}`);
  assertSound(path);
});

test('a full disk refuses the next write and keeps those before it', (t) => {
  const mount = join(directory, 'small');
  const path = join(mount, 'users.db');
  // The file system is the child's alone: it goes with its mount namespace. What it held is copied out first.
  const script = `mkdir -p "$1" && mount -t tmpfs -o size=2m,mode=0700 tmpfs "$1" || exit 77
    "$2" --disable-warning=ExperimentalWarning "$3" "$4" full; mkdir "$5" && cp "$1"/users.db* "$5"/`;
  const rescued = join(directory, 'rescued');
  const argv = ['-m', 'sh', '-c', script, 'sh', mount, process.execPath, child, path, rescued];
  const { stdout, status, error } = spawnSync('unshare', argv, { encoding: 'utf8', timeout: 60_000 });
  if (error !== undefined || status === 77 || stdout === '') {
    assert.ok(process.env['CI'] !== '1' && process.env['CULVERT_CI'] !== '1', 'CI can make mount namespaces');
    return t.skip('needs root, to mount a small file system');
  }
  const lines = stdout.trimEnd().split('\n');
  assert.equal(lines.pop(), '!CULVERT_STORE_FULL');
  assert.ok(lines.length > 50, `the disk took some: ${lines.length}`);
  const store = new SqliteStore(join(rescued, 'users.db'));
  const names = new Set(store.users().map(({ name }) => name));
  for (const name of lines) assert.ok(names.has(name), name);
  store.close();
  assertSound(join(rescued, 'users.db'));
});

/** Runs the child until it has acknowledged `count` names, kills it a moment later, and returns all that it acknowledged. */
function namesBeforeKill(path: string, prefix: string, count: number): Promise<string[]> {
  const writer = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', child, path, prefix]);
  let text = '';
  writer.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (text.split('\n').length > count) writer.kill('SIGKILL');
  });
  const { promise, resolve } = Promise.withResolvers<string[]>();
  // The last line may be torn: only whole ones were acknowledged.
  writer.on('close', () => resolve(text.split('\n').slice(0, -1)));
  return promise;
}

function assertSound(path: string): void {
  assert.ok(readFileSync(path).length > 0);
  const db = new DatabaseSync(path);
  assert.deepEqual(Object.values(db.prepare('PRAGMA integrity_check').get() ?? {}), ['ok']);
  db.close();
}
