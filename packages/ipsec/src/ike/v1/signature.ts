/** Signatures of phase 1 (RFC 2409, section 5.1): over HASH_I and HASH_R as they are. */
import { constants, type KeyObject, privateEncrypt, publicDecrypt, timingSafeEqual } from 'node:crypto';

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
