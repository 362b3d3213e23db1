/** The encryption of one phase 1's messages: its keys, and the IV of each message (RFC 2409, appendix B). */
import { WireError } from '@culvert/wire';
import { digest } from '../../prf.ts';
import { decrypt, encrypt } from '../cbc.ts';
import { Flag, type Message } from '../message.ts';
import { decodePayloads, encodePayloads, type Payload, type Payloads, PayloadType } from '../payload.ts';
import { type Phase1Keys, u32 } from './keys.ts';

/** A message of phase 2 that decrypted: only its hash can prove it. */
export interface Opened {
  readonly payloads: Payloads;
  /** The body of its first payload. */
  readonly hash: Uint8Array;
  /** Of the next message in its exchange. */
  readonly iv: Uint8Array;
}

export class Protection {
  /** Once main mode has them. */
  keys: Phase1Keys | undefined;
  /** Of ciphertext under these keys, both ways. */
  bytes = 0;
  /** The last block of main mode so far. */
  #last: Uint8Array | undefined;

  /** The next message of main mode, which moves the IV on. */
  sealMain(plain: Uint8Array): Uint8Array {
    const keys = this.#ready();
    const ciphertext = seal(keys, this.#last ?? keys.initialIv, plain);
    this.#last = lastBlock(keys, ciphertext);
    this.bytes += ciphertext.length;
    return ciphertext;
  }

  /** Undefined when it is not of our keys. Once it proved genuine, `acceptMain`. */
  openMain({ firstPayload, rest }: Message): Payloads | undefined {
    const keys = this.#ready();
    const plain = open(keys, this.#last ?? keys.initialIv, rest);
    return plain && tryDecode(firstPayload, plain);
  }

  acceptMain({ rest }: Message): void {
    this.bytes += rest.length;
    this.#last = lastBlock(this.#ready(), rest);
  }

  /** A message of phase 2, and the IV of the next one in its exchange. Without `iv` it is the first. */
  seal(messageId: number, iv: Uint8Array | undefined, hash: Uint8Array, rest: readonly Payload[]) {
    const keys = this.#ready();
    const plain = encodePayloads([{ type: PayloadType.hash, body: hash }, ...rest]);
    const ciphertext = seal(keys, iv ?? this.#startIv(keys, messageId), plain);
    this.bytes += ciphertext.length;
    return { ciphertext, iv: lastBlock(keys, ciphertext) };
  }

  /** Undefined for what is not encrypted with our keys. */
  open(message: Message, iv?: Uint8Array): Opened | undefined {
    const { keys } = this;
    if (keys === undefined || (message.flags & Flag.encrypted) === 0) return undefined;
    const plain = open(keys, iv ?? this.#startIv(keys, message.messageId), message.rest);
    const payloads = plain && tryDecode(message.firstPayload, plain);
    const first = payloads?.list[0];
    if (payloads === undefined || first?.type !== PayloadType.hash) return undefined;
    this.bytes += message.rest.length;
    return { payloads, hash: first.body, iv: lastBlock(keys, message.rest) };
  }

  /** Of a message that opens an exchange of phase 2. */
  #startIv({ suite, initialIv }: Phase1Keys, messageId: number): Uint8Array {
    return digest(suite.hash, this.#last ?? initialIv, u32(messageId)).subarray(0, suite.cipher.blockBytes);
  }

  #ready(): Phase1Keys {
    if (this.keys === undefined) throw new Error('encryption before phase 1 has keys');
    return this.keys;
  }
}

/** The IV of the next message is the last block of this one. */
function lastBlock({ suite }: Phase1Keys, ciphertext: Uint8Array): Uint8Array {
  return ciphertext.slice(-suite.cipher.blockBytes);
}

function seal({ suite, encryptionKey }: Phase1Keys, iv: Uint8Array, plain: Uint8Array): Uint8Array {
  return encrypt(suite.cipher, encryptionKey, iv, plain);
}

function open({ suite, encryptionKey }: Phase1Keys, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined {
  return decrypt(suite.cipher, encryptionKey, iv, ciphertext);
}

function tryDecode(first: number, plain: Uint8Array): Payloads | undefined {
  try {
    return decodePayloads(first, plain);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
