import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'node:test';
import { eventually } from '@culvert/testkit';
import { openStore, openStoreThread, type Store } from './index.ts';
import { openSqliteFile } from './sqlite-file.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'culvert-store-'));
  path = join(directory, 'users.db');
});
afterEach(() => rmSync(directory, { recursive: true }));

const opened = {
  'on this thread': async () => openStore(path),
  'on its own thread': () => openStoreThread(path, () => {}),
} as const;

for (const [where, open] of Object.entries(opened)) {
  test(`users are added, changed, listed and removed (${where})`, async () => {
    await using store = closing(await open());
    await store.addUser('bob', {});
    await store.addUser('alice', { groups: ['staff', 'admins'], ipv4: '10.88.0.9', passwordHash: '$x' });
    const [alice, bob] = await store.users();
    assert.deepEqual(
      { ...alice, created: 0 },
      {
        name: 'alice',
        enabled: true,
        hasPassword: true,
        hasNtHash: false,
        groups: ['admins', 'staff'],
        ipv4: '10.88.0.9',
        ipv6: undefined,
        networksBehind: [],
        created: 0,
      },
    );
    assert.equal(bob?.hasPassword, false);

    await store.changeUser('alice', { enabled: false, groups: [], ipv4: null, networksBehind: ['10.1.0.0/16'] });
    const changed = await store.user('alice');
    assert.equal(changed?.enabled, false);
    assert.deepEqual(changed?.groups, []);
    assert.equal(changed?.ipv4, undefined);
    assert.equal(await store.passwordHash('alice'), '$x', 'what is not named stays');

    await store.removeUser('alice');
    assert.equal(await store.user('alice'), undefined);
  });

  test(`mistakes have their codes, and change nothing (${where})`, async () => {
    await using store = closing(await open());
    await store.addUser('alice', { ipv6: 'fd88::9' });
    await assert.rejects(store.addUser('alice', {}), { code: 'CULVERT_STORE_USER_EXISTS', message: /alice/ });
    await assert.rejects(store.changeUser('carol', {}), { code: 'CULVERT_STORE_NO_USER' });
    await assert.rejects(store.removeUser('carol'), { code: 'CULVERT_STORE_NO_USER' });
    const taken = { code: 'CULVERT_STORE_ADDRESS_TAKEN', message: /fd88::9 is alice's/ };
    await assert.rejects(store.addUser('bob', { ipv6: 'fd88::9' }), taken);
    assert.equal((await store.users()).length, 1, 'bob was not half added');
  });
}

test('an NT hash belongs to one password, and those of named users can be forgotten', async () => {
  await using store = closing(openStore(path));
  await store.addUser('alice', { passwordHash: 'a', ntHash: 'sealed' });
  await store.addUser('bob', { passwordHash: 'b' });
  assert.deepEqual(
    (await store.users()).map(({ name, hasNtHash }) => [name, hasNtHash]),
    [
      ['alice', true],
      ['bob', false],
    ],
  );
  assert.deepEqual([await store.ntHash('alice'), await store.ntHash('bob')], ['sealed', undefined]);
  await store.changeUser('alice', { passwordHash: 'new' });
  assert.equal(await store.ntHash('alice'), undefined, 'it was of the password before');
  await store.changeUser('alice', { passwordHash: 'newer', ntHash: 'sealed again' });
  await store.addUser('carol', { passwordHash: 'c', ntHash: 'sealed' });
  const named = ['alice', 'bob', 'nobody'];
  assert.deepEqual([await store.forgetNtHashes(named), await store.forgetNtHashes(named)], [1, 0]);
  assert.deepEqual(
    (await store.users()).map(({ hasNtHash }) => hasNtHash),
    [false, false, true],
  );
});

test('leases come back in the order of their use, one an address, and go with their user', async () => {
  await using store = closing(openStore(path));
  await store.addUser('bob', {});
  await store.putLeases([
    { user: 'alice', version: 4, address: '10.88.0.2' },
    { user: 'bob', version: 4, address: '10.88.0.3' },
    { user: 'bob', version: 6, address: 'fd88::3' },
    { user: 'alice', version: 4, address: '10.88.0.2' },
  ]);
  assert.deepEqual(await store.leases(4), [
    { user: 'bob', address: '10.88.0.3' },
    { user: 'alice', address: '10.88.0.2' },
  ]);
  await store.putLeases([{ user: 'carol', version: 4, address: '10.88.0.3' }]);
  await store.removeUser('bob');
  assert.deepEqual(
    (await store.leases(4)).map(({ user }) => user),
    ['alice', 'carol'],
  );
  assert.deepEqual(await store.leases(6), []);
});

test('a commit waits for the disk, and readers for no writer', () => {
  const db = openSqliteFile(path);
  assert.equal(db.prepare('PRAGMA synchronous').get()?.['synchronous'], 2, 'FULL');
  assert.equal(db.prepare('PRAGMA journal_mode').get()?.['journal_mode'], 'wal');
  db.close();
});

test('a change by another process is told', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await using store = closing(await openStoreThread(path, resolve));
  await using other = closing(openStore(path));
  await other.addUser('alice', {});
  await promise;
  assert.equal((await store.user('alice'))?.name, 'alice');
});

