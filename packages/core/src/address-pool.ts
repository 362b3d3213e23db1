/**
 * The inner addresses of one network: who has which, who had which, and which is given next.
 *
 * A user gets an address kept for it, else one that it had before, else one never used, else the free one that was used longest
 * ago, so that an address stays with its user as long as there is room.
 */
import {
  addressAt,
  contains,
  formatAddress,
  formatNetwork,
  type IpNetwork,
  type IpVersion,
  parseAddress,
  parseNetwork,
} from '@culvert/wire';
import type { InnerAddress } from './contracts.ts';
import { CoreError } from './errors.ts';
import type { LeaseStore } from './lease-store.ts';

export interface PoolNetwork {
  /** "10.8.0.0/24" */
  readonly network: string;
  /** The gateway's own address in it. @default the first host */
  readonly gateway?: string | undefined;
  /** Addresses and networks that no client gets. @default none */
  readonly reserved?: readonly string[] | undefined;
}

export interface NoAddress {
  readonly kind: 'exhausted' | 'taken';
  /** One sentence for the log: which network, and why. */
  readonly reason: string;
}

/** Chosen: far more links than one gateway carries, and what a pool may have to remember. */
const MOST_ADDRESSES = 1_048_576n;

export class AddressPool {
  readonly version: IpVersion;
  readonly network: IpNetwork;
  readonly #gateway: string;
  readonly #reserved: readonly IpNetwork[];
  readonly #store: LeaseStore;
  /** Address → user, of leases that are out. */
  readonly #held = new Map<string, string>();
  /** Address → user that had it last, of free ones; the one used longest ago first. */
  readonly #remembered = new Map<string, string>();
  /** User → its remembered addresses, the latest last. */
  readonly #byUser = new Map<string, Set<string>>();
  /** Address → user. */
  #static: ReadonlyMap<string, string> = new Map();
  /** Every address below this offset was given, is remembered, or is none to give. */
  #nextOffset = 0n;
  readonly #endOffset: bigint;

  /** Throws WireError or CoreError for a network that is none, or that lacks the gateway's address. */
  constructor(options: PoolNetwork, store: LeaseStore) {
    this.network = parseNetwork(options.network);
    this.version = this.network.address.version;
    this.#store = store;
    const size = 1n << BigInt(this.network.address.bytes.length * 8 - this.network.prefix);
    if (size < 4n)
      throw new CoreError('CULVERT_CORE_POOL', `${options.network} has no room for a gateway and a client`);
    this.#endOffset = size < MOST_ADDRESSES ? size : MOST_ADDRESSES;
    this.#gateway = canonical(options.gateway ?? formatAddress(addressAt(this.network, 1n)));
    if (!this.#has(this.#gateway)) {
      throw new CoreError(
        'CULVERT_CORE_POOL',
        `the gateway's address ${this.#gateway} lies outside ${options.network}`,
      );
    }
    const edges = [addressAt(this.network, 0n), ...(this.version === 4 ? [addressAt(this.network, size - 1n)] : [])];
    this.#reserved = [this.#gateway, ...edges.map((edge) => formatAddress(edge)), ...(options.reserved ?? [])].map(
      (text) => parseNetwork(text),
    );
    for (const { address, user } of store.all(this.version)) if (this.#mayGive(address)) this.#remember(address, user);
  }

  /** Leases that are out. */
  get held(): number {
    return this.#held.size;
  }

  has(address: string): boolean {
    return this.#has(canonical(address));
  }

  /** Address → user, in canonical text, inside the network. Replaces what was set before. Throws CoreError for the gateway's address and the like. */
  setStatic(addresses: ReadonlyMap<string, string>): void {
    for (const address of addresses.keys()) {
      if (!this.#mayGive(address)) throw new CoreError('CULVERT_CORE_POOL', `${address} is not for clients to have`);
    }
    this.#static = addresses;
    this.#nextOffset = 0n;
  }

  /** An address for one more session of `user`. */
  take(user: string): InnerAddress | NoAddress {
    const kept = this.#keptFor(user);
    if (typeof kept === 'object') return kept;
    const address = kept ?? this.#hadBefore(user) ?? this.#neverUsed() ?? this.#usedLongestAgo();
    if (address === undefined) {
      const network = formatNetwork(this.network);
      return { kind: 'exhausted', reason: `no address is free in ${network}: ${this.#held.size} are in use` };
    }
    this.#forget(address);
    this.#held.set(address, user);
    this.#store.put(user, this.version, address);
    return { address, prefix: this.network.prefix, gateway: this.#gateway };
  }

  giveBack(address: string): void {
    const user = this.#held.get(address);
    if (user === undefined) return;
    this.#held.delete(address);
    this.#remember(address, user);
  }

  /** The user's static address, if none of its sessions has it; a refusal where another user's lease is in the way. */
  #keptFor(user: string): string | NoAddress | undefined {
    for (const [address, owner] of this.#static) {
      if (owner !== user) continue;
      const holder = this.#held.get(address);
      if (holder === undefined) return address;
      if (holder !== user)
        return { kind: 'taken', reason: `${address} is kept for ${user}, and ${holder} has it still` };
    }
    return undefined;
  }

  #hadBefore(user: string): string | undefined {
    const addresses = this.#byUser.get(user);
    return addresses && [...addresses].reverse().find((address) => !this.#static.has(address));
  }

  #neverUsed(): string | undefined {
    for (; this.#nextOffset < this.#endOffset; this.#nextOffset++) {
      const address = formatAddress(addressAt(this.network, this.#nextOffset));
      const used = this.#held.has(address) || this.#remembered.has(address) || this.#static.has(address);
      if (!used && this.#mayGive(address)) return address;
    }
    return undefined;
  }

  #usedLongestAgo(): string | undefined {
    for (const address of this.#remembered.keys()) if (!this.#static.has(address)) return address;
    return undefined;
  }

  #remember(address: string, user: string): void {
    this.#forget(address);
    this.#remembered.set(address, user);
    const addresses = this.#byUser.get(user) ?? new Set();
    this.#byUser.set(user, addresses.add(address));
  }

  #forget(address: string): void {
    const user = this.#remembered.get(address);
    if (user === undefined) return;
    this.#remembered.delete(address);
    const addresses = this.#byUser.get(user);
    addresses?.delete(address);
    if (addresses?.size === 0) this.#byUser.delete(user);
  }

  #has(address: string): boolean {
    return contains(this.network, parseAddress(address));
  }

  #mayGive(address: string): boolean {
    const parsed = parseAddress(address);
    return contains(this.network, parsed) && !this.#reserved.some((network) => contains(network, parsed));
  }
}

function canonical(text: string): string {
  return formatAddress(parseAddress(text));
}
