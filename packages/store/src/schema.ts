/** The tables, as the steps that made them. A step that was released is never changed: a new one follows it. */
import type { DatabaseSync } from 'node:sqlite';
import { StoreError } from './errors.ts';

/** Marks the file as ours (`file` and SQLite show it): "CULV". */
const applicationId = 0x4355_4c56;

const steps: readonly string[] = [
  `CREATE TABLE users (
     name TEXT PRIMARY KEY NOT NULL,
     enabled INTEGER NOT NULL,
     password_hash TEXT,
     ipv4 TEXT UNIQUE,
     ipv6 TEXT UNIQUE,
     created INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE user_groups (
     user TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
     name TEXT NOT NULL,
     PRIMARY KEY (user, name)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE networks_behind (
     user TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
     network TEXT NOT NULL,
     PRIMARY KEY (user, network)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE leases (
     serial INTEGER PRIMARY KEY AUTOINCREMENT,
     version INTEGER NOT NULL CHECK (version IN (4, 6)),
     address TEXT NOT NULL,
     user TEXT NOT NULL,
     UNIQUE (version, address)
   ) STRICT;`,
  'ALTER TABLE users ADD COLUMN nt_hash TEXT;',
];

/** Brings the tables to this version's shape, each step whole or not at all. Two processes may do this at once. */
export function migrate(db: DatabaseSync, path: string): void {
  if (version(db) > steps.length) throw new StoreError('CULVERT_STORE_NEWER', path);
  while (version(db) < steps.length) {
    db.exec('BEGIN IMMEDIATE');
    try {
      const at = version(db);
      const step = steps[at];
      if (step !== undefined) {
        db.exec(step);
        db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${at + 1}`);
      }
      db.exec('COMMIT');
    } catch (error) {
      db.exec('ROLLBACK');
      throw error;
    }
  }
}

function version(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
}
