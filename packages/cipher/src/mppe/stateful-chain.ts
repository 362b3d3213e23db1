/**
 * A key for 256 packets, and one run of RC4 over all of them (RFC 3078, sections 7.2 and 8): for peers that cannot do better. It is
 * weaker than a key for each packet, and a lost packet costs those behind it until the next flushed one.
 *
 * The key changes before a packet whose count ends in 0xff (the flag packet, which is flushed). A receiver that has lost a packet asks for
 * a flushed one by CCP's Reset-Request. There peers differ: with the RFC (and FreeBSD's ng_mppc) the flushed packet begins RC4 anew under
 * the key at hand; Linux (ppp_mppe.c) changes the key for it.
 * So this end answers a Reset-Request by going on to the next flag packet, before which both change the key once; and it reads a flushed
 * packet with each key that it may be under, and takes the one that gives an IP packet.
 */
import type { MppeOptions, MppeStrength } from './mppe.ts';
import { COUNTS, ENCRYPTED, FLUSHED, innerPacket, MAX_AHEAD, type MppeChain, type Opening } from './portable-chain.ts';
import { Rc4 } from './portable-rc4.ts';
import { initialSessionKey, nextSessionKey } from './portable-session-key.ts';

/** Counts between two changes of the key. */
const FLAG = 0x100;
/** Chosen: so many flushed packets of Linux, each with a key of its own, may have been lost before the one that comes. */
const MOST_UNSEEN = 4;

export class StatefulChain implements MppeChain {
  readonly #strength: MppeStrength;
  readonly #startKey: Uint8Array;
  #sessionKey: Uint8Array;
  #rc4: Rc4;
  #count = COUNTS - 1;
  #flushes = false;

  constructor({ strength, startKey }: MppeOptions) {
    this.#strength = strength;
    this.#startKey = startKey.slice();
    this.#sessionKey = initialSessionKey(startKey, strength);
    this.#rc4 = new Rc4(this.#sessionKey);
  }

  /** The first packet is not flushed, as Linux has it: it would change its key for it. */
  seal(inner: Uint8Array): number {
    const next = (this.#count + 1) % COUNTS;
    this.#count = this.#flushes ? next | (FLAG - 1) : next;
    this.#flushes = false;
    const isFlag = this.#count % FLAG === FLAG - 1;
    if (isFlag) this.#changeKey();
    this.#rc4.crypt(inner);
    return (isFlag ? FLUSHED : 0) | ENCRYPTED | this.#count;
  }

  open(header: number, sealed: Uint8Array, changes: number): Opening | 'unencrypted' | 'late' | 'waiting' {
    if ((header & ENCRYPTED) === 0) return 'unencrypted';
    const count = header % COUNTS;
    const ahead = (count - this.#count + COUNTS) % COUNTS;
    if (ahead === 0 || ahead > MAX_AHEAD) return 'late';
    if ((header & FLUSHED) !== 0) return this.#openFlushed(count, ahead, sealed, changes);
    const rc4 = this.#rc4.clone();
    // A flag packet that is not flushed is against the RFC, and Linux does not take it either.
    if (ahead > 1 || count % FLAG === FLAG - 1) return 'waiting';
    const plain = sealed.slice();
    rc4.crypt(plain);
    const accept = () => this.#reached(count, this.#sessionKey, rc4);
    return { packet: innerPacket(plain), spent: 0, missing: 0, accept };
  }

  /** Past `count` packets, of which none was flushed but flag packets. */
  skip(count: number): void {
    for (let left = flagsBetween(this.#count, count); left > 0; left--) this.#changeKey();
    this.#count = (this.#count + count) % COUNTS;
  }

  flush(): void {
    this.#flushes = true;
  }

  close(): void {
    this.#startKey.fill(0);
    this.#sessionKey.fill(0);
    this.#rc4.wipe();
  }

  #openFlushed(count: number, ahead: number, sealed: Uint8Array, changes: number): Opening | 'late' {
    const least = flagsBetween(this.#count, ahead);
    if (least + MOST_UNSEEN > changes) return 'late';
    let key = this.#sessionKey;
    for (let change = 0; change < least; change++) key = this.#next(key);
    for (let unseen = 0; unseen <= MOST_UNSEEN; unseen++) {
      const rc4 = new Rc4(key);
      const plain = sealed.slice();
      rc4.crypt(plain);
      const packet = innerPacket(plain);
      const right = key;
      const accept = () => this.#reached(count, right, rc4);
      if (packet !== undefined) return { packet, spent: least + unseen, missing: ahead - 1, accept };
      key = this.#next(key);
    }
    return { packet: undefined, spent: least + MOST_UNSEEN, missing: 0, accept: () => {} };
  }

  #reached(count: number, key: Uint8Array, rc4: Rc4): void {
    this.#count = count;
    this.#sessionKey = key;
    this.#rc4 = rc4;
  }

  #changeKey(): void {
    this.#sessionKey = this.#next(this.#sessionKey);
    this.#rc4 = new Rc4(this.#sessionKey);
  }

  #next(key: Uint8Array): Uint8Array {
    return nextSessionKey(this.#startKey, key, this.#strength);
  }
}

/** Flag packets among the `steps` counts after `count`. */
function flagsBetween(count: number, steps: number): number {
  return Math.floor((count + 1 + steps) / FLAG) - Math.floor((count + 1) / FLAG);
}
