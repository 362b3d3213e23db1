/** The kinds of keys that a CA can have and certify, as Web Crypto names them. */
import { webcrypto } from 'node:crypto';

export type KeyAlgorithm = 'ec-p256' | 'ec-p384' | 'ed25519' | 'rsa-3072';

export const keyAlgorithms: readonly KeyAlgorithm[] = ['ec-p256', 'ec-p384', 'ed25519', 'rsa-3072'];

interface Parameters {
  readonly key: webcrypto.EcKeyAlgorithm | webcrypto.RsaHashedKeyGenParams | webcrypto.Algorithm;
  /** How a key of this kind signs. */
  readonly sign: webcrypto.Algorithm & { readonly hash?: string };
}

const parameters: Readonly<Record<KeyAlgorithm, Parameters>> = {
  'ec-p256': { key: { name: 'ECDSA', namedCurve: 'P-256' }, sign: { name: 'ECDSA', hash: 'SHA-256' } },
  'ec-p384': { key: { name: 'ECDSA', namedCurve: 'P-384' }, sign: { name: 'ECDSA', hash: 'SHA-384' } },
  ed25519: { key: { name: 'Ed25519' }, sign: { name: 'Ed25519' } },
  // For peers that know no elliptic curves.
  'rsa-3072': {
    key: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 3072, publicExponent: Uint8Array.of(1, 0, 1) },
    sign: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  },
};

export async function generateKeyPair(algorithm: KeyAlgorithm): Promise<webcrypto.CryptoKeyPair> {
  const pair = await webcrypto.subtle.generateKey(parameters[algorithm].key, true, ['sign', 'verify']);
  return pair as webcrypto.CryptoKeyPair;
}

export function signingAlgorithm(algorithm: KeyAlgorithm): Parameters['sign'] {
  return parameters[algorithm].sign;
}

/** A PKCS#8 key that can sign and cannot be exported again. */
export async function importSigningKey(
  algorithm: KeyAlgorithm,
  pkcs8: Uint8Array<ArrayBuffer>,
): Promise<webcrypto.CryptoKey> {
  return webcrypto.subtle.importKey('pkcs8', pkcs8, parameters[algorithm].key, false, ['sign']);
}

export async function exportPrivateKey(key: webcrypto.CryptoKey): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', key));
}
