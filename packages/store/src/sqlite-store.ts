/**
 * The Store on one SQLite file, as plain calls on the calling thread: a write waits for the disk.
 * Command lines use it as it is, through `openStore`; the gateway through `openStoreThread`.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { StoreError, storeError } from './errors.ts';
import { openSqliteFile } from './sqlite-file.ts';
import type { NewLease, Store, StoredLease, User, UserChange } from './store.ts';

/** The methods of `Store`, without promises. */
export type SyncStore = {
  readonly [Method in keyof Store]: (...args: Parameters<Store[Method]>) => Awaited<ReturnType<Store[Method]>>;
};

export class SqliteStore implements SyncStore {
  readonly #path: string;
  readonly #db: DatabaseSync;

  /** Opens or creates the file. Throws StoreError. */
  constructor(path: string) {
    this.#path = path;
    this.#db = openSqliteFile(path);
  }

  user(name: string): User | undefined {
    return this.#guard(() => this.#select('WHERE name = ?', name)[0]);
  }

  users(): readonly User[] {
    return this.#guard(() => this.#select('ORDER BY name'));
  }

  addUser(name: string, fields: UserChange): void {
    this.#transaction(() => {
      const added = this.#run(
        'INSERT INTO users (name, enabled, created) VALUES (?, 1, unixepoch() * 1000) ON CONFLICT DO NOTHING',
        name,
      );
      if (added === 0) throw new StoreError('CULVERT_STORE_USER_EXISTS', name);
      this.#apply(name, fields);
    });
  }

  changeUser(name: string, change: UserChange): void {
    this.#transaction(() => {
      if (this.#db.prepare('SELECT 1 FROM users WHERE name = ?').get(name) === undefined) {
        throw new StoreError('CULVERT_STORE_NO_USER', name);
      }
      this.#apply(name, change);
    });
  }

  removeUser(name: string): void {
    this.#transaction(() => {
      if (this.#run('DELETE FROM users WHERE name = ?', name) === 0)
        throw new StoreError('CULVERT_STORE_NO_USER', name);
      this.#run('DELETE FROM leases WHERE user = ?', name);
    });
  }

  passwordHash(name: string): string | undefined {
    return this.#guard(() => {
      const row = this.#db.prepare('SELECT password_hash FROM users WHERE name = ?').get(name);
      return textOf(row?.['password_hash']);
    });
  }

  ntHash(name: string): string | undefined {
    return this.#guard(() => {
      return textOf(this.#db.prepare('SELECT nt_hash FROM users WHERE name = ?').get(name)?.['nt_hash']);
    });
  }

  forgetNtHashes(names: readonly string[]): number {
    // What is overwritten stays in no free page either.
    this.#guard(() => this.#db.exec('PRAGMA secure_delete = ON'));
    const forget = 'UPDATE users SET nt_hash = NULL WHERE nt_hash IS NOT NULL AND name = ?';
    let forgotten = 0;
    this.#transaction(() => {
      for (const name of names) forgotten += this.#run(forget, name);
    });
    return forgotten;
  }

  leases(version: 4 | 6): readonly StoredLease[] {
    return this.#guard(() =>
      this.#db
        .prepare('SELECT user, address FROM leases WHERE version = ? ORDER BY serial')
        .all(version)
        .map((row) => ({ user: String(row['user']), address: String(row['address']) })),
    );
  }

  putLeases(leases: readonly NewLease[]): void {
    this.#transaction(() => {
      const forget = this.#db.prepare('DELETE FROM leases WHERE version = ? AND address = ?');
      const insert = this.#db.prepare('INSERT INTO leases (version, address, user) VALUES (?, ?, ?)');
      for (const { user, version, address } of leases) {
        forget.run(version, address);
        insert.run(version, address, user);
      }
    });
  }

  /** A number that changes when another connection, also of another process, has committed. */
  dataVersion(): number {
    return this.#guard(() => Number(this.#db.prepare('PRAGMA data_version').get()?.['data_version']));
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #select(rest: string, ...values: SQLInputValue[]): User[] {
    const has = 'password_hash IS NOT NULL AS has_password, nt_hash IS NOT NULL AS has_nt_hash';
    const columns = `name, enabled, ${has}, ipv4, ipv6, created`;
    return this.#db
      .prepare(`SELECT ${columns} FROM users ${rest}`)
      .all(...values)
      .map((row) => {
        const name = String(row['name']);
        return {
          name,
          enabled: row['enabled'] === 1,
          hasPassword: row['has_password'] === 1,
          hasNtHash: row['has_nt_hash'] === 1,
          groups: this.#list('SELECT name AS entry FROM user_groups WHERE user = ? ORDER BY name', name),
          ipv4: textOf(row['ipv4']),
          ipv6: textOf(row['ipv6']),
          networksBehind: this.#list('SELECT network AS entry FROM networks_behind WHERE user = ?', name),
          created: Number(row['created']),
        };
      });
  }

  #apply(name: string, change: UserChange): void {
    const { enabled, groups, ipv4, ipv6, networksBehind, passwordHash, ntHash } = change;
    if (enabled !== undefined) this.#run('UPDATE users SET enabled = ? WHERE name = ?', enabled ? 1 : 0, name);
    if (passwordHash !== undefined) {
      this.#run('UPDATE users SET password_hash = ?, nt_hash = NULL WHERE name = ?', passwordHash, name);
    }
    if (ntHash !== undefined) this.#run('UPDATE users SET nt_hash = ? WHERE name = ?', ntHash, name);
    if (ipv4 !== undefined) this.#setAddress('ipv4', name, ipv4);
    if (ipv6 !== undefined) this.#setAddress('ipv6', name, ipv6);
    if (groups !== undefined) {
      this.#run('DELETE FROM user_groups WHERE user = ?', name);
      for (const group of new Set(groups)) this.#run('INSERT INTO user_groups VALUES (?, ?)', name, group);
    }
    if (networksBehind !== undefined) {
      this.#run('DELETE FROM networks_behind WHERE user = ?', name);
      for (const each of new Set(networksBehind)) this.#run('INSERT INTO networks_behind VALUES (?, ?)', name, each);
    }
  }

  #setAddress(column: 'ipv4' | 'ipv6', name: string, address: string | null): void {
    const holder = this.#db.prepare(`SELECT name FROM users WHERE ${column} = ? AND name <> ?`).get(address, name);
    if (holder !== undefined) throw new StoreError('CULVERT_STORE_ADDRESS_TAKEN', `${address} is ${holder['name']}'s`);
    this.#run(`UPDATE users SET ${column} = ? WHERE name = ?`, address, name);
  }

  #list(sql: string, name: string): string[] {
    return this.#db
      .prepare(sql)
      .all(name)
      .map((row) => String(row['entry']));
  }

  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#db.prepare(sql).run(...values).changes);
  }

  #transaction(work: () => void): void {
    this.#guard(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        work();
        this.#db.exec('COMMIT');
      } catch (error) {
        // A full disk may have rolled back already.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  #guard<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw storeError(error, this.#path);
    }
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
