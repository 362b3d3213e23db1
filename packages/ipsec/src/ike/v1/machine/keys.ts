/** Joins of byte strings, and the encryption of one message by its IV (RFC 2409, appendix B). */
import { CipherChain } from '../cipher-chain.ts';
import type { Phase1Keys as Derived } from '../phase1-keys.ts';
import type { Phase1Suite } from '../phase1-proposal.ts';

/** Secret, but for the suite. */
export interface Phase1Keys extends Derived {
  readonly suite: Phase1Suite;
}

/** Joins byte strings, as `|` does in RFC 2409. */
export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** The IV of the next message is the last block of this one. */
export function lastBlock({ suite }: Phase1Keys, ciphertext: Uint8Array): Uint8Array {
  return ciphertext.slice(-suite.cipher.blockBytes);
}

export function encrypt(keys: Phase1Keys, iv: Uint8Array, plain: Uint8Array): Uint8Array {
  return chain(keys, iv).seal(plain);
}

/** Undefined when it is not whole blocks. That it decrypts says nothing: the hash inside does. */
export function decrypt(keys: Phase1Keys, iv: Uint8Array, bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length === 0 || bytes.length % keys.suite.cipher.blockBytes !== 0) return undefined;
  return chain(keys, iv).open(bytes);
}

function chain({ suite, encryptionKey }: Phase1Keys, iv: Uint8Array): CipherChain {
  return new CipherChain(suite.cipher, encryptionKey, iv);
}
