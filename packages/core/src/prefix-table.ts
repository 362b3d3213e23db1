/**
 * The forwarding table: networks of both IP versions to small numbers, by longest prefix.
 *
 * One hash a prefix length that is in use, tried from the longest on. Host routes, which are nearly all there are, cost one
 * look-up however many thousand they be; a gateway has a handful of other lengths at most.
 */
import type { IpVersion } from '@culvert/wire';
import { maskWord, type NetworkWords } from './network-words.ts';
import { NOT_FOUND, WordHash } from './word-hash.ts';

interface Level {
  readonly prefix: number;
  readonly maskA: number;
  readonly maskB: number;
  readonly maskC: number;
  readonly maskD: number;
  readonly hash: WordHash;
}

export class PrefixTable {
  /** The longest prefix first. */
  readonly #levels: Record<IpVersion, Level[]> = { 4: [], 6: [] };

  /** The value of the longest network that holds the address in these words, or NOT_FOUND. */
  find(version: number, a: number, b: number, c: number, d: number): number {
    const levels = version === 4 ? this.#levels[4] : this.#levels[6];
    for (let i = 0; i < levels.length; i++) {
      const level = levels[i] as Level;
      const value = level.hash.find(a & level.maskA, b & level.maskB, c & level.maskC, d & level.maskD);
      if (value !== NOT_FOUND) return value;
    }
    return NOT_FOUND;
  }

  /** The value of exactly this network, or NOT_FOUND. */
  get(network: NetworkWords): number {
    const level = this.#levels[network.version].find(({ prefix }) => prefix === network.prefix);
    return level === undefined ? NOT_FOUND : level.hash.find(network.a, network.b, network.c, network.d);
  }

  /** `value` is 0 or more. */
  set(network: NetworkWords, value: number): void {
    this.#level(network).hash.set(network.a, network.b, network.c, network.d, value);
  }

  delete(network: NetworkWords): void {
    const level = this.#level(network);
    level.hash.delete(network.a, network.b, network.c, network.d);
    const levels = this.#levels[network.version];
    if (level.hash.size === 0) levels.splice(levels.indexOf(level), 1);
  }

  #level(network: NetworkWords): Level {
    const levels = this.#levels[network.version];
    const { prefix } = network;
    const found = levels.find((level) => level.prefix === prefix);
    if (found !== undefined) return found;
    const level: Level = {
      prefix,
      maskA: maskWord(prefix, 0),
      maskB: maskWord(prefix, 1),
      maskC: maskWord(prefix, 2),
      maskD: maskWord(prefix, 3),
      hash: new WordHash(),
    };
    levels.push(level);
    levels.sort((x, y) => y.prefix - x.prefix);
    return level;
  }
}
