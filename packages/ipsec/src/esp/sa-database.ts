/**
 * The security associations of one IKE endpoint (RFC 4301, section 4.4.2), sans-IO: inbound by SPI, outbound by chain.
 *
 * Owns SPIs, how long a deleted pair still receives, when a chain ends, and bounds. It is told what IKE says; its driver tells IKE
 * what its events say.
 */
import type { Instant, Millis, RandomSource } from '@culvert/base';
import type { ChildSa } from '../child-sa.ts';
import type { ChildId, IkeSaId } from '../ike/v1/machine/face.ts';
import { LEAST_SPI } from './datagram.ts';
import { SaChain } from './sa-chain.ts';
import { SaPair } from './sa-pair.ts';

export interface SaDatabaseOptions {
  readonly random: RandomSource;
  /** @default native where it loads */
  readonly implementation?: 'native' | 'portable' | undefined;
  /** Pairs of one chain, deleted ones included; the oldest makes room. @default 8 */
  readonly pairsPerChain?: number | undefined;
  /** Chains of one phase 1: a peer has one for each conversation. @default 16 */
  readonly chainsPerPeer?: number | undefined;
}

export type SaEvent =
  /** Three quarters of a pair's sequence numbers are spent: make one in its place. */
  | { readonly kind: 'worn'; readonly child: ChildId }
  /** Delete it: its sequence numbers are spent, or its peer has too many. */
  | { readonly kind: 'surplus'; readonly child: ChildId }
  /** Its last pair is gone, and no new one came. */
  | { readonly kind: 'ended'; readonly chain: SaChain };

export interface NewPair {
  readonly ikeSa: IkeSaId;
  readonly child: ChildId;
  readonly sa: ChildSa;
  /** The pair of the same selectors whose place it takes. */
  readonly replaces: ChildId | undefined;
}

/** Packets under old keys may be on their way for so long. */
const LINGER: Millis = 30_000;
/** A peer that deletes its SAs before it makes new ones has so long. */
const CHAIN_LINGER: Millis = 3_000;

export class SaDatabase {
  readonly #options: SaDatabaseOptions;
  readonly #bySpi = new Map<number, SaPair>();
  readonly #byChild = new Map<ChildId, SaPair>();
  readonly #chains = new Set<SaChain>();
  /** Given to IKE, for pairs that are still being made. */
  readonly #promised = new Set<number>();
  readonly #events: SaEvent[] = [];
  readonly #lingering = new Set<SaPair>();
  readonly #ending = new Set<SaChain>();

  constructor(options: SaDatabaseOptions) {
    this.#options = options;
  }

  /** Pairs, deleted ones that still receive included. */
  get size(): number {
    return this.#bySpi.size;
  }

  get chains(): ReadonlySet<SaChain> {
    return this.#chains;
  }

