/** Keys, hashes and initialization vectors of IKEv1 (RFC 2409, section 5 and appendix B). */
import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto';
import type { Phase1Suite } from './phase1-proposal.ts';

/** Joins byte strings, as `|` does in RFC 2409. */
export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** Secret, but for the suite. */
export interface Phase1Keys {
  readonly suite: Phase1Suite;
  readonly skeyid: Uint8Array;
  readonly skeyidD: Uint8Array;
  readonly skeyidA: Uint8Array;
  readonly encryptionKey: Uint8Array;
  /** Of the first encrypted message. */
  readonly iv: Uint8Array;
}

export interface Phase1Secrets {
  readonly suite: Phase1Suite;
  /** For pre-shared keys; undefined for signatures. */
  readonly presharedKey: Uint8Array | undefined;
  readonly sharedSecret: Uint8Array;
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
  readonly initiatorCookie: Uint8Array;
  readonly responderCookie: Uint8Array;
  readonly initiatorPublic: Uint8Array;
  readonly responderPublic: Uint8Array;
}

export function derivePhase1Keys(from: Phase1Secrets): Phase1Keys {
  const { suite, sharedSecret } = from;
  const nonces = join(from.initiatorNonce, from.responderNonce);
  const cookies = join(from.initiatorCookie, from.responderCookie);
  const skeyid =
    from.presharedKey === undefined ? prf(suite, nonces, sharedSecret) : prf(suite, from.presharedKey, nonces);
  const skeyidD = prf(suite, skeyid, join(sharedSecret, cookies, Uint8Array.of(0)));
  const skeyidA = prf(suite, skeyid, join(skeyidD, sharedSecret, cookies, Uint8Array.of(1)));
  const skeyidE = prf(suite, skeyid, join(skeyidA, sharedSecret, cookies, Uint8Array.of(2)));
  const iv = digest(suite, join(from.initiatorPublic, from.responderPublic)).subarray(0, blockBytes(suite));
  return { suite, skeyid, skeyidD, skeyidA, encryptionKey: stretch(suite, skeyidE), iv };
}

export function prf({ hash }: Phase1Suite, key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac(hash, key).update(data).digest();
}

export function digest({ hash }: Phase1Suite, data: Uint8Array): Uint8Array {
  return createHash(hash).update(data).digest();
}

/** The IV of a message that opens an exchange of phase 2 (RFC 2409, appendix B). */
export function phase2Iv({ suite }: Phase1Keys, lastBlock: Uint8Array, messageId: number): Uint8Array {
  return digest(suite, join(lastBlock, u32(messageId))).subarray(0, blockBytes(suite));
}

/** KEYMAT (RFC 2409, section 5.5). */
export function deriveKeymat(
  { suite, skeyidD }: Phase1Keys,
  from: { sharedSecret: Uint8Array; protocol: number; spi: Uint8Array; nonces: Uint8Array },
  length: number,
): Uint8Array {
  const seed = join(from.sharedSecret, Uint8Array.of(from.protocol), from.spi, from.nonces);
  let last = prf(suite, skeyidD, seed);
  let all = last;
  while (all.length < length) {
    last = prf(suite, skeyidD, join(last, seed));
    all = join(all, last);
  }
  return all.subarray(0, length);
}

/** Encrypts, with zeros up to a whole block. The next message's IV is the last block of it. */
export function encrypt(keys: Phase1Keys, iv: Uint8Array, plain: Uint8Array): Uint8Array {
  const block = blockBytes(keys.suite);
  const whole = new Uint8Array(Math.ceil(plain.length / block) * block);
  whole.set(plain);
  const cipher = createCipheriv(algorithm(keys.suite), keys.encryptionKey, iv).setAutoPadding(false);
  return join(cipher.update(whole), cipher.final());
}

/** Undefined when it is not whole blocks. That it decrypts says nothing: the hash inside does. */
export function decrypt(keys: Phase1Keys, iv: Uint8Array, bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length === 0 || bytes.length % blockBytes(keys.suite) !== 0) return undefined;
  const decipher = createDecipheriv(algorithm(keys.suite), keys.encryptionKey, iv).setAutoPadding(false);
  return join(decipher.update(bytes), decipher.final());
}

export function lastBlock({ suite }: Phase1Keys, ciphertext: Uint8Array): Uint8Array {
  return ciphertext.slice(-blockBytes(suite));
}

function stretch(suite: Phase1Suite, skeyidE: Uint8Array): Uint8Array {
  if (skeyidE.length >= suite.keyBytes) return skeyidE.subarray(0, suite.keyBytes);
  let last = prf(suite, skeyidE, Uint8Array.of(0));
  let all = last;
  while (all.length < suite.keyBytes) {
    last = prf(suite, skeyidE, last);
    all = join(all, last);
  }
  return all.subarray(0, suite.keyBytes);
}

function blockBytes({ encryption }: Phase1Suite): number {
  return encryption === 'aes' ? 16 : 8;
}

function algorithm({ encryption, keyBytes }: Phase1Suite): string {
  return encryption === 'aes' ? `aes-${keyBytes * 8}-cbc` : 'des-ede3-cbc';
}
