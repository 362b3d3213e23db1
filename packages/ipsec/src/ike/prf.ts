/** Hashes, and the pseudo-random function that each makes: HMAC (RFC 2104; RFC 2409, section 4; RFC 4868). IKEv1 and IKEv2 share them. */
import { createHash, createHmac, createSecretKey } from 'node:crypto';

export type IkeHash = 'sha1' | 'sha2-256' | 'sha2-384' | 'sha2-512';

const names = { sha1: 'sha1', 'sha2-256': 'sha256', 'sha2-384': 'sha384', 'sha2-512': 'sha512' } as const;
const lengths = { sha1: 20, 'sha2-256': 32, 'sha2-384': 48, 'sha2-512': 64 } as const;

/** In bytes, of the hash and of the output of its PRF. */
export function hashBytes(hash: IkeHash): number {
  return lengths[hash];
}

/** The hash of the parts, one behind another. */
export function digest(hash: IkeHash, ...parts: readonly Uint8Array[]): Uint8Array {
  const h = createHash(names[hash]);
  for (const part of parts) h.update(part);
  return Uint8Array.from(h.digest());
}

/** prf(key, parts), the parts one behind another. */
export function prf(hash: IkeHash, key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  // A key object: node:crypto takes it several times faster than bytes.
  const h = createHmac(names[hash], createSecretKey(key));
  for (const part of parts) h.update(part);
  return Uint8Array.from(h.digest());
}

/**
 * `length` bytes of K1 | K2 | K3 ..., where K1 = prf(key, seed) and each next is prf(key, the one before | seed): how IKEv1 lengthens
 * KEYMAT (RFC 2409, section 5.5).
 */
export function expand(hash: IkeHash, key: Uint8Array, seed: readonly Uint8Array[], length: number): Uint8Array {
  const out = new Uint8Array(length);
  let block = prf(hash, key, ...seed);
  for (let at = 0; at < length; at += block.length) {
    if (at > 0) block = prf(hash, key, block, ...seed);
    out.set(block.subarray(0, length - at), at);
  }
  return out;
}
