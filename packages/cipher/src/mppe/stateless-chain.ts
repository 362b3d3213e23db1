/** A key for each packet (RFC 3078, section 7.1). The native code's oracle. */
import type { MppeOptions, MppeStrength } from './mppe.ts';
import { COUNTS, ENCRYPTED, FLUSHED, innerPacket, MAX_AHEAD, type MppeChain, type Opening } from './portable-chain.ts';
import { Rc4 } from './portable-rc4.ts';
import { initialSessionKey, nextSessionKey } from './portable-session-key.ts';

export class StatelessChain implements MppeChain {
  readonly #strength: MppeStrength;
  readonly #startKey: Uint8Array;
  #sessionKey: Uint8Array;
  #count = COUNTS - 1;

  constructor({ strength, startKey }: MppeOptions) {
    this.#strength = strength;
    this.#startKey = startKey.slice();
    this.#sessionKey = initialSessionKey(startKey, strength);
  }

  seal(inner: Uint8Array): number {
    this.skip(1);
    new Rc4(this.#sessionKey).crypt(inner);
    return FLUSHED | ENCRYPTED | this.#count;
  }

  open(header: number, sealed: Uint8Array, changes: number): Opening | 'unencrypted' | 'late' {
    if ((header & FLUSHED) === 0 || (header & ENCRYPTED) === 0) return 'unencrypted';
    const count = header % COUNTS;
    const ahead = (count - this.#count + COUNTS) % COUNTS;
    if (ahead === 0 || ahead > MAX_AHEAD || ahead > changes) return 'late';
    let key = this.#sessionKey;
    for (let step = 0; step < ahead; step++) key = this.#next(key);
    const plain = sealed.slice();
    new Rc4(key).crypt(plain);
    const accept = () => {
      this.#sessionKey = key;
      this.#count = count;
    };
    return { packet: innerPacket(plain), spent: ahead, missing: ahead - 1, accept };
  }

  skip(count: number): void {
    for (let step = 0; step < count; step++) this.#sessionKey = this.#next(this.#sessionKey);
    this.#count = (this.#count + count) % COUNTS;
  }

  /** Every packet is flushed. */
  flush(): void {}

  close(): void {
    this.#startKey.fill(0);
    this.#sessionKey.fill(0);
  }

  #next(key: Uint8Array): Uint8Array {
    return nextSessionKey(this.#startKey, key, this.#strength);
  }
}
