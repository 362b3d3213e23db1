/**
 * The inner addresses of a gateway's clients: one of each IP version for every session, or none.
 *
 * An IPv6 network that is larger than 64 bits leave room for is two pools: addresses in its first network of 64 bits, and the other
 * networks of 64 bits as they are, for peers that make their addresses themselves.
 */
import { addressAt, formatAddress, formatNetwork, networkOf, parseAddress, parseNetwork } from '@culvert/wire';
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

/** Of which hosts make addresses (RFC 4862, RFC 5072). */
const PREFIX_BITS = 64;
/** Until the peer's own is known, its address ends so; the gateway's ends in 1. */
const FIRST_HOST = 2n;
/** A network of 64 bits with static addresses of several users is none of theirs. */
const NOBODY = '';

export class LeasePool {
  readonly #ipv4: AddressPool | undefined;
  readonly #ipv6: AddressPool | undefined;
  /** Of IPv6: whole networks of 64 bits. */
  readonly #networks: AddressPool | undefined;
  /** Network → the static address in it. */
  #staticIn: ReadonlyMap<string, string> = new Map();
  /** Users whose static address lies in the network that all share. */
  #sharing: ReadonlySet<string> = new Set();
  /** Network → how many single addresses in it are out. */
  readonly #addressesOut = new Map<string, number>();

  /** Throws CoreError or WireError for networks that cannot be pools. */
  constructor({ ipv4, ipv6, store }: LeasePoolOptions) {
    this.#ipv4 = ipv4 && new AddressPool(ipv4, store);
    const shared = ipv6 && sharedOf(ipv6);
    this.#ipv6 = ipv6 && new AddressPool({ ...ipv6, among: shared }, store);
    if (ipv6 === undefined || shared === undefined) return;
    const reserved = [...(ipv6.reserved ?? []), shared];
    this.#networks = new AddressPool({ ...ipv6, reserved, unit: PREFIX_BITS }, store);
  }

  /** Leases that are out, by the IP version that has most of them. */
  get held(): number {
    return Math.max(this.#ipv4?.held ?? 0, (this.#ipv6?.held ?? 0) + (this.#networks?.held ?? 0));
  }

  /** Address → user: addresses that are kept for a user. Replaces what was set before; leases that are out stay. Throws CoreError for an address outside of the pool. */
  setStatic(addresses: ReadonlyMap<string, string>): void {
    const pools = [this.#ipv4, this.#ipv6].filter((pool) => pool !== undefined);
    const byPool = new Map(pools.map((pool) => [pool, new Map<string, string>()]));
    const networks = new Map<string, string>();
    const staticIn = new Map<string, string>();
    const sharing = new Set<string>();
    for (const [text, user] of addresses) {
      const address = formatAddress(parseAddress(text));
      const pool = pools.find((candidate) => candidate.has(address));
      if (pool === undefined)
        throw new CoreError('CULVERT_CORE_POOL', `${address}, kept for ${user}, lies in no inner network`);
      byPool.get(pool)?.set(address, user);
      if (pool !== this.#ipv6 || this.#networks === undefined) continue;
      if (pool.givesUnasked(address)) {
        sharing.add(user);
        continue;
      }
      const network = networkText(address);
      networks.set(network, (networks.get(network) ?? user) === user ? user : NOBODY);
      staticIn.set(network, address);
    }
    for (const [pool, kept] of byPool) pool.setStatic(kept);
    this.#networks?.setStatic(networks);
    this.#staticIn = staticIn;
    this.#sharing = sharing;
  }

  /**
   * An address of each version for a session of `user`: its static one, else one it had before, else one never used, else the one used
   * longest ago. With `wholeNetwork` that is a network of 64 bits for IPv6, where there are several; a user whose static address is in the
   * first of them, which all share, gets that alone.
   */
  lease(user: string, { wholeNetwork = false } = {}): Lease | NoAddress {
    const taken = new Map<AddressPool, InnerAddress>();
    const giveBack = () => {
      for (const [pool, { address }] of taken) this.#giveBack(pool, address);
      taken.clear();
    };
    const networks = wholeNetwork && !this.#sharing.has(user) ? this.#networks : undefined;
    for (const pool of [this.#ipv4, networks ?? this.#ipv6].filter((each) => each !== undefined)) {
      const got = this.#take(pool, user);
      if ('kind' in got) {
        giveBack();
        return got;
      }
      taken.set(pool, got);
    }
    const of = (pool: AddressPool | undefined) => pool && taken.get(pool);
    const ipv6 = networks === undefined ? of(this.#ipv6) : this.#wholeOf(of(networks));
    return { kind: 'leased', ipv4: of(this.#ipv4), ipv6, release: giveBack };
  }

  #take(pool: AddressPool, user: string): InnerAddress | NoAddress {
    if (pool !== this.#ipv6) return pool.take(user, (address) => !this.#addressesOut.has(address));
    const networks = this.#networks;
    const got = pool.take(
      user,
      (address) => networks === undefined || networks.holderOf(networkText(address)) !== user,
    );
    if ('kind' in got || pool.givesUnasked(got.address)) return got;
    const { address } = got;
    const network = networkText(address);
    const holder = this.#networks?.holderOf(network);
    if (holder !== undefined) {
      pool.giveBack(address);
      return { kind: 'taken', reason: `${address} is kept for ${user}, and ${holder} has the network around it still` };
    }
    this.#addressesOut.set(network, (this.#addressesOut.get(network) ?? 0) + 1);
    return got;
  }

  #giveBack(pool: AddressPool, address: string): void {
    pool.giveBack(address);
    if (pool !== this.#ipv6 || this.#addressesOut.size === 0) return;
    const network = networkText(address);
    const others = (this.#addressesOut.get(network) ?? 0) - 1;
    if (others < 0) return;
    if (others > 0) this.#addressesOut.set(network, others);
    else this.#addressesOut.delete(network);
  }

  #wholeOf(network: InnerAddress | undefined): InnerAddress | undefined {
    if (network === undefined) return undefined;
    const own = networkOf(parseAddress(network.address), PREFIX_BITS);
    const address = this.#staticIn.get(network.address) ?? formatAddress(addressAt(own, FIRST_HOST));
    return { ...network, address, ownNetwork: formatNetwork(own) };
  }
}

/** The first network of 64 bits, where there are several. */
function sharedOf({ network }: PoolNetwork): string | undefined {
  const { address, prefix } = parseNetwork(network);
  return prefix < PREFIX_BITS ? formatNetwork({ address, prefix: PREFIX_BITS }) : undefined;
}

/** The first address of the network of 64 bits around it. */
function networkText(address: string): string {
  const parsed = parseAddress(address);
  return formatAddress(networkOf(parsed, PREFIX_BITS).address);
}
