/**
 * A CA in a directory: issues, renews and revokes certificates, and never forgets one.
 *
 * Owns `ca.sqlite`, which alone is the CA. Beside it lie copies for others to read, renewed whenever they differ: `ca.crt`, `crl.pem`
 * and `tls-crypt-v2-server.key`. A method that changes something resolves after the change has reached the disk and its copy.
 */
import { closeSync, existsSync, linkSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { WallClock } from '@culvert/base';
import { exportPrivateKey, generateKeyPair, importSigningKey, type KeyAlgorithm } from './algorithms.ts';
import { makeDirectory, refreshFile, syncDirectory } from './atomic-file.ts';
import { type CreateOptions, checkDays, defaultDays, newAuthority, newCrl, protect } from './authority.ts';
import {
  type CertificateRole,
  createLeaf,
  newSerial,
  type Signer,
  type Validity,
  validityFrom,
} from './certificate.ts';
import type { RevocationReason } from './crl.ts';
import { type Authority, CaDatabase, type CertificateRecord } from './database.ts';
import { PkiError } from './errors.ts';
import { checkName, isDnsName, isSerial, parseSubjectAltName } from './names.ts';
import { decodePem, encodePem } from './pem.ts';
import { open as openSealed } from './seal.ts';
import { x509 } from './x509.ts';

const DATABASE = 'ca.sqlite';

export interface IssueOptions {
  readonly name: string;
  readonly role: CertificateRole;
  /** DNS names and IP addresses besides the name itself. */
  readonly subjectAltNames?: readonly string[];
  /** @default 730 for a server, 365 for a client; never past the CA's own end */
  readonly days?: number;
  /** @default 'ec-p256' */
  readonly algorithm?: KeyAlgorithm;
  /** Issue although a valid certificate has this name. @default false */
  readonly another?: boolean;
}

export class CaDirectory {
  readonly path: string;
  readonly #database: CaDatabase;
  readonly #clock: WallClock;
  #signer: Signer | undefined;
  #stale: string | undefined;

  private constructor(path: string, database: CaDatabase, clock: WallClock) {
    this.path = path;
    this.#database = database;
    this.#clock = clock;
  }

  /**
   * Makes a CA in `path`, a directory without one. Killed at any moment, it has made a whole CA or none.
   * The result is unlocked. Throws PkiError.
   */
  static async create(path: string, options: CreateOptions): Promise<CaDirectory> {
    const name = checkName(options.name);
    if (options.passphrase === '') throw new PkiError('CULVERT_PKI_PASSPHRASE', 'it is empty');
    makeDirectory(path);
    if (existsSync(join(path, DATABASE))) throw new PkiError('CULVERT_PKI_EXISTS', path);
    removeLeftovers(path, false);
    const authority = await newAuthority({ ...options, name });
    const beside = join(path, `.${DATABASE}.${process.pid}.new`);
    try {
      closeSync(openSync(beside, 'wx', 0o600));
      const database = CaDatabase.create(beside);
      await database.transact(() => database.insertAuthority(authority)).finally(() => database.close());
      linkSync(beside, join(path, DATABASE));
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? new PkiError('CULVERT_PKI_EXISTS', path) : error;
    } finally {
      rmSync(beside, { force: true });
    }
    syncDirectory(path);
    const ca = CaDirectory.open(path, options);
    await ca.unlock(options.passphrase);
    return ca;
  }

  /** Opens the CA in `path` and renews copies that a crash left behind. Signing needs `unlock`. Throws PkiError. */
  static open(path: string, options: { readonly clock: WallClock }): CaDirectory {
    const file = join(path, DATABASE);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat === undefined) throw new PkiError('CULVERT_PKI_MISSING', path);
    if ((stat.mode & 0o077) !== 0) throw new PkiError('CULVERT_PKI_MODE', `chmod 600 ${file}`);
    const ca = new CaDirectory(path, CaDatabase.open(file), options.clock);
    try {
      ca.#database.transactSync(() => {
        removeLeftovers(path, true);
        ca.#publish();
      });
    } catch (error) {
      ca.#stale = (error as Error).message;
    }
    return ca;
  }

  /** The CA's name, certificate and CRL, without its key. */
  get authority(): Omit<Authority, 'privateKey'> {
    const { privateKey: _, ...rest } = this.#database.authority();
    return rest;
  }

  /** Why the copies beside the database could not be brought up to date when it was opened; undefined: they are. */
  get stale(): string | undefined {
    return this.#stale;
  }

  /** When the CA's own certificate ends, in Unix milliseconds. */
  get notAfter(): number {
    return new x509.X509Certificate(this.#database.authority().certificate).notAfter.getTime();
  }

  /** Makes signing possible until `close`. Throws PkiError: CULVERT_PKI_LOCKED, CULVERT_PKI_PASSPHRASE. */
  async unlock(passphrase: string | undefined): Promise<void> {
    const { algorithm, certificate, privateKey, sealed } = this.#database.authority();
    if (sealed && passphrase === undefined) throw new PkiError('CULVERT_PKI_LOCKED');
    const pkcs8 = sealed ? await openSealed(privateKey, passphrase ?? '') : decodePem('PRIVATE KEY', privateKey);
    const key = await importSigningKey(algorithm, pkcs8);
    pkcs8.fill(0);
    this.#signer = { certificate: new x509.X509Certificate(certificate), key, algorithm };
  }

  /** Seals the CA key under another passphrase, or unseals it for good. */
  async changePassphrase(from: string | undefined, to: string | undefined): Promise<void> {
    if (to === '') throw new PkiError('CULVERT_PKI_PASSPHRASE', 'the new one is empty');
    await this.#database.transact(async () => {
      const { privateKey, sealed } = this.#database.authority();
      if (sealed && from === undefined) throw new PkiError('CULVERT_PKI_LOCKED');
      const pkcs8 = sealed ? await openSealed(privateKey, from ?? '') : decodePem('PRIVATE KEY', privateKey);
      this.#database.setPrivateKey(await protect(pkcs8, to), to !== undefined);
    });
  }

  /** Makes a key and certifies it. What is returned has reached the disk. Throws PkiError. */
  async issue(options: IssueOptions): Promise<CertificateRecord> {
    const name = checkName(options.name);
    const algorithm = options.algorithm ?? 'ec-p256';
    const keys = await generateKeyPair(algorithm);
    const privateKey = encodePem('PRIVATE KEY', await exportPrivateKey(keys.privateKey));
    const own = options.role === 'server' && (isDnsName(name) || isIP(name) !== 0) ? [name] : [];
    const subjectAltNames = [...new Set([...own, ...(options.subjectAltNames ?? [])])];
    return this.#database.transact(() => {
      if (options.another !== true) this.#refuseDuplicate(name);
      return this.#certify({
        ...options,
        name,
        subjectAltNames,
        publicKey: keys.publicKey,
        rsa: algorithm === 'rsa-3072',
        privateKey,
      });
    });
  }

  /**
   * Certifies the key of the newest certificate of `which` again, so that a profile only needs the new certificate. The old one stays
   * valid until its end: both work while the new one travels.
   */
  async renew(which: string, options: { readonly days?: number } = {}): Promise<CertificateRecord> {
    return this.#database.transact(() => {
      const old = this.find(which);
      if (old.revoked !== undefined) throw new PkiError('CULVERT_PKI_UNKNOWN', `${which} is revoked: issue a new one`);
      const certificate = new x509.X509Certificate(old.certificate);
      const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON() ?? [];
      return this.#certify({
        ...options,
        name: old.name,
        role: old.role,
        subjectAltNames: names.map(({ type, value }) => `${type}:${value}`),
        publicKey: certificate.publicKey,
        rsa: certificate.publicKey.algorithm.name.startsWith('RSA'),
        privateKey: this.#database.privateKey(old.serial),
      });
    });
  }

  /**
   * Revokes one certificate by its serial, or all valid ones of a name, and signs a CRL that lists them, in one step.
   * What is returned is on the disk and in `crl.pem`. Throws PkiError.
   */
  async revoke(which: string, reason: RevocationReason = 'unspecified'): Promise<readonly CertificateRecord[]> {
    const now = this.#clock.unixMillis();
    const revoked = await this.#database.transact(async () => {
      const found = this.#select(which);
      const valid = found.filter(
        (record) => record.revoked === undefined && (isSerial(which) || record.notAfter > now),
      );
      if (found.length === 0) throw new PkiError('CULVERT_PKI_UNKNOWN', which);
      if (valid.length === 0)
        throw new PkiError('CULVERT_PKI_UNKNOWN', `${which} has no certificate that is still valid`);
      for (const { serial } of valid) this.#database.revoke(serial, now, reason);
      await this.#signCrl();
      return valid.map((record) => ({ ...record, revoked: { when: now, reason } }));
    });
    await this.#database.transact(() => this.#publish());
    return revoked;
  }

  /** Signs a fresh CRL with the same revocations, so that it is valid for longer. Returns it as PEM. */
  async renewCrl(days?: number): Promise<string> {
    await this.#database.transact(() => this.#signCrl(days));
    await this.#database.transact(() => this.#publish());
    return this.#database.authority().crl;
  }

  /** The newest first. */
  list(): readonly CertificateRecord[] {
    return this.#database.certificates();
  }

  /** The certificate with a serial, or the newest of a name; one that is not revoked goes before one that is. Throws PkiError. */
  find(which: string): CertificateRecord {
    const found = this.#select(which);
    const record = found.find(({ revoked }) => revoked === undefined) ?? found[0];
    if (record === undefined) throw new PkiError('CULVERT_PKI_UNKNOWN', which);
    return record;
  }

  /** PKCS#8 as PEM. Throws PkiError when it was forgotten. */
  privateKey(serial: string): string {
    const key = this.#database.privateKey(serial);
    if (key === undefined) throw new PkiError('CULVERT_PKI_KEY_GONE', serial);
    return key;
  }

  /** Erases the private key of a certificate from the CA, for when its owner has it. */
  async forgetPrivateKey(serial: string): Promise<void> {
    await this.#database.transact(() => this.#database.forgetPrivateKey(serial));
  }

  close(): void {
    this.#signer = undefined;
    this.#database.close();
  }

  #select(which: string): CertificateRecord[] {
    return this.#database.certificates(
      isSerial(which) ? { serial: which.toLowerCase() } : { name: which.normalize('NFC') },
    );
  }

  #refuseDuplicate(name: string): void {
    const now = this.#clock.unixMillis();
    const other = this.#select(name).find((record) => record.revoked === undefined && record.notAfter > now);
    if (other !== undefined) throw new PkiError('CULVERT_PKI_TAKEN', `${name}, serial ${other.serial}`);
  }

  async #certify(options: {
    readonly name: string;
    readonly role: CertificateRole;
    readonly subjectAltNames: readonly string[];
    readonly days?: number;
    readonly publicKey: x509.PublicKeyType;
    readonly rsa: boolean;
    readonly privateKey: string | undefined;
  }): Promise<CertificateRecord> {
    const { name, role } = options;
    const signer = this.#requireSigner();
    const validity = this.#leafValidity(options.days ?? defaultDays[role]);
    const serial = newSerial();
    const subjectAltNames = options.subjectAltNames.map(parseSubjectAltName);
    const leaf = await createLeaf({ ...options, subjectAltNames, serial, validity, signer });
    const { notBefore, notAfter } = { notBefore: validity.notBefore.getTime(), notAfter: validity.notAfter.getTime() };
    const record = {
      serial,
      name,
      role,
      notBefore,
      notAfter,
      certificate: encodePem('CERTIFICATE', new Uint8Array(leaf.rawData)),
    };
    this.#database.insertCertificate(record, options.privateKey);
    return { ...record, hasPrivateKey: options.privateKey !== undefined, revoked: undefined };
  }

  /** A leaf that outlives its CA is refused by every peer: it ends with the CA at the latest. */
  #leafValidity(days: number): Validity {
    const now = this.#clock.unixMillis();
    const asked = validityFrom(now, checkDays(days));
    const ca = this.#requireSigner().certificate;
    if (ca.notAfter.getTime() <= now)
      throw new PkiError('CULVERT_PKI_LIFETIME', `the CA itself ended on ${ca.notAfter.toISOString()}`);
    return {
      notBefore: new Date(Math.max(asked.notBefore.getTime(), ca.notBefore.getTime())),
      notAfter: new Date(Math.min(asked.notAfter.getTime(), ca.notAfter.getTime())),
    };
  }

  async #signCrl(days?: number): Promise<void> {
    const { crlDays, crlNumber } = this.#database.authority();
    const now = this.#clock.unixMillis();
    const crl = await newCrl(
      this.#requireSigner(),
      crlNumber + 1,
      now,
      checkDays(days ?? crlDays),
      this.#database.revocations(),
    );
    this.#database.setCrl(crlNumber + 1, crl);
  }

  #requireSigner(): Signer {
    if (this.#signer === undefined) throw new PkiError('CULVERT_PKI_LOCKED');
    return this.#signer;
  }

  /** Under the database's lock, so that of two processes the one with the newer CRL writes last. */
  #publish(): void {
    const { certificate, crl, tlsCryptV2ServerKey } = this.#database.authority();
    try {
      refreshFile(join(this.path, 'ca.crt'), certificate, 0o644);
      refreshFile(join(this.path, 'crl.pem'), crl, 0o644);
      refreshFile(join(this.path, 'tls-crypt-v2-server.key'), tlsCryptV2ServerKey, 0o600);
    } catch (error) {
      throw new PkiError('CULVERT_PKI_PUBLISH', (error as Error).message, { cause: error });
    }
  }
}

/** Databases that were never finished, of processes that no longer run; under the database's lock also copies that were not. */
function removeLeftovers(path: string, locked: boolean): void {
  for (const entry of readdirSync(path)) {
    const pid = /^\.ca\.sqlite\.(\d+)\.new(?:-journal)?$/.exec(entry)?.[1];
    const isCopy = /^\.(?:ca\.crt|crl\.pem|tls-crypt-v2-server\.key)\.[0-9a-f]+\.new$/.test(entry);
    if ((locked && isCopy) || (pid !== undefined && !isRunning(Number(pid))))
      rmSync(join(path, entry), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
