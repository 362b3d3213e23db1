/**
 * ECDSA over a digest that is there already (FIPS 186-4), which node:crypto does not offer: it hashes whatever it signs.
 *
 *   r | s      each as long as the order of the curve
 *
 * IKEv1 signs HASH_I and HASH_R so (RFC 4754).
 */
import type { KeyObject } from 'node:crypto';
import { CipherError } from '../errors.ts';
import { type Native, nativeOr } from '../native.ts';
import { curves } from './curves.ts';
import { portableSign, portableVerify } from './portable-ecdsa.ts';

type Implementation = 'native' | 'portable' | undefined;

/**
 * Signs a digest of SHA-256, SHA-384 or SHA-512, which its length tells apart. The nonce is RFC 6979's: one key and digest, one signature.
 * Throws CULVERT_CIPHER_FAILED for a key that is not of P-256, P-384 or P-521.
 *
 * @param implementation `native` throws CULVERT_CIPHER_NATIVE where the binary does not load. @default native where it loads
 */
export function ecdsaSign(
  privateKey: KeyObject,
  digest: Uint8Array,
  implementation: Implementation = undefined,
): Uint8Array {
  const signature = new Uint8Array(2 * halfOf(privateKey));
  if (signature.length === 0 || !sign(privateKey, digest, signature, implementation))
    throw new CipherError('CULVERT_CIPHER_FAILED', `no ECDSA signature over a digest of ${digest.length} bytes`);
  return signature;
}

/** False also for a key or a length that does not fit. `implementation` as for `ecdsaSign`. */
export function ecdsaVerify(
  publicKey: KeyObject,
  digest: Uint8Array,
  signature: Uint8Array,
  implementation: Implementation = undefined,
): boolean {
  const half = halfOf(publicKey);
  if (half === 0 || signature.length !== 2 * half) return false;
  const native = nativeOf(implementation);
  if (native === undefined) return portableVerify(publicKey, digest, signature);
  return native.ecdsaVerify(publicKey.export({ format: 'der', type: 'spki' }), digest, signature);
}

function sign(key: KeyObject, digest: Uint8Array, signature: Uint8Array, implementation: Implementation): boolean {
  const native = nativeOf(implementation);
  if (native === undefined) return portableSign(key, digest, signature);
  const der = key.export({ format: 'der', type: 'pkcs8' });
  const done = native.ecdsaSign(der, digest, signature);
  der.fill(0);
  return done;
}

function nativeOf(implementation: Implementation): Native | undefined {
  return implementation === 'portable' ? undefined : nativeOr(implementation === undefined);
}

function halfOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): number {
  return asymmetricKeyType === 'ec' ? (curves[asymmetricKeyDetails?.namedCurve ?? '']?.bytes ?? 0) : 0;
}