  /** A random one of 256 or more that nothing has. */
  allocateSpi(): number {
    for (;;) {
      const [a = 0, b = 0, c = 0, d = 0] = this.#options.random.bytes(4);
      const spi = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
      if (spi < LEAST_SPI || this.#bySpi.has(spi) || this.#promised.has(spi)) continue;
      this.#promised.add(spi);
      return spi;
    }
  }

  /** Whether `allocateSpi` gave it for a pair that is still being made: none but its peer was told. */
  isPromised(spi: number): boolean {
    return this.#promised.has(spi);
  }

  /** What `allocateSpi` gave came to nothing. A pair that was made keeps its SPI for as long as it receives. */
  releaseSpi(spi: number): void {
    this.#promised.delete(spi);
  }

  /** IKE made a pair. Returns the chain that it belongs to, which may be new. */
  create({ ikeSa, child, sa, replaces }: NewPair): SaChain {
    const chain = this.#chainFor(ikeSa, sa, replaces) ?? this.#begin(ikeSa, child, sa);
    const onWear = (state: 'worn' | 'spent') =>
      void this.#events.push({ kind: state === 'worn' ? 'worn' : 'surplus', child });
    const pair = new SaPair({ child, sa, chain, implementation: this.#options.implementation, onWear });
    chain.ikeSa = ikeSa;
    chain.endAt = undefined;
    this.#ending.delete(chain);
    this.#promised.delete(sa.inbound.spi);
    this.#bySpi.set(sa.inbound.spi, pair);
    this.#byChild.set(child, pair);
    const { pairsPerChain = 8 } = this.#options;
    const [oldest] = chain.pairs;
    chain.pairs.push(pair);
    if (oldest !== undefined && chain.pairs.length > pairsPerChain) this.#crowdOut(oldest);
    return chain;
  }

  /** The peer can receive by it. Returns it. */
  handleReady(child: ChildId): SaPair | undefined {
    const pair = this.#byChild.get(child);
    if (pair !== undefined) pair.ready = true;
    return pair;
  }

  /** IKE deleted it. One whose life is over receives no longer either. Returns its chain. */
  handleDeleted(child: ChildId, by: 'peer' | 'us' | 'expiry', now: Instant): SaChain | undefined {
    const pair = this.#byChild.get(child);
    if (pair === undefined) return undefined;
    this.#byChild.delete(child);
    const { chain } = pair;
    if (by === 'expiry') this.#remove(pair);
    else {
      pair.until = (now + LINGER) as Instant;
      this.#lingering.add(pair);
    }
    if (chain.standing > 0) return chain;
    chain.endAt = (now + CHAIN_LINGER) as Instant;
    this.#ending.add(chain);
    return chain;
  }

  /** Phase 1 `to` took the place of `from`. */
  handleReplaced(from: IkeSaId, to: IkeSaId): void {
    for (const chain of this.#chains) if (chain.ikeSa === from) chain.ikeSa = to;
  }

  /** The pair that receives by `spi`. */
  find(spi: number): SaPair | undefined {
    return this.#bySpi.get(spi);
  }

  handleTimeout(now: Instant): void {
    for (const pair of this.#lingering) if ((pair.until ?? now) <= now) this.#remove(pair);
    for (const chain of this.#ending) if ((chain.endAt ?? now) <= now) this.#end(chain);
  }

  pollEvent(): SaEvent | undefined {
    return this.#events.shift();
  }

  pollTimeout(): Instant | undefined {
    let next = Number.POSITIVE_INFINITY;
    for (const { until } of this.#lingering) next = Math.min(next, until ?? next);
    for (const { endAt } of this.#ending) next = Math.min(next, endAt ?? next);
    return next === Number.POSITIVE_INFINITY ? undefined : (next as Instant);
  }

  /** Forgets all keys: nothing can be sent any more. */
  close(): void {
    for (const pair of this.#bySpi.values()) pair.close();
    for (const { pairs } of this.#chains) pairs.length = 0;
    this.#bySpi.clear();
    this.#byChild.clear();
    this.#chains.clear();
    this.#lingering.clear();
    this.#ending.clear();
  }

  #chainFor(ikeSa: IkeSaId, sa: ChildSa, replaces: ChildId | undefined): SaChain | undefined {
    const replaced = replaces === undefined ? undefined : this.#byChild.get(replaces)?.chain;
    if (replaced !== undefined) return replaced;
    for (const chain of this.#ending) if (chain.isOf(ikeSa, sa)) return chain;
    return undefined;
  }

  #begin(ikeSa: IkeSaId, child: ChildId, sa: ChildSa): SaChain {
    const chain = new SaChain(ikeSa, sa);
    this.#chains.add(chain);
    const { chainsPerPeer = 16 } = this.#options;
    let count = 0;
    for (const other of this.#chains) if (other.ikeSa === ikeSa) count++;
    if (count > chainsPerPeer) this.#events.push({ kind: 'surplus', child });
    return chain;
  }

  #crowdOut(pair: SaPair): void {
    if (pair.until === undefined) this.#events.push({ kind: 'surplus', child: pair.child });
    else this.#remove(pair);
  }

  #remove(pair: SaPair): void {
    const { chain, sa } = pair;
    this.#lingering.delete(pair);
    this.#bySpi.delete(sa.inbound.spi);
    const at = chain.pairs.indexOf(pair);
    if (at >= 0) chain.pairs.splice(at, 1);
    pair.close();
  }

  #end(chain: SaChain): void {
    this.#ending.delete(chain);
    this.#chains.delete(chain);
    for (const pair of [...chain.pairs]) this.#remove(pair);
    this.#events.push({ kind: 'ended', chain });
  }
}
