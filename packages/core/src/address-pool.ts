/**
 * The inner addresses of one network, or the smaller networks in it: who has which, who had which, and which is given next.
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
  networkOf,
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

interface PoolUnits {
  /** Bits of prefix of what is given: 64 for networks, each known by its first address. @default all, for addresses */
  readonly unit?: number | undefined;
  /** What is given to who has nothing kept lies in this network. @default the whole network */
  readonly among?: string | undefined;
}

export interface NoAddress {
  readonly kind: 'exhausted' | 'taken';
  /** One sentence for the log: which network, and why. */
  readonly reason: string;
}

interface Held {
  readonly user: string;
  /** Whether anybody may get the address. */
  readonly unasked: boolean;
}

/** Chosen: far more links than one gateway carries, and what a pool may have to remember. */
const MOST_ADDRESSES = 1_048_576n;

export class AddressPool {
  readonly version: IpVersion;
  readonly network: IpNetwork;
  readonly #unit: number;
  /** As a power of two: addresses in one unit. */
  readonly #step: bigint;
  readonly #among: IpNetwork;
  readonly #gateway: string;
  readonly #reserved: readonly IpNetwork[];
  readonly #store: LeaseStore;
  /** Of leases that are out, by address. */
  readonly #held = new Map<string, Held>();
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
  constructor(options: PoolNetwork & PoolUnits, store: LeaseStore) {
    this.network = parseNetwork(options.network);
    this.version = this.network.address.version;
    this.#store = store;
    const bits = this.network.address.bytes.length * 8;
    this.#unit = options.unit ?? bits;
    this.#step = BigInt(bits - this.#unit);
    this.#among = options.among === undefined ? this.network : parseNetwork(options.among);
    const size = 1n << BigInt(bits - this.network.prefix);
    const units = size >> this.#step;
    if (size < 4n)
      throw new CoreError('CULVERT_CORE_POOL', `${options.network} has no room for a gateway and a client`);
    this.#endOffset = units < MOST_ADDRESSES ? units : MOST_ADDRESSES;
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
    for (const { address, user } of store.all(this.version)) this.#remember(address, user);
  }

  /** Leases that are out. */
  get held(): number {
    return this.#held.size;
  }

  has(address: string): boolean {
    return this.#has(canonical(address));
  }

  /** Who has it now. In canonical text. */
  holderOf(address: string): string | undefined {
    return this.#held.get(address)?.user;
  }

  /** Whether an address, in canonical text, is among those that anybody may get. */
  givesUnasked(address: string): boolean {
    const held = this.#held.get(address);
    if (held !== undefined) return held.unasked;
    if (this.#remembered.has(address)) return true;
    return contains(this.#among, parseAddress(address)) && this.#mayGive(address);
  }

  /** Address → user, in canonical text, inside the network. Replaces what was set before. Throws CoreError for the gateway's address and the like. */
  setStatic(addresses: ReadonlyMap<string, string>): void {
    for (const address of addresses.keys()) {
      if (!this.#mayGive(address)) throw new CoreError('CULVERT_CORE_POOL', `${address} is not for clients to have`);
    }
    this.#static = addresses;
    this.#nextOffset = 0n;
  }

  /** An address for one more session of `user`, out of those that its owner calls free, too. */
  take(user: string, isFree: (address: string) => boolean): InnerAddress | NoAddress {
    const kept = this.#keptFor(user, isFree);
    if (typeof kept === 'object') return kept;
    const address = kept ?? this.#hadBefore(user, isFree) ?? this.#neverUsed(isFree) ?? this.#usedLongestAgo(isFree);
    if (address === undefined) {
      const what = this.#step === 0n ? 'address' : `network of ${this.#unit} bits`;
      const network = formatNetwork(this.network);
      return { kind: 'exhausted', reason: `no ${what} is free in ${network}: ${this.#held.size} are in use` };
    }
    const unasked = this.givesUnasked(address);
    this.#forget(address);
    this.#held.set(address, { user, unasked });
    this.#store.put(user, this.version, address);
    return { address, prefix: this.network.prefix, gateway: this.#gateway };
  }

  giveBack(address: string): void {
    const held = this.#held.get(address);
    if (held === undefined) return;
    this.#remember(address, held.user);
    this.#held.delete(address);
  }

  /** The user's static address, if none of its sessions has it; a refusal where another user's lease is in the way. */
  #keptFor(user: string, isFree: (address: string) => boolean): string | NoAddress | undefined {
    for (const [address, owner] of this.#static) {
      if (owner !== user) continue;
      const holder = this.holderOf(address);
      if (holder === undefined && isFree(address)) return address;
      if (holder !== undefined && holder !== user)
        return { kind: 'taken', reason: `${address} is kept for ${user}, and ${holder} has it still` };
    }
    return undefined;
  }

  #hadBefore(user: string, isFree: (address: string) => boolean): string | undefined {
    let latest: string | undefined;
    for (const address of this.#byUser.get(user) ?? [])
      if (!this.#static.has(address) && isFree(address)) latest = address;
    return latest;
  }

  #neverUsed(isFree: (address: string) => boolean): string | undefined {
    let isLowest = true;
    for (let offset = this.#nextOffset; offset < this.#endOffset; offset++) {
      const address = formatAddress(addressAt(this.network, offset << this.#step));
      const used = this.#held.has(address) || this.#remembered.has(address) || this.#static.has(address);
      const isToGive = !used && this.givesUnasked(address);
      if (isToGive && isFree(address)) return address;
      isLowest &&= !isToGive;
      if (isLowest) this.#nextOffset = offset + 1n;
    }
    return undefined;
  }

  #usedLongestAgo(isFree: (address: string) => boolean): string | undefined {
    for (const address of this.#remembered.keys()) if (!this.#static.has(address) && isFree(address)) return address;
    return undefined;
  }

  #remember(address: string, user: string): void {
    this.#forget(address);
    if (!this.givesUnasked(address)) return;
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
    const unit = networkOf(parsed, this.#unit);
    if (!contains(this.network, parsed) || formatAddress(unit.address) !== address) return false;
    return !this.#reserved.some((network) => contains(network, parsed) || contains(unit, network.address));
  }
}

function canonical(text: string): string {
  return formatAddress(parseAddress(text));
}
