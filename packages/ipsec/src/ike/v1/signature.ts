/** Signatures of phase 1 (RFC 2409, section 5.1; RFC 4754): over HASH_I and HASH_R as they are. */
import { constants, type KeyObject, privateEncrypt, publicDecrypt, timingSafeEqual } from 'node:crypto';
import { ecdsaSign, ecdsaVerify } from '@culvert/cipher';
import type { IkeHash } from '../prf.ts';
import type { Authentication } from './phase1-proposal.ts';

export type SignatureMethod = Exclude<Authentication, 'pre-shared-key'>;

const methodsOfCurves: Readonly<Record<string, SignatureMethod>> = {
  prime256v1: 'ecdsa-256',
  secp384r1: 'ecdsa-384',
  secp521r1: 'ecdsa-521',
};

/**
 * By which PRF HASH_I and HASH_R are made: the negotiated one, but with ECDSA the curve's (RFC 4754, section 3).
 */
export function authenticationHash(authentication: Authentication, negotiated: IkeHash): IkeHash {
  if (authentication === 'ecdsa-256') return 'sha2-256';
  if (authentication === 'ecdsa-384') return 'sha2-384';
  return authentication === 'ecdsa-521' ? 'sha2-512' : negotiated;
}

/** What a key signs by; undefined for one that IKEv1 has no use for. */
export function signatureMethod({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): SignatureMethod | undefined {
  if (asymmetricKeyType === 'rsa') return 'rsa-signature';
  return asymmetricKeyType === 'ec' ? methodsOfCurves[asymmetricKeyDetails?.namedCurve ?? ''] : undefined;
}

/**
 * The SIG payload's body over HASH_I or HASH_R. RSA: PKCS #1 v1.5 around the hash alone, with no DigestInfo that would name it. ECDSA:
 * r | s, each as long as the curve's order. Undefined where the key is none of `method`, which is then a mistake of the configuration.
 */
export function signHash(method: SignatureMethod, privateKey: KeyObject, hash: Uint8Array): Uint8Array | undefined {
  if (signatureMethod(privateKey) !== method) return undefined;
  if (method !== 'rsa-signature') return ecdsaSign(privateKey, hash);
  return Uint8Array.from(privateEncrypt({ key: privateKey, padding: constants.RSA_PKCS1_PADDING }, hash));
}

/** False also for a key that is none of the negotiated `method`. */
export function verifyHash(
  method: SignatureMethod,
  publicKey: KeyObject,
  hash: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signatureMethod(publicKey) !== method) return false;
  return method === 'rsa-signature' ? verifyRsa(publicKey, hash, signature) : ecdsaVerify(publicKey, hash, signature);
}

function verifyRsa(publicKey: KeyObject, hash: Uint8Array, signature: Uint8Array): boolean {
  // As long as the modulus (RFC 8017, section 8.2.2); OpenSSL takes a shorter one for the same number with zeros before it.
  const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
  if (signature.length !== Math.ceil(bits / 8)) return false;
  try {
    const signed = publicDecrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, signature);
    return signed.length === hash.length && timingSafeEqual(signed, hash);
  } catch {
    // No such padding inside.
    return false;
  }
}
