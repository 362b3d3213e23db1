/** ESP of one direction by RFC 4303 and Node's crypto alone: AES in CBC mode (RFC 3602) with an HMAC (RFC 2404, RFC 4868). */
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';

const HEADER = 8;
const BLOCK = 16;

export interface EspSuite {
  readonly keyBytes: 16 | 32;
  readonly hash: 'sha1' | 'sha256';
  /** Of its key. */
  readonly hashBytes: number;
  /** What is sent of it. */
  readonly icvBytes: number;
}

export class EspByHand {
  readonly #suite: EspSuite;
  readonly #spi: number;
  readonly #encryptionKey: Uint8Array;
  readonly #integrityKey: Uint8Array;
  #sequence = 0;

  /** @param keymat the key of the cipher, then the HMAC's */
  constructor(suite: EspSuite, spi: number, keymat: Uint8Array) {
    this.#suite = suite;
    this.#spi = spi;
    this.#encryptionKey = keymat.subarray(0, suite.keyBytes);
    this.#integrityKey = keymat.subarray(suite.keyBytes);
  }

  seal(payload: Uint8Array, nextHeader: number): Buffer {
    const padding = (BLOCK - ((payload.length + 2) % BLOCK)) % BLOCK;
    const trailer = [...Array.from({ length: padding }, (_, n) => n + 1), padding, nextHeader];
    const header = Buffer.alloc(HEADER);
    header.writeUInt32BE(this.#spi, 0);
    header.writeUInt32BE(++this.#sequence, 4);
    const iv = randomBytes(BLOCK);
    const cipher = createCipheriv(this.#cipher, this.#encryptionKey, iv).setAutoPadding(false);
    const ciphertext = Buffer.concat([cipher.update(payload), cipher.update(Uint8Array.from(trailer)), cipher.final()]);
    const sealed = Buffer.concat([header, iv, ciphertext]);
    return Buffer.concat([sealed, this.#icv(sealed)]);
  }

  /** What is inside. Fails where it is not authentic, not in order, or has another next header or padding than RFC 4303 asks for. */
  open(packet: Buffer, nextHeader: number): Buffer {
    const end = packet.length - this.#suite.icvBytes;
    assert.deepEqual(packet.subarray(end), this.#icv(packet.subarray(0, end)), 'what the server sends is authentic');
    assert.equal(packet.readUInt32BE(0), this.#spi);
    assert.equal(packet.readUInt32BE(4), ++this.#sequence);
    const iv = packet.subarray(HEADER, HEADER + BLOCK);
    const cipher = createDecipheriv(this.#cipher, this.#encryptionKey, iv).setAutoPadding(false);
    const plain = Buffer.concat([cipher.update(packet.subarray(HEADER + BLOCK, end)), cipher.final()]);
    const padding = plain.at(-2) ?? 0;
    assert.equal(plain.at(-1), nextHeader);
    const body = plain.length - 2 - padding;
    assert.deepEqual(
      [...plain.subarray(body, -2)],
      Array.from({ length: padding }, (_, n) => n + 1),
    );
    return plain.subarray(0, body);
  }

  get #cipher(): string {
    return `aes-${this.#suite.keyBytes * 8}-cbc`;
  }

  #icv(bytes: Uint8Array): Buffer {
    return createHmac(this.#suite.hash, this.#integrityKey).update(bytes).digest().subarray(0, this.#suite.icvBytes);
  }
}
