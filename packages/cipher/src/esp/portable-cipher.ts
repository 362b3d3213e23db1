import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';
import { type EspAlgorithms, type EspForm, espForm, integrityForms } from './algorithms.ts';
import type { EspKeyOptions } from './esp.ts';

const HALF = 2 ** 32;
const noKey = createSecretKey(new Uint8Array(0));

/** Protects one ESP packet at a time, on node:crypto. */
export class PortableEspCipher {
  readonly spi: number;
  readonly #algorithms: EspAlgorithms;
  readonly #form: EspForm;
  /** Key objects: node:crypto takes these several times faster than bytes. */
  #encryptionKey: KeyObject;
  #integrityKey: KeyObject;
  readonly #salt: Uint8Array;
  readonly #esn: boolean;

  constructor({ algorithms, keys, esn = false }: EspKeyOptions) {
    this.spi = keys.spi;
    this.#algorithms = algorithms;
    this.#form = espForm(algorithms);
    this.#encryptionKey = createSecretKey(keys.encryptionKey.subarray(0, algorithms.keyBytes));
    this.#salt = keys.encryptionKey.slice(algorithms.keyBytes);
    this.#integrityKey = createSecretKey(keys.integrityKey);
    this.#esn = esn;
  }

  /** A packet of a plaintext with its trailer. */
  seal(plain: Uint8Array, sequence: number): Uint8Array {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(this.spi, 0);
    head.writeUInt32BE(sequence % HALF, 4);
    if (this.#algorithms.encryption === 'aes-gcm-16') {
      const iv = numberBytes(sequence, 8);
      const options = { authTagLength: this.#form.icv };
      const cipher = createCipheriv(this.#gcmName, this.#encryptionKey, Buffer.concat([this.#salt, iv]), options);
      cipher.setAAD(this.#additionalData(sequence));
      const sealed = cipher.update(plain);
      cipher.final();
      return Buffer.concat([head, iv, sealed, cipher.getAuthTag()]);
    }
    // The first block enciphered under an IV of zeros is the IV of those behind it.
    const { block } = this.#form;
    const cipher = createCipheriv(this.#cbcName, this.#encryptionKey, new Uint8Array(block)).setAutoPadding(false);
    const sealed = Buffer.concat([head, cipher.update(numberBytes(sequence, block)), cipher.update(plain)]);
    cipher.final();
    return Buffer.concat([sealed, this.#icv(sealed, sequence)]);
  }

  /** The plaintext with its trailer; undefined when the packet is not authentic. */
  open(packet: Uint8Array, size: number, sequence: number): Uint8Array | undefined {
    const { head, icv } = this.#form;
    const end = head + size;
    const [iv, sealed, given] = [packet.subarray(8, head), packet.subarray(head, end), packet.subarray(end)];
    if (this.#algorithms.encryption === 'aes-gcm-16') {
      const nonce = Buffer.concat([this.#salt, iv]);
      const decipher = createDecipheriv(this.#gcmName, this.#encryptionKey, nonce, { authTagLength: icv });
      decipher.setAAD(this.#additionalData(sequence)).setAuthTag(given);
      const plain = decipher.update(sealed);
      try {
        decipher.final();
        return plain;
      } catch {
        return undefined;
      }
    }
    if (!timingSafeEqual(this.#icv(packet.subarray(0, end), sequence), given)) return undefined;
    const decipher = createDecipheriv(this.#cbcName, this.#encryptionKey, iv).setAutoPadding(false);
    return Buffer.concat([decipher.update(sealed), decipher.final()]);
  }

  /** SPI and sequence number, with ESN all 64 bits of it (RFC 4106, section 5). */
  #additionalData(sequence: number): Uint8Array {
    return Buffer.concat([numberBytes(this.spi, 4), numberBytes(sequence, this.#esn ? 8 : 4)]);
  }

  #icv(authenticated: Uint8Array, sequence: number): Uint8Array {
    if (this.#algorithms.encryption === 'aes-gcm-16') throw new TypeError('GCM has a tag of its own');
    const { hash, icvBytes } = integrityForms[this.#algorithms.integrity];
    const hmac = createHmac(hash, this.#integrityKey).update(authenticated);
    if (this.#esn) hmac.update(numberBytes(Math.floor(sequence / HALF), 4));
    return hmac.digest().subarray(0, icvBytes);
  }

  get #gcmName(): CipherGCMTypes {
    return `aes-${(8 * this.#algorithms.keyBytes) as 128 | 192 | 256}-gcm`;
  }

  get #cbcName(): string {
    return this.#algorithms.encryption === '3des-cbc' ? 'des-ede3-cbc' : `aes-${8 * this.#algorithms.keyBytes}-cbc`;
  }

  close(): void {
    // OpenSSL wipes what nothing holds any more.
    this.#encryptionKey = this.#integrityKey = noKey;
    this.#salt.fill(0);
  }
}

/** In network order, zeros in front. */
function numberBytes(value: number, bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  out.writeUInt32BE(value % HALF, bytes - 4);
  if (bytes >= 8) out.writeUInt32BE(Math.floor(value / HALF), bytes - 8);
  return out;
}
