import type { Instant } from '@culvert/base';
import { formatNetwork, type IpNetwork, parseNetwork, WireError } from '@culvert/wire';
import { AttachedLink, InnerEnd } from './attached-link.ts';
import type { Link, LinkConfig } from './contracts.ts';
import { CoreError } from './errors.ts';
import { type NetworkWords, networkWords } from './network-words.ts';
import { PrefixTable } from './prefix-table.ts';
import { NOT_FOUND } from './word-hash.ts';

/** The attached links, by their inner addresses and by the networks behind them. */
export class LinkTable {
  readonly #routes = new PrefixTable();
  readonly #slots: (AttachedLink | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #byLink = new Map<Link, AttachedLink>();
  readonly #also: readonly string[];

  /** `also`: networks that every link claims beside its own. */
  constructor(also: readonly string[] = []) {
    this.#also = also;
  }

  get size(): number {
    return this.#byLink.size;
  }

  get(link: Link): AttachedLink | undefined {
    return this.#byLink.get(link);
  }

  [Symbol.iterator](): IterableIterator<AttachedLink> {
    return this.#byLink.values();
  }

  /** The link that the longest prefix gives this address to. */
  find(version: number, a: number, b: number, c: number, d: number): AttachedLink | undefined {
    const slot = this.#routes.find(version, a, b, c, d);
    return slot === NOT_FOUND ? undefined : this.#slots[slot];
  }

  /** Throws CoreError, with nothing changed, for an address that is another link's or is none. */
  add(link: Link, now: Instant): AttachedLink {
    const slot = this.#free.pop() ?? this.#slots.length;
    const entry = new AttachedLink(slot, link, now);
    try {
      this.refresh(entry);
    } catch (error) {
      this.#free.push(slot);
      throw error;
    }
    this.#slots[slot] = entry;
    this.#byLink.set(link, entry);
    return entry;
  }

  /** Reads the link's configuration again. Throws as `add` does. */
  refresh(entry: AttachedLink): void {
    const { config } = entry.link;
    const meaning = readConfig(config, this.#also);
    for (const { words, text } of meaning.claims) this.#refuseTaken(entry, words, text);
    this.#release(entry);
    entry.claims = meaning.claims.map(({ words }) => words);
    for (const words of entry.claims) this.#routes.set(words, entry.slot);
    entry.ipv4 = meaning.ipv4;
    entry.ipv6 = meaning.ipv6;
  }

  remove(entry: AttachedLink): void {
    if (!this.#byLink.delete(entry.link)) return;
    this.#release(entry);
    this.#slots[entry.slot] = undefined;
    this.#free.push(entry.slot);
    entry.attached = false;
  }

  #refuseTaken(entry: AttachedLink, words: NetworkWords, text: string): void {
    const holder = this.#routes.get(words);
    if (holder === NOT_FOUND || holder === entry.slot) return;
    const other = this.#slots[holder]?.link;
    throw new CoreError(
      'CULVERT_CORE_ADDRESS_TAKEN',
      `link ${entry.link.id} of ${entry.link.principal.user} wants ${text}, which link ${other?.id} of ${other?.principal.user} has`,
    );
  }

  #release(entry: AttachedLink): void {
    for (const words of entry.claims) this.#routes.delete(words);
    entry.claims = [];
  }
}

interface Claim {
  readonly text: string;
  readonly words: NetworkWords;
}

interface ConfigMeaning {
  readonly ipv4: InnerEnd | undefined;
  readonly ipv6: InnerEnd | undefined;
  /** Each network once. */
  readonly claims: readonly Claim[];
}

function readConfig(config: LinkConfig, also: readonly string[]): ConfigMeaning {
  const addresses = [config.ipv4, config.ipv6].flatMap((inner) => (inner === undefined ? [] : [inner.address]));
  const claims = new Map<string, Claim>();
  try {
    for (const text of [...addresses, ...config.networksBehind, ...also]) {
      const network: IpNetwork = parseNetwork(text);
      const canonical = formatNetwork(network);
      claims.set(canonical, { text: canonical, words: networkWords(network) });
    }
    return {
      ipv4: config.ipv4 && new InnerEnd(config.ipv4),
      ipv6: config.ipv6 && new InnerEnd(config.ipv6),
      claims: [...claims.values()],
    };
  } catch (cause) {
    if (!(cause instanceof WireError)) throw cause;
    throw new CoreError('CULVERT_CORE_ADDRESS', cause.message, { cause });
  }
}
