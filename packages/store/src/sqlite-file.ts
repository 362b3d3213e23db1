/** Opens the store's file: owner's alone, journalled ahead, and on the disk before a write is reported. */
import { chownSync, closeSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreError, storeError } from './errors.ts';
import { migrate } from './schema.ts';

/** How long a writer waits for another process's write. */
const busyMillis = 5_000;

export function openSqliteFile(path: string): DatabaseSync {
  try {
    createPrivately(path);
    const db = new DatabaseSync(path, { timeout: busyMillis, enableForeignKeyConstraints: true });
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF');
    migrate(db, path);
    return db;
  } catch (error) {
    throw storeError(error, path);
  }
}

/** SQLite gives its journal files the mode and owner of the file itself, so that one place decides. */
function createPrivately(path: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'ax', 0o600);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw new StoreError('CULVERT_STORE_OPEN', message, { cause: error });
    const { mode } = statSync(path);
    if ((mode & 0o077) !== 0) throw new StoreError('CULVERT_STORE_MODE', `chmod 600 ${path}`);
    return;
  }
  closeSync(descriptor);
  // Root may write the first user before the service runs: the file is the service's all the same.
  const { uid, gid } = statSync(dirname(path));
  if (process.getuid?.() === 0 && uid !== 0) chownSync(path, uid, gid);
}
