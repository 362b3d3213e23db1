/**
 * MS-CHAPv2, its keys and MPPE as RFC 2759, 3079 and 3078 print them, a packet at a time, for scripted peers: nothing of ours is in here.
 * It needs no MD4, since it knows one password.
 */
import { createCipheriv, createHash } from 'node:crypto';

/** MD4 of "secret" in UTF-16, and of that (`openssl dgst -md4`). */
const ntHash = Buffer.from('878d8014606cda29677a44efa1353fc7', 'hex');
const ntHashHash = Buffer.from('25ee06323ac15264cf82397711ef38df', 'hex');

const sha1 = (...parts: readonly (Uint8Array | string)[]): Buffer => {
  const hash = createHash('sha1');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** Both sides of one proof of "secret": what alice answers, what her server says to it, and the key that both have then. */
export class MsChapV2 {
  readonly #username: string;
  /** Made up by who answers. */
  readonly #peerChallenge = Buffer.alloc(16, 0x5a);
  #ntResponse: Buffer | undefined;
  #success = '';

  constructor(username: string) {
    this.#username = username;
  }

  /** "S=" and forty digits (RFC 2759, 8.7), of the last answer. */
  get success(): string {
    return this.#success;
  }

  /** The 49 bytes that answer this challenge of 16, all in hexadecimal. */
  answer(challenge: string): string {
    this.#compute(Buffer.from(challenge, 'hex'), this.#peerChallenge);
    return `${this.#peerChallenge.toString('hex')}${'00'.repeat(8)}${this.#ntResponse?.toString('hex')}00`;
  }

  /** Whether these 49 bytes answer the challenge of 16. */
  accepts(challenge: string, answer: string): boolean {
    const bytes = Buffer.from(answer, 'hex');
    this.#compute(Buffer.from(challenge, 'hex'), bytes.subarray(0, 16));
    return this.#ntResponse?.equals(bytes.subarray(24, 48)) === true;
  }

  /** What the client seals with, and what its server does (RFC 3079, 3.4). */
  keys(): { readonly client: Mppe; readonly server: Mppe } {
    if (this.#ntResponse === undefined) throw new Error('nothing was proven yet');
    const master = sha1(ntHashHash, this.#ntResponse, 'This is the MPPE Master Key').subarray(0, 16);
    const start = (magic: string) => sha1(master, Buffer.alloc(40), magic, Buffer.alloc(40, 0xf2)).subarray(0, 16);
    const text = (own: string, peers: string) =>
      `On the client side, this is the ${own} key; on the server side, it is the ${peers} key.`;
    return { client: new Mppe(start(text('send', 'receive'))), server: new Mppe(start(text('receive', 'send'))) };
  }

  #compute(challenge: Uint8Array, peerChallenge: Uint8Array): void {
    const hash = sha1(peerChallenge, challenge, this.#username).subarray(0, 8);
    const padded = Buffer.concat([ntHash, Buffer.alloc(5)]);
    const ntResponse = Buffer.concat([0, 7, 14].map((at) => des(padded.subarray(at, at + 7), hash)));
    const inner = sha1(ntHashHash, ntResponse, 'Magic server to client signing constant');
    const outer = sha1(inner, hash, 'Pad to make it do more than one iteration');
    this.#ntResponse = ntResponse;
    this.#success = `S=${outer.toString('hex').toUpperCase()}`;
  }
}

/** One direction of MPPE with 128 bits and without state: a key a packet. */
export class Mppe {
  readonly #start: Uint8Array;
  #key: Uint8Array;
  /** Of the next packet. */
  #count = 0;

  constructor(start: Uint8Array) {
    this.#start = start;
    this.#key = this.#mixed(start);
  }

  /** Header and text of the next packet. */
  seal(plain: Uint8Array): Buffer {
    // A: the key is new. D: this packet is encrypted.
    const head = 0x9000 | this.#count;
    return Buffer.concat([Uint8Array.of(head >>> 8, head & 0xff), this.#next(plain)]);
  }

  /** Throws unless it is the next packet. */
  open(bytes: Uint8Array): Buffer {
    const head = Buffer.from(bytes).readUInt16BE(0);
    if (head !== (0x9000 | this.#count))
      throw new Error(`MPPE's header is ${head.toString(16)}, not packet ${this.#count}`);
    return this.#next(bytes.subarray(2));
  }

  /** RFC 3078, 7.3. */
  #next(text: Uint8Array): Buffer {
    const interim = this.#mixed(this.#key);
    this.#key = rc4(interim, interim);
    this.#count = (this.#count + 1) % 4_096;
    return rc4(this.#key, text);
  }

  #mixed(key: Uint8Array): Uint8Array {
    return sha1(this.#start, Buffer.alloc(40), key, Buffer.alloc(40, 0xf2)).subarray(0, 16);
  }
}

/** With a key of 56 bits; Node has DES three times over, which with one key is DES. */
function des(key: Uint8Array, block: Uint8Array): Buffer {
  const bits = BigInt(`0x${Buffer.from(key).toString('hex')}`);
  const spread = Uint8Array.from({ length: 8 }, (_, i) => Number((bits >> BigInt(49 - 7 * i)) & 0x7fn) << 1);
  const cipher = createCipheriv('des-ede3', Buffer.concat([spread, spread, spread]), null).setAutoPadding(false);
  return Buffer.concat([cipher.update(block), cipher.final()]);
}

function rc4(key: Uint8Array, text: Uint8Array): Buffer {
  const s = Array.from({ length: 256 }, (_, i) => i);
  const at = (i: number): number => s[i & 0xff] ?? 0;
  const swap = (i: number, j: number): void => {
    [s[i], s[j]] = [at(j), at(i)];
  };
  for (let i = 0, j = 0; i < 256; i++) {
    j = (j + at(i) + (key[i % key.length] ?? 0)) & 0xff;
    swap(i, j);
  }
  let [i, j] = [0, 0];
  return Buffer.from(text).map((byte) => {
    i = (i + 1) & 0xff;
    j = (j + at(i)) & 0xff;
    swap(i, j);
    return byte ^ at(at(i) + at(j));
  }) as Buffer;
}
