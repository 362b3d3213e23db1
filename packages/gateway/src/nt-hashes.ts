/**
 * NT hashes of users' passwords, which MS-CHAPv2 is checked with (RFC 2759), sealed for the store.
 *
 * An NT hash is as good as the password to whoever has it, and unlike an Argon2 hash it cannot be salted or made slow: the protocol uses it
 * as it is. So there is one only while a transport with MS-CHAPv2 is on for the user, and the store holds it sealed with a key from a file of its own: a copy of
 * the database alone gives none away.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { AuthMaterial, ChallengeResponse } from '@culvert/core';
import { ntPasswordHash, verifyMsChapV2 } from '@culvert/ppp';
import { GatewayError } from './errors.ts';

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const version = 'nt1';

/** Who may read it: of ours nobody else, of an operator's a group (systemd shows its credentials so). */
interface KeyFile {
  readonly file: string;
  readonly ours: boolean;
}

export class NtHashes {
  readonly #key: Buffer;
  /** What is opened for users who have none, and what they are checked against, so that it takes as long. */
  readonly #nobody = { sealed: '', hash: randomBytes(16) };

  /** @param key where it is ours, made where it is missing, with mode 0600 and its directory's owner. Throws GatewayError. */
  constructor(key: KeyFile) {
    this.#key = readKey(key) ?? (key.ours ? makeKey(key) : missing(key));
    this.#nobody.sealed = this.seal('', randomBytes(16).toString('hex'));
  }

  /** "nt1:" and base64 of nonce (12 bytes), AES-256-GCM of the hash (16) and tag (16); bound to the user's name. */
  seal(user: string, password: string): string {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(`${version}:${user}`));
    const sealed = Buffer.concat([nonce, cipher.update(ntPasswordHash(password)), cipher.final(), cipher.getAuthTag()]);
    return `${version}:${sealed.toString('base64')}`;
  }

  /**
   * What both ends compute of a right response; undefined: it is wrong, or there is nothing to check it with. "unreadable": the key is
   * not the one that it was sealed with.
   */
  verify(
    user: string,
    sealed: string | undefined,
    response: Extract<ChallengeResponse, { kind: 'mschapv2' }>,
  ): AuthMaterial | 'unreadable' | undefined {
    const opened = sealed === undefined ? this.#open('', this.#nobody.sealed) : this.#open(user, sealed);
    const hash = sealed === undefined ? undefined : opened;
    const material = verifyMsChapV2(response, hash ?? this.#nobody.hash);
    if (sealed !== undefined && hash === undefined) return 'unreadable';
    return hash === undefined ? undefined : material;
  }

  #open(user: string, sealed: string): Buffer | undefined {
    const [kind, text = ''] = sealed.split(':');
    const bytes = Buffer.from(text, 'base64');
    if (kind !== version || bytes.length <= nonceBytes + tagBytes) return undefined;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, nonceBytes))
      .setAAD(Buffer.from(`${version}:${user}`))
      .setAuthTag(bytes.subarray(-tagBytes));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]);
    } catch {
      return undefined;
    }
  }
}

function readKey({ file, ours }: KeyFile): Buffer | undefined {
  try {
    const key = readFileSync(file);
    if (key.length !== keyBytes) throw new Error(`it has ${key.length} bytes, a key has ${keyBytes}`);
    if ((statSync(file).mode & (ours ? 0o077 : 0o027)) !== 0) throw new Error(`others may read it: chmod 600 ${file}`);
    return key;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new GatewayError('CULVERT_GATEWAY_SECRET_KEY', `${file}: ${(cause as Error).message}`, { cause });
  }
}

function missing({ file }: KeyFile): never {
  throw new GatewayError(
    'CULVERT_GATEWAY_SECRET_KEY',
    `${file}: no such file, and secretKey names it (a credential of systemd is there while culvertd runs)`,
  );
}

/** Whole or not there at all: it is written beside its place and linked into it. Whoever comes second takes the first one's. */
function makeKey({ file, ours }: KeyFile): Buffer {
  const key = randomBytes(keyBytes);
  const draft = `${file}.${process.pid}`;
  try {
    const descriptor = openSync(draft, 'wx', 0o600);
    try {
      writeSync(descriptor, key);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    const { uid, gid } = statSync(dirname(file));
    if (process.getuid?.() === 0 && uid !== 0) chownSync(draft, uid, gid);
    linkSync(draft, file);
    syncDirectory(dirname(file));
    return key;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      const other = readKey({ file, ours });
      if (other !== undefined) return other;
    }
    throw new GatewayError('CULVERT_GATEWAY_SECRET_KEY', `${file}: ${(cause as Error).message}`, { cause });
  } finally {
    rmSync(draft, { force: true });
  }
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
