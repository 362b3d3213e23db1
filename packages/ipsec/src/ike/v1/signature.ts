/**
 * Signatures of phase 1 (RFC 2409, section 5.1): over HASH_I and HASH_R as they are.
 *
 * Leaves ECDSA's to its owner: node:crypto hashes whatever it signs, and IKEv1 signs the hash as it is.
 */
import { constants, type KeyObject, privateEncrypt, publicDecrypt, timingSafeEqual } from 'node:crypto';
import type { IkeHash } from '../prf.ts';
import type { Authentication } from './phase1-proposal.ts';

/**
 * By which PRF HASH_I and HASH_R are made: the negotiated one, but with ECDSA the curve's (RFC 4754, section 3). The signature is then over
 * that hash, and the payload holds r and s one behind another, each as long as the curve's order.
 */
export function authenticationHash(authentication: Authentication, negotiated: IkeHash): IkeHash {
  if (authentication === 'ecdsa-256') return 'sha2-256';
  if (authentication === 'ecdsa-384') return 'sha2-384';
  return authentication === 'ecdsa-521' ? 'sha2-512' : negotiated;
}

/** PKCS #1 v1.5 around the hash alone, with no DigestInfo that would name it. */
export function signRsa(privateKey: KeyObject, hash: Uint8Array): Uint8Array {
  return Uint8Array.from(privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, hash));
}

export function verifyRsa(publicKey: KeyObject, hash: Uint8Array, signature: Uint8Array): boolean {
  try {
    const signed = publicDecrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, signature);
    return signed.length === hash.length && timingSafeEqual(signed, hash);
  } catch {
    // Another length than the key's, or no such padding inside.
    return false;
  }
}
