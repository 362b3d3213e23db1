/**
 * Encryption of messages in CBC, each message's IV being the last block of the message before it (RFC 2409, appendix B).
 *
 * One chain for phase 1, and one for each message id of phase 2, which begins at hash(last block of phase 1 | message id).
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { WireError, Writer } from '@culvert/wire';
import { digest, type IkeHash } from '../prf.ts';

export type IkeCipher =
  | { readonly name: 'aes-cbc'; readonly keyBytes: 16 | 24 | 32; readonly blockBytes: 16 }
  | { readonly name: '3des-cbc'; readonly keyBytes: 24; readonly blockBytes: 8 };

export class CipherChain {
  readonly #cipher: IkeCipher;
  readonly #key: Uint8Array;
  #iv: Uint8Array;

  /** `iv` is a block. The chain keeps no copy of `key`. */
  constructor(cipher: IkeCipher, key: Uint8Array, iv: Uint8Array) {
    if (key.length !== cipher.keyBytes || iv.length !== cipher.blockBytes)
      throw new RangeError('key or IV of wrong length');
    this.#cipher = cipher;
    this.#key = key;
    this.#iv = iv.slice();
  }

  /** Encrypts payloads, filled up with zeros to whole blocks, and moves on. */
  seal(payloads: Uint8Array): Uint8Array {
    const block = this.#cipher.blockBytes;
    const padded = new Uint8Array(Math.ceil(payloads.length / block) * block);
    padded.set(payloads);
    const engine = createCipheriv(this.#algorithm(), this.#key, this.#iv).setAutoPadding(false);
    const ciphertext = Uint8Array.from(engine.update(padded));
    this.advance(ciphertext);
    return ciphertext;
  }

  /**
   * Decrypts without moving on: whoever finds the message genuine calls `advance`, so that a forged one leaves the chain where it was.
   * Throws `WireError` for what is not whole blocks.
   */
  open(ciphertext: Uint8Array): Uint8Array {
    const block = this.#cipher.blockBytes;
    if (ciphertext.length === 0 || ciphertext.length % block !== 0) {
      throw new WireError(
        'CULVERT_WIRE_LENGTH',
        `${ciphertext.length} encrypted bytes are not whole blocks of ${block}`,
      );
    }
    const engine = createDecipheriv(this.#algorithm(), this.#key, this.#iv).setAutoPadding(false);
    return Uint8Array.from(engine.update(ciphertext));
  }

  /** The peer's message was genuine: its last block is the next IV. */
  advance(ciphertext: Uint8Array): void {
    this.#iv = ciphertext.slice(-this.#cipher.blockBytes);
  }

  /** The chain of a message id of phase 2. Phase 1 must be over: its last block goes in. */
  forMessage(hash: IkeHash, messageId: number): CipherChain {
    const id = new Writer(4).u32(messageId).finish();
    const iv = digest(hash, this.#iv, id).slice(0, this.#cipher.blockBytes);
    return new CipherChain(this.#cipher, this.#key, iv);
  }

  #algorithm(): string {
    return this.#cipher.name === '3des-cbc' ? 'des-ede3-cbc' : `aes-${this.#cipher.keyBytes * 8}-cbc`;
  }
}
