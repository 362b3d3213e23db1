/**
 * How much work of key exchanges strangers may cause: of one source and in all, each a store that fills again.
 *
 * A place among the half-open bounds what is under way at a time, and not how often one comes after another.
 */
import type { Instant, Millis } from '@culvert/base';
import { sourceOf } from '@culvert/wire';
import type { IkeGroup } from '../../groups.ts';
import type { IkeLimits } from './face.ts';

/** Milliseconds of one core for both steps of an exchange, rounded up, as measured on a 2-core x86-64. The peer picks one by its offer. */
export const exchangeCost: Readonly<Record<IkeGroup, number>> = {
  modp1024: 2,
  modp1536: 1,
  modp2048: 1,
  modp3072: 3,
  modp4096: 4,
  ecp256: 1,
  ecp384: 2,
  ecp521: 4,
  curve25519: 1,
};

/** Who took nothing for so long is new. */
const MEMORY: Millis = 60_000;

interface Store {
  level: number;
  at: Instant;
}

export class KeyExchangeBudget {
  readonly #limits: IkeLimits;
  readonly #all: Store;
  /** Of those that are not new; who took last is last. */
  readonly #bySource = new Map<string, Store>();

  constructor(limits: IkeLimits) {
    this.#limits = limits;
    this.#all = { level: limits.exchangeBurst, at: Number.NEGATIVE_INFINITY as Instant };
  }

  /** How many sources are remembered: no more than can take something in that time. */
  get size(): number {
    return this.#bySource.size;
  }

  /**
   * Whether a peer at `address` may have an exchange in `group` now. Half of the store of all is for sources that are new, so that those
   * which come again and again leave something to others.
   */
  allows(address: string, group: IkeGroup, now: Instant): boolean {
    this.#fill(now);
    this.#forget(now);
    const source = sourceOf(address);
    const cost = exchangeCost[group];
    const reserve = this.#bySource.has(source) ? this.#limits.exchangeBurst / 2 : 0;
    return this.#ownOf(source, now) >= cost && this.#all.level - cost >= reserve;
  }

  /** Takes the work of one exchange that is `allows`d. */
  take(address: string, group: IkeGroup, now: Instant): void {
    this.#fill(now);
    const source = sourceOf(address);
    const level = this.#ownOf(source, now) - exchangeCost[group];
    this.#bySource.delete(source);
    this.#bySource.set(source, { level, at: now });
    this.#all.level -= exchangeCost[group];
  }

  #fill(now: Instant): void {
    const { exchangeBurst, exchangesPerSecond } = this.#limits;
    this.#all.level = filled(this.#all, exchangesPerSecond, exchangeBurst, now);
    this.#all.at = now;
  }

  #ownOf(source: string, now: Instant): number {
    const { exchangeBurstPerSource: most, exchangesPerSecondPerSource: perSecond } = this.#limits;
    const own = this.#bySource.get(source);
    return own === undefined ? most : filled(own, perSecond, most, now);
  }

  #forget(now: Instant): void {
    for (const [source, { at }] of this.#bySource) {
      if (now < at + MEMORY || this.#ownOf(source, now) < this.#limits.exchangeBurstPerSource) return;
      this.#bySource.delete(source);
    }
  }
}

function filled({ level, at }: Store, perSecond: number, most: number, now: Instant): number {
  return Math.min(most, level + ((now - at) / 1000) * perSecond);
}
