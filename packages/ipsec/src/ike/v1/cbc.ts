/** Encryption of one message in CBC (RFC 2409, appendix B). Whose IV it has is told by machine/protection.ts. */
import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';

export type IkeCipher =
  | { readonly name: 'aes-cbc'; readonly keyBytes: 16 | 24 | 32; readonly blockBytes: 16 }
  | { readonly name: '3des-cbc'; readonly keyBytes: 24; readonly blockBytes: 8 };

/** Encrypts payloads, filled up with zeros to whole blocks. Throws RangeError for a key or an IV of another length. */
export function encrypt(cipher: IkeCipher, key: Uint8Array, iv: Uint8Array, payloads: Uint8Array): Uint8Array {
  const block = cipher.blockBytes;
  const padded = new Uint8Array(Math.ceil(payloads.length / block) * block);
  padded.set(payloads);
  const engine = createCipheriv(algorithmOf(cipher), createSecretKey(key), iv).setAutoPadding(false);
  return Uint8Array.from(engine.update(padded));
}

/** Undefined when it is not whole blocks. That it decrypts says nothing: the hash inside does. */
export function decrypt(
  cipher: IkeCipher,
  key: Uint8Array,
  iv: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array | undefined {
  if (ciphertext.length === 0 || ciphertext.length % cipher.blockBytes !== 0) return undefined;
  const engine = createDecipheriv(algorithmOf(cipher), createSecretKey(key), iv).setAutoPadding(false);
  return Uint8Array.from(engine.update(ciphertext));
}

function algorithmOf({ name, keyBytes }: IkeCipher): string {
  return name === '3des-cbc' ? 'des-ede3-cbc' : `aes-${keyBytes * 8}-cbc`;
}
