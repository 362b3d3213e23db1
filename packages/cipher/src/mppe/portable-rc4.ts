const noKey = new Uint8Array(1);
/** Where key setup begins: each value in its own place. */
const identity = Uint8Array.from({ length: 256 }, (_, i) => i);

/** RC4, which node:crypto has no more. Broken: for MPPE alone. The keystream of one key, from its start. */
export class Rc4 {
  readonly #table = identity.slice();
  #i = 0;
  #j = 0;

  constructor(key: Uint8Array) {
    const table = this.#table;
    let j = 0;
    for (let i = 0; i < 256; i++) {
      const a = table[i] ?? 0;
      j = (j + a + (key[i % key.length] ?? 0)) & 0xff;
      table[i] = table[j] ?? 0;
      table[j] = a;
    }
  }

  /** The same place in the same keystream. */
  clone(): Rc4 {
    const copy = new Rc4(noKey);
    copy.#table.set(this.#table);
    copy.#i = this.#i;
    copy.#j = this.#j;
    return copy;
  }

  wipe(): void {
    this.#table.fill(0);
  }

  /** Encrypts, or decrypts, `data` in place. */
  crypt(data: Uint8Array): void {
    const table = this.#table;
    for (let at = 0; at < data.length; at++) {
      this.#i = (this.#i + 1) & 0xff;
      const a = table[this.#i] ?? 0;
      this.#j = (this.#j + a) & 0xff;
      const b = table[this.#j] ?? 0;
      table[this.#j] = a;
      table[this.#i] = b;
      data[at] = (data[at] ?? 0) ^ (table[(a + b) & 0xff] ?? 0);
    }
  }
}
