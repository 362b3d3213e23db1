import type { Instant } from '@culvert/base';
import { WireError } from '@culvert/wire';
import { AttachedLink, InnerEnd } from './attached-link.ts';
import type { InnerAddress, Link, LinkConfig } from './contracts.ts';
import { CoreError } from './errors.ts';
import { type NetworkWords, networkAround, networkText, networkWords } from './network-words.ts';
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
    for (const words of meaning.claims) this.#refuseTaken(entry, words);
    this.#release(entry);
    entry.claims = meaning.claims;
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

  #refuseTaken(entry: AttachedLink, words: NetworkWords): void {
    const holder = this.#routes.get(words);
    if (holder === NOT_FOUND || holder === entry.slot) return;
    const other = this.#slots[holder]?.link;
    throw new CoreError(
      'CULVERT_CORE_ADDRESS_TAKEN',
      `link ${entry.link.id} of ${entry.link.principal.user} wants ${networkText(words)}, which link ${other?.id} of ${other?.principal.user} has`,
    );
  }

  #release(entry: AttachedLink): void {
    for (const words of entry.claims) this.#routes.delete(words);
    entry.claims = [];
  }
}

interface ConfigMeaning {
  readonly ipv4: InnerEnd | undefined;
  readonly ipv6: InnerEnd | undefined;
  /** Each network once. */
  readonly claims: readonly NetworkWords[];
}

function readConfig(config: LinkConfig, also: readonly string[]): ConfigMeaning {
  const claims: NetworkWords[] = [];
  try {
    const ipv4 = config.ipv4 && new InnerEnd(config.ipv4);
    const ipv6 = config.ipv6 && new InnerEnd(config.ipv6);
    claimOwn(claims, config.ipv4, ipv4);
    claimOwn(claims, config.ipv6, ipv6);
    for (const text of config.networksBehind) claim(claims, networkWords(text));
    for (const text of also) claim(claims, networkWords(text));
    return { ipv4, ipv6, claims };
  } catch (cause) {
    if (!(cause instanceof WireError)) throw cause;
    throw new CoreError('CULVERT_CORE_ADDRESS', cause.message, { cause });
  }
}

function claimOwn(claims: NetworkWords[], inner: InnerAddress | undefined, end: InnerEnd | undefined): void {
  if (inner === undefined || end === undefined) return;
  const { ownNetwork } = inner;
  const whole = end.address.version === 4 ? 32 : 128;
  claim(claims, ownNetwork === undefined ? networkAround(end.address, whole) : networkWords(ownNetwork));
}

function claim(claims: NetworkWords[], network: NetworkWords): void {
  if (!claims.some((other) => isSame(other, network))) claims.push(network);
}

function isSame(x: NetworkWords, y: NetworkWords): boolean {
  const sameWords = x.a === y.a && x.b === y.b && x.c === y.c && x.d === y.d;
  return sameWords && x.version === y.version && x.prefix === y.prefix;
}
