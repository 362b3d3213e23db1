/**
 * The CA's one file: an SQLite database with the CA's certificate and sealed key, every certificate, every revocation and the latest CRL.
 *
 * Why SQLite, and not a journal of our own: what is committed survives kill -9, a full disk and a power cut (rollback journal,
 * synchronous=EXTRA, which flushes the directory too); a torn write is undone at the next open; locks end with the process that
 * holds them, so there are no stale ones; and a revocation with its new CRL and number is one commit. A backup is one file.
 */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { KeyAlgorithm } from './algorithms.ts';
import type { CertificateRole } from './certificate.ts';
import type { Revocation, RevocationReason } from './crl.ts';
import { PkiError } from './errors.ts';

/** "culv": tells our file from other SQLite databases. */
const APPLICATION_ID = 0x63756c76;
const SCHEMA_VERSION = 1;
/** How long to wait for another process that writes; its transactions take milliseconds. */
const BUSY_MILLIS = 5000;

const schema = `
  CREATE TABLE authority (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    certificate TEXT NOT NULL,
    private_key TEXT NOT NULL,
    sealed INTEGER NOT NULL,
    tls_crypt_v2_server_key TEXT NOT NULL,
    crl_days INTEGER NOT NULL,
    crl_number INTEGER NOT NULL,
    crl TEXT NOT NULL
  ) STRICT;
  CREATE TABLE certificates (
    serial TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    certificate TEXT NOT NULL,
    private_key TEXT,
    revoked_at INTEGER,
    reason TEXT
  ) STRICT;
  CREATE INDEX certificates_by_name ON certificates (name);
`;

/** The CA itself. Texts are PEM, `privateKey` is what `seal` made when `sealed`. */
export interface Authority {
  readonly name: string;
  readonly algorithm: KeyAlgorithm;
  readonly certificate: string;
  readonly privateKey: string;
  readonly sealed: boolean;
  readonly tlsCryptV2ServerKey: string;
  readonly crlDays: number;
  readonly crlNumber: number;
  readonly crl: string;
}

/** What the CA knows of one certificate. Times are Unix milliseconds. */
export interface CertificateRecord {
  /** 32 lower-case hexadecimal digits. */
  readonly serial: string;
  readonly name: string;
  readonly role: CertificateRole;
  readonly notBefore: number;
  readonly notAfter: number;
  /** PEM. */
  readonly certificate: string;
  /** The CA still holds the private key, so that it can be exported. */
  readonly hasPrivateKey: boolean;
  readonly revoked: { readonly when: number; readonly reason: RevocationReason } | undefined;
}

type Row = Record<string, SQLInputValue>;

