import { sourceOf } from '@culvert/wire';

/**
 * How many handshakes may be under way, in all and from one source, so that one address cannot keep everyone else out.
 * A source is an IPv4 address or an IPv6 /64.
 */
export class HandshakeLimit {
  readonly #most: number;
  readonly #mostOfOne: number;
  readonly #bySource = new Map<string, number>();
  #count = 0;

  /** One source may have half of `most`. */
  constructor(most: number) {
    this.#most = most;
    this.#mostOfOne = Math.max(1, Math.floor(most / 2));
  }

  get count(): number {
    return this.#count;
  }

  /** Takes a place. Undefined: none is free. The function gives it back; calling it again does nothing. */
  take(address: string): (() => void) | undefined {
    const source = sourceOf(address);
    const held = this.#bySource.get(source) ?? 0;
    if (this.#count >= this.#most || held >= this.#mostOfOne) return undefined;
    this.#count++;
    this.#bySource.set(source, held + 1);
    let taken = true;
    return () => {
      if (!taken) return;
      taken = false;
      this.#count--;
      const left = (this.#bySource.get(source) ?? 1) - 1;
      if (left > 0) this.#bySource.set(source, left);
      else this.#bySource.delete(source);
    };
  }
}
