/** The phase 1 SAs of an endpoint, by number and by cookies, bounded in all and for each source address. */
import { sourceOf } from '@culvert/wire';
import { COOKIE_BYTES } from '../message.ts';
import type { IkeLimits, IkeSaId } from './face.ts';
import type { IkeSa } from './ike-sa.ts';

/** What an initiator has of its responder before the first answer. */
export const noCookie: Uint8Array = new Uint8Array(COOKIE_BYTES);

const none: ReadonlySet<IkeSa> = new Set();

export function keyOf(initiatorCookie: Uint8Array, responderCookie: Uint8Array): string {
  return Buffer.concat([initiatorCookie, responderCookie]).toString('latin1');
}

export function cookiesOf(key: string): readonly [initiator: Uint8Array, responder: Uint8Array] {
  const bytes = Uint8Array.from(Buffer.from(key, 'latin1'));
  return [bytes.subarray(0, COOKIE_BYTES), bytes.subarray(COOKIE_BYTES)];
}

export class SaTable {
  readonly #limits: IkeLimits;
  readonly #byId = new Map<IkeSaId, IkeSa>();
  readonly #byCookies = new Map<string, IkeSa>();
  /** In the order of their coming. */
  readonly #bySource = new Map<string, Set<IkeSa>>();

  constructor(limits: IkeLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: IkeSaId): IkeSa | undefined {
    return this.#byId.get(id);
  }

  values(): IterableIterator<IkeSa> {
    return this.#byId.values();
  }

  find(initiatorCookie: Uint8Array, responderCookie: Uint8Array): IkeSa | undefined {
    return this.#byCookies.get(keyOf(initiatorCookie, responderCookie));
  }

  /** The oldest first. */
  ofSource(source: string): ReadonlySet<IkeSa> {
    return this.#bySource.get(sourceOf(source)) ?? none;
  }

  /** Whether one more of a peer at `source` has room. */
  hasRoom(source: string): boolean {
    return this.size < this.#limits.ikeSas && this.ofSource(source).size < this.#limits.ikeSasPerSource;
  }

  add(sa: IkeSa): void {
    this.#byId.set(sa.id, sa);
    this.#byCookies.set(keyOf(sa.initiatorCookie, sa.responderCookie), sa);
    const source = sourceOf(sa.source);
    const others = this.#bySource.get(source);
    if (others === undefined) this.#bySource.set(source, new Set([sa]));
    else others.add(sa);
  }

  /** An initiator has its responder's cookie. */
  adopt(sa: IkeSa): void {
    this.#byCookies.delete(keyOf(sa.initiatorCookie, noCookie));
    this.#byCookies.set(keyOf(sa.initiatorCookie, sa.responderCookie), sa);
  }

  delete(sa: IkeSa): void {
    if (!this.#byId.delete(sa.id)) return;
    this.#byCookies.delete(keyOf(sa.initiatorCookie, sa.responderCookie));
    const source = sourceOf(sa.source);
    const others = this.#bySource.get(source);
    others?.delete(sa);
    if (others?.size === 0) this.#bySource.delete(source);
  }
}
