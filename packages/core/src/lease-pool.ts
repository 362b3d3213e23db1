/** The inner addresses of a gateway's clients: one of each IP version for every session, or none. */
import { formatAddress, parseAddress } from '@culvert/wire';
import { AddressPool, type NoAddress, type PoolNetwork } from './address-pool.ts';
import type { InnerAddress } from './contracts.ts';
import { CoreError } from './errors.ts';
import type { LeaseStore } from './lease-store.ts';

export interface LeasePoolOptions {
  readonly ipv4?: PoolNetwork | undefined;
  readonly ipv6?: PoolNetwork | undefined;
  readonly store: LeaseStore;
}

export interface Lease {
  readonly kind: 'leased';
  readonly ipv4: InnerAddress | undefined;
  readonly ipv6: InnerAddress | undefined;
  /** Gives the addresses back; later calls do nothing. */
  release(): void;
}

export class LeasePool {
  readonly #pools: readonly AddressPool[];

  /** Throws CoreError or WireError for networks that cannot be pools. */
  constructor(options: LeasePoolOptions) {
    const networks = [options.ipv4, options.ipv6].filter((network) => network !== undefined);
    this.#pools = networks.map((network) => new AddressPool(network, options.store));
  }

  /** Leases that are out, by the network that has most of them. */
  get held(): number {
    return Math.max(0, ...this.#pools.map((pool) => pool.held));
  }

  /** Address → user: addresses that are kept for a user. Replaces what was set before; leases that are out stay. Throws CoreError for an address outside of the pool. */
  setStatic(addresses: ReadonlyMap<string, string>): void {
    const byPool = this.#pools.map(() => new Map<string, string>());
    for (const [text, user] of addresses) {
      const address = formatAddress(parseAddress(text));
      const pool = this.#pools.findIndex((candidate) => candidate.has(address));
      if (pool < 0) throw new CoreError('CULVERT_CORE_POOL', `${address}, kept for ${user}, lies in no inner network`);
      byPool[pool]?.set(address, user);
    }
    for (const [i, pool] of this.#pools.entries()) pool.setStatic(byPool[i] ?? new Map());
  }

  /** An address of each version for a session of `user`: its static one, else one it had before, else one never used, else the one used longest ago. */
  lease(user: string): Lease | NoAddress {
    const taken = new Map<AddressPool, InnerAddress>();
    const giveBack = () => {
      for (const [pool, { address }] of taken) pool.giveBack(address);
      taken.clear();
    };
    for (const pool of this.#pools) {
      const got = pool.take(user);
      if ('kind' in got) {
        giveBack();
        return got;
      }
      taken.set(pool, got);
    }
    const of = (version: number) => [...taken].find(([pool]) => pool.version === version)?.[1];
    return { kind: 'leased', ipv4: of(4), ipv6: of(6), release: giveBack };
  }
}