export class CaDatabase {
  readonly #db: DatabaseSync;
  /** Transactions of this process run one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(file: string) {
    this.#db = new DatabaseSync(file, { timeout: BUSY_MILLIS, enableForeignKeyConstraints: true });
    try {
      this.#db.exec(
        'PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;',
      );
    } catch (error) {
      this.#db.close();
      throw fromSqlite(error);
    }
  }

  /** An empty database in an empty file. */
  static create(file: string): CaDatabase {
    const database = new CaDatabase(file);
    database.#db.exec(
      `BEGIN; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; ${schema} COMMIT;`,
    );
    return database;
  }

  static open(file: string): CaDatabase {
    const database = new CaDatabase(file);
    try {
      const { application_id: application } = database.#get('PRAGMA application_id');
      const { user_version: version } = database.#get('PRAGMA user_version');
      if (application !== APPLICATION_ID) throw new PkiError('CULVERT_PKI_DAMAGED', "it is another program's");
      if (Number(version) > SCHEMA_VERSION)
        throw new PkiError('CULVERT_PKI_VERSION', `${version}, known is ${SCHEMA_VERSION}`);
      const { quick_check: check } = database.#get('PRAGMA quick_check(1)');
      if (check !== 'ok') throw new PkiError('CULVERT_PKI_DAMAGED', String(check));
    } catch (error) {
      database.close();
      throw fromSqlite(error);
    }
    return database;
  }

  /**
   * Runs `work` while no other process can write, and commits what it did; what it throws undoes all of it.
   * When this resolves, the changes survive kill -9 and a power cut.
   */
  transact<Value>(work: () => Value | Promise<Value>): Promise<Value> {
    const run = this.#last.then(async () => {
      try {
        this.#db.exec('BEGIN IMMEDIATE');
        const value = await work();
        this.#db.exec('COMMIT');
        return value;
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw fromSqlite(error);
      }
    });
    this.#last = run.catch(() => undefined);
    return run;
  }

  /** The same for work that waits for nothing. Only while no `transact` of this object runs. */
  transactSync(work: () => void): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      work();
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw fromSqlite(error);
    }
  }

  insertAuthority(a: Authority): void {
    this.#run(
      'INSERT INTO authority VALUES (1, :name, :algorithm, :certificate, :privateKey, :sealed, :tlsCryptV2ServerKey, :crlDays, :crlNumber, :crl)',
      { ...a, sealed: a.sealed ? 1 : 0 },
    );
  }

  authority(): Authority {
    const row = this.#get('SELECT * FROM authority');
    return {
      name: String(row['name']),
      algorithm: String(row['algorithm']) as KeyAlgorithm,
      certificate: String(row['certificate']),
      privateKey: String(row['private_key']),
      sealed: row['sealed'] === 1,
      tlsCryptV2ServerKey: String(row['tls_crypt_v2_server_key']),
      crlDays: Number(row['crl_days']),
      crlNumber: Number(row['crl_number']),
      crl: String(row['crl']),
    };
  }

  setPrivateKey(privateKey: string, sealed: boolean): void {
    this.#run('UPDATE authority SET private_key = :privateKey, sealed = :sealed', {
      privateKey,
      sealed: sealed ? 1 : 0,
    });
  }

  setCrl(number: number, crl: string): void {
    this.#run('UPDATE authority SET crl_number = :number, crl = :crl', { number, crl });
  }

  insertCertificate(
    record: Omit<CertificateRecord, 'hasPrivateKey' | 'revoked'>,
    privateKey: string | undefined,
  ): void {
    this.#run(
      'INSERT INTO certificates VALUES (:serial, :name, :role, :notBefore, :notAfter, :certificate, :privateKey, NULL, NULL)',
      { ...record, privateKey: privateKey ?? null },
    );
  }

  /** All certificates, or those of a name, or the one with a serial; the newest first. */
  certificates(by: { readonly name?: string; readonly serial?: string } = {}): CertificateRecord[] {
    return this.#all(
      'SELECT * FROM certificates WHERE (:name IS NULL OR name = :name) AND (:serial IS NULL OR serial = :serial) ORDER BY rowid DESC',
      { name: by.name ?? null, serial: by.serial ?? null },
    ).map(toRecord);
  }

  privateKey(serial: string): string | undefined {
    const [row] = this.#all('SELECT private_key FROM certificates WHERE serial = :serial', { serial });
    const key = row?.['private_key'];
    return typeof key === 'string' ? key : undefined;
  }

  forgetPrivateKey(serial: string): void {
    this.#run('UPDATE certificates SET private_key = NULL WHERE serial = :serial', { serial });
  }

  revoke(serial: string, when: number, reason: RevocationReason): void {
    this.#run('UPDATE certificates SET revoked_at = :when, reason = :reason WHERE serial = :serial', {
      serial,
      when,
      reason,
    });
  }

  revocations(): Revocation[] {
    const rows = this.#all(
      'SELECT serial, revoked_at, reason FROM certificates WHERE revoked_at IS NOT NULL ORDER BY revoked_at, serial',
      {},
    );
    return rows.map((row) => ({
      serial: String(row['serial']),
      when: Number(row['revoked_at']),
      reason: row['reason'] as RevocationReason,
    }));
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #run(sql: string, parameters: Row): void {
    this.#db.prepare(sql).run(parameters);
  }

  #all(sql: string, parameters: Row): Row[] {
    try {
      return this.#db.prepare(sql).all(parameters) as Row[];
    } catch (error) {
      throw fromSqlite(error);
    }
  }

  #get(sql: string): Row {
    const [row] = this.#all(sql, {});
    if (row === undefined) throw new PkiError('CULVERT_PKI_DAMAGED', 'it is empty');
    return row;
  }
}

function toRecord(row: Row): CertificateRecord {
  const when = row['revoked_at'];
  return {
    serial: String(row['serial']),
    name: String(row['name']),
    role: row['role'] as CertificateRole,
    notBefore: Number(row['not_before']),
    notAfter: Number(row['not_after']),
    certificate: String(row['certificate']),
    hasPrivateKey: row['private_key'] !== null,
    revoked: typeof when === 'number' ? { when, reason: row['reason'] as RevocationReason } : undefined,
  };
}

/** Primary result codes of SQLite (sqlite.org/rescode.html); extended ones have more bits above the low eight. */
const sqliteCodes: Readonly<Record<number, ConstructorParameters<typeof PkiError>[0]>> = {
  5: 'CULVERT_PKI_BUSY', // SQLITE_BUSY
  6: 'CULVERT_PKI_BUSY', // SQLITE_LOCKED
  8: 'CULVERT_PKI_WRITE', // SQLITE_READONLY
  10: 'CULVERT_PKI_WRITE', // SQLITE_IOERR
  11: 'CULVERT_PKI_DAMAGED', // SQLITE_CORRUPT
  13: 'CULVERT_PKI_WRITE', // SQLITE_FULL
  14: 'CULVERT_PKI_WRITE', // SQLITE_CANTOPEN
  26: 'CULVERT_PKI_DAMAGED', // SQLITE_NOTADB
};

function fromSqlite(error: unknown): unknown {
  const code = (error as { errcode?: unknown }).errcode;
  const ours = typeof code === 'number' ? sqliteCodes[code & 0xff] : undefined;
  return ours === undefined ? error : new PkiError(ours, (error as Error).message, { cause: error });
}
