import type { IpVersion } from '@culvert/wire';

export interface RememberedLease {
  readonly user: string;
  /** Canonical text. */
  readonly address: string;
}

/** Remembers who held which address, so that a user gets the same one again. Package store keeps it on disk. */
export interface LeaseStore {
  /** What is remembered, each address once, the one used longest ago first. Read once, when a pool is made. */
  all(version: IpVersion): Iterable<RememberedLease>;
  /** `user` holds `address` from now on: it becomes the latest, and whoever held it before is forgotten. */
  put(user: string, version: IpVersion, address: string): void;
}

/** A LeaseStore that lasts as long as the process. */
export class MemoryLeaseStore implements LeaseStore {
  readonly #users = { 4: new Map<string, string>(), 6: new Map<string, string>() };

  *all(version: IpVersion): Iterable<RememberedLease> {
    for (const [address, user] of this.#users[version]) yield { user, address };
  }

  put(user: string, version: IpVersion, address: string): void {
    this.#users[version].delete(address);
    this.#users[version].set(address, user);
  }
}
