import type { InnerAddress } from './contracts.ts';
import type { LeaseStore } from './lease-store.ts';

export interface LeasePoolOptions {
  readonly ipv4?: PoolNetwork | undefined;
  readonly ipv6?: PoolNetwork | undefined;
  readonly store: LeaseStore;
}

export interface PoolNetwork {
  /** "10.8.0.0/24" */
  readonly network: string;
  /** The gateway's own address in it. @default the first host */
  readonly gateway?: string;
  /** Addresses and networks that no client gets. */
  readonly reserved?: readonly string[];
}

export interface Lease {
  readonly kind: 'leased';
  readonly ipv4: InnerAddress | undefined;
  readonly ipv6: InnerAddress | undefined;
  /** Gives the addresses back; later calls do nothing. */
  release(): void;
}

export interface NoLease {
  readonly kind: 'exhausted' | 'taken';
  /** One sentence for the log: which network, and why. */
  readonly reason: string;
}

/** The inner addresses of a gateway's clients. */
export class LeasePool {
  constructor(options: LeasePoolOptions) {
    void options;
  }

  /** Address → user: addresses that are kept for a user. Replaces what was set before; leases that are out stay. Throws CoreError for an address outside of the pool. */
  setStatic(addresses: ReadonlyMap<string, string>): void {
    void addresses;
  }

  /** An address of each version for a session of `user`: its static one, else one it held before, else one never used, else the one used longest ago. */
  lease(user: string): Lease | NoLease {
    return { kind: 'exhausted', reason: user };
  }
}
