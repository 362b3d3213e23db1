/** Stateless MPPE as RFC 3078 draws it, a frame at a time: what a peer sends, and what lies in a frame whoever sent it. */
import type { MppeStrength } from '../src/index.ts';
import { Rc4 } from '../src/mppe/portable-rc4.ts';
import { initialSessionKey, nextSessionKey } from '../src/mppe/portable-session-key.ts';

/** Coherency counts have 12 bits. */
const COUNTS = 0x1000;

export interface MppeFrameParts {
  /** A, B, C and D above the count. @default 0x9000, flushed and encrypted */
  readonly bits?: number;
  /** Of the inner packet, as hexadecimal. @default '0021' */
  readonly protocol?: string;
  /** What stands before the count, as hexadecimal. @default 'ff0300fd' */
  readonly head?: string;
}

export class MppePeer {
  readonly #startKey: Uint8Array;
  readonly #strength: MppeStrength;
  /** By frame: the first one has the second key. */
  readonly #keys: Uint8Array[];
  #next = 0;

  constructor(startKey: Uint8Array, strength: MppeStrength = 128) {
    this.#startKey = startKey;
    this.#strength = strength;
    this.#keys = [initialSessionKey(startKey, strength)];
  }

  /** Frames that were sealed or skipped: the number of the next one. */
  get next(): number {
    return this.#next;
  }

  /** So many frames are never sent. */
  skip(frames: number): this {
    this.#next += frames;
    return this;
  }

  frame(inner: Uint8Array, { bits = 0x9000, protocol = '0021', head = 'ff0300fd' }: MppeFrameParts = {}): Buffer {
    const number = this.#next++;
    const count = Buffer.alloc(2);
    count.writeUInt16BE(bits | (number % COUNTS));
    const sealed = this.crypt(number, Buffer.concat([Buffer.from(protocol, 'hex'), inner]));
    return Buffer.concat([Buffer.from(head, 'hex'), count, sealed]);
  }

  /** `bytes` under the key of frame `number`: sealed, or opened. */
  crypt(number: number, bytes: Uint8Array): Buffer {
    const out = Buffer.from(bytes);
    new Rc4(this.#keyOf(number)).crypt(out);
    return out;
  }

  #keyOf(number: number): Uint8Array {
    const keys = this.#keys;
    let last = keys[keys.length - 1] as Uint8Array;
    while (keys.length <= number + 1) {
      last = nextSessionKey(this.#startKey, last, this.#strength);
      keys.push(last);
    }
    return keys[number + 1] as Uint8Array;
  }
}

/** MPPE with state as RFC 3078 has it, of 128 bits: one keystream goes on from frame to frame, and a key is for 256 of them. */
export class StatefulMppePeer {
  readonly #startKey: Uint8Array;
  #key: Uint8Array;
  #rc4: Rc4;
  #next = 0;

  constructor(startKey: Uint8Array) {
    this.#startKey = startKey;
    this.#key = initialSessionKey(startKey, 128);
    this.#rc4 = new Rc4(this.#key);
  }

  get next(): number {
    return this.#next;
  }

  /** @param flushed the keystream begins anew, for a receiver that lost its place. Flag packets, one in 256, do it in any case. */
  frame(inner: Uint8Array, { protocol = '0021', head = 'ff0300fd', flushed = false } = {}): Buffer {
    const count = this.#next++ % COUNTS;
    const isFlag = (count & 0xff) === 0xff;
    if (isFlag) this.#key = nextSessionKey(this.#startKey, this.#key, 128);
    if (isFlag || flushed) this.#rc4 = new Rc4(this.#key);
    const header = Buffer.alloc(2);
    header.writeUInt16BE((isFlag || flushed ? 0x9000 : 0x1000) | count);
    const sealed = Buffer.concat([Buffer.from(protocol, 'hex'), inner]);
    this.#rc4.crypt(sealed);
    return Buffer.concat([Buffer.from(head, 'hex'), header, sealed]);
  }
}