test('the files are the owner’s alone, and a file that others may read is refused', async () => {
  const store = openStore(path);
  await store.addUser('alice', {});
  for (const suffix of ['', '-wal', '-shm']) assert.equal(statSync(path + suffix).mode & 0o777, 0o600, suffix);
  await store.close();
  chmodSync(path, 0o640);
  assert.throws(() => openStore(path), { code: 'CULVERT_STORE_MODE', message: /chmod 600/ });
});

test('a file that is no store, is newer, or has no directory, is told on either thread', async () => {
  writeFileSync(path, 'this is a text, and a long one: '.repeat(100), { mode: 0o600 });
  assert.throws(() => openStore(path), { code: 'CULVERT_STORE_DAMAGED' });
  await assert.rejects(
    openStoreThread(path, () => {}),
    { code: 'CULVERT_STORE_DAMAGED' },
  );
  const nowhere = join(directory, 'nowhere', 'users.db');
  assert.throws(() => openStore(nowhere), { code: 'CULVERT_STORE_OPEN' });

  const newer = join(directory, 'newer.db');
  await openStore(newer).close();
  const db = new DatabaseSync(newer);
  db.exec('PRAGMA user_version = 1000');
  db.close();
  assert.throws(() => openStore(newer), { code: 'CULVERT_STORE_NEWER' });
});

test('a thread that ends is told, and another takes its place', async () => {
  let told = 0;
  const body = new URL('../test/mortal-thread.ts', import.meta.url);
  await using store = closing(await openStoreThread(path, () => void told++, body));
  await store.addUser('alice', {});
  await Promise.allSettled([store.forgetNtHashes([])]);
  await eventually('its end is told', () => told === 1);
  await assert.rejects(store.users(), { code: 'CULVERT_STORE_FAILED', message: /its thread has ended/ }, 'not at once');
  await eventually('another thread answers', async () => {
    const users = await store.users().catch(() => []);
    return users[0]?.name === 'alice';
  });
  assert.equal(told, 2, 'what others changed meanwhile is to be read');
});

test('a closed store rejects, and its thread is gone', async () => {
  const ports = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
  const before = ports();
  const store = await openStoreThread(path, () => {});
  assert.ok(ports() > before, 'its thread runs');
  await store.close();
  await assert.rejects(store.users(), { code: 'CULVERT_STORE_FAILED' });
  assert.equal(ports(), before);
});

function closing(store: Store): Store & AsyncDisposable {
  return { ...store, [Symbol.asyncDispose]: () => store.close() };
}
