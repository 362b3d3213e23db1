/**
 * How OpenVPN's tls-crypt protects control packets, and wraps the keys of tls-crypt-v2 (openvpn tls_crypt.c, doc/tls-crypt-v2.txt).
 *
 *   head ...   | tag 32 | ciphertext ...
 *
 * tag = HMAC-SHA256(Ka, head | plain); ciphertext = AES-256-CTR(Ke, counter block = the tag's first 16 bytes, plain). So the tag is
 * over what is encrypted, and equal packets under one head look equal: the head has a replay id.
 *
 * A key is one direction's half of a static key, 128 bytes: Ke is its first 32 bytes, Ka the 32 from byte 64 on.
 */
import { nativeOr } from '../native.ts';
import { NativeTlsCrypt } from './native-tls-crypt.ts';
import { PortableTlsCrypt } from './portable-tls-crypt.ts';

export const TLS_CRYPT_KEY_BYTES = 128;
export const TLS_CRYPT_TAG_BYTES = 32;

/** It keeps nothing: one serves any number of keys. */
export interface TlsCrypt {
  readonly implementation: 'native' | 'portable';
  /** Fills `tagged`, which is 32 bytes longer than `plain`. Throws RangeError for other lengths. */
  seal(key: Uint8Array, head: Uint8Array, plain: Uint8Array, tagged: Uint8Array): void;
  /** Whether `tagged` is authentic; then `plain`, 32 bytes shorter, is filled, else wiped. Throws RangeError for other lengths. */
  open(key: Uint8Array, head: Uint8Array, tagged: Uint8Array, plain: Uint8Array): boolean;
}

/** @param implementation as OpenvpnAeadOptions has it */
export function createTlsCrypt(implementation?: 'native' | 'portable'): TlsCrypt {
  const native = implementation === 'portable' ? undefined : nativeOr(implementation === undefined);
  return native === undefined ? new PortableTlsCrypt() : new NativeTlsCrypt(native);
}
