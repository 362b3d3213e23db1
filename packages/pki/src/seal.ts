/**
 * Secrets at rest: sealed under a passphrase with Argon2id (RFC 9106) and libsodium's secretbox (XSalsa20-Poly1305).
 *
 * A sealed secret is one line of JSON with its own parameters, so that later versions can raise them and still open old ones:
 * `{"v":1,"kdf":"argon2id","memory":65536,"passes":3,"lanes":4,"salt":..,"nonce":..,"box":..}`, bytes as base64.
 */
import { argon2, randomBytes } from 'node:crypto';
import sodium from 'libsodium-wrappers';
import { PkiError } from './errors.ts';

/** RFC 9106, section 4, second recommendation: 64 MiB, 3 passes, 4 lanes. A guess costs an attacker some 100 ms and 64 MiB. */
const MEMORY_KIB = 65_536;
const PASSES = 3;
const LANES = 4;
const SALT_BYTES = 16;

/** Bounds of what we open, so that a file made by another costs at most a second and 1 GiB. */
const MAX_MEMORY_KIB = 1_048_576;
const MAX_PASSES = 16;
const MAX_LANES = 16;

interface Cost {
  readonly memory: number;
  readonly passes: number;
  readonly lanes: number;
}

export async function seal(secret: Uint8Array, passphrase: string): Promise<string> {
  await sodium.ready;
  const cost = { memory: MEMORY_KIB, passes: PASSES, lanes: LANES };
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(sodium.crypto_secretbox_NONCEBYTES);
  const key = await deriveKey(passphrase, salt, cost);
  const box = sodium.crypto_secretbox_easy(secret, nonce, key);
  key.fill(0);
  return JSON.stringify({ v: 1, kdf: 'argon2id', ...cost, salt: base64(salt), nonce: base64(nonce), box: base64(box) });
}

/** The secret again. Throws PkiError: CULVERT_PKI_PASSPHRASE when the passphrase is wrong, CULVERT_PKI_FORMAT when this is nothing sealed. */
export async function open(sealed: string, passphrase: string): Promise<Uint8Array<ArrayBuffer>> {
  await sodium.ready;
  const { cost, salt, nonce, box } = parseSealed(sealed);
  const key = await deriveKey(passphrase, salt, cost);
  try {
    return Uint8Array.from(sodium.crypto_secretbox_open_easy(box, nonce, key));
  } catch (error) {
    throw new PkiError('CULVERT_PKI_PASSPHRASE', undefined, { cause: error });
  } finally {
    key.fill(0);
  }
}

function deriveKey(passphrase: string, salt: Uint8Array, cost: Cost): Promise<Buffer> {
  const message = Buffer.from(passphrase.normalize('NFC'), 'utf8');
  const parameters = {
    message,
    nonce: salt,
    memory: cost.memory,
    passes: cost.passes,
    parallelism: cost.lanes,
    tagLength: sodium.crypto_secretbox_KEYBYTES,
  };
  return new Promise((resolve, reject) => {
    argon2('argon2id', parameters, (error, key) => {
      message.fill(0);
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function parseSealed(sealed: string): { cost: Cost; salt: Uint8Array; nonce: Uint8Array; box: Uint8Array } {
  const fields = parseJson(sealed);
  if (fields['v'] !== 1 || fields['kdf'] !== 'argon2id')
    throw new PkiError('CULVERT_PKI_FORMAT', 'not a sealed secret of version 1');
  const number = (name: string, low: number, high: number): number => {
    const value = fields[name];
    if (typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high) return value;
    throw new PkiError('CULVERT_PKI_FORMAT', `sealed secret: ${name} lies outside ${low} to ${high}`);
  };
  const bytes = (name: string, length: number | undefined): Uint8Array => {
    const value = Buffer.from(String(fields[name]), 'base64');
    if (length === undefined ? value.length >= sodium.crypto_secretbox_MACBYTES : value.length === length) return value;
    throw new PkiError('CULVERT_PKI_FORMAT', `sealed secret: ${name} has ${value.length} bytes`);
  };
  return {
    cost: {
      memory: number('memory', 1024, MAX_MEMORY_KIB),
      passes: number('passes', 1, MAX_PASSES),
      lanes: number('lanes', 1, MAX_LANES),
    },
    salt: bytes('salt', SALT_BYTES),
    nonce: bytes('nonce', sodium.crypto_secretbox_NONCEBYTES),
    box: bytes('box', undefined),
  };
}

function parseJson(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch (error) {
    throw new PkiError('CULVERT_PKI_FORMAT', 'not a sealed secret', { cause: error });
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
