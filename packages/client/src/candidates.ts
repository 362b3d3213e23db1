/** Every address of every `remote` of a profile, in the order in which they are tried. */
import { randomInt } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Logger } from '@culvert/base';
import type { Candidate, ClientProfile, Remote } from './profile.ts';

export type Resolve = (host: string, family: 4 | 6 | undefined) => Promise<readonly string[]>;

/** A hostile name server costs little. */
const MAX_ADDRESSES = 16;
const RESOLVE_MS = 10_000;

export const systemResolve: Resolve = async (host, family) => {
  const found = await lookup(host, { all: true, family: family ?? 0, order: 'verbatim' });
  return found.map(({ address }) => address);
};

/**
 * Names are asked for again at each round. What was found once is remembered for when they cannot be: while the wire is lost,
 * the name servers behind the tunnel are unreachable, and asking others would tell them.
 */
export class CandidateList {
  readonly #profile: Pick<ClientProfile, 'remotes' | 'remoteRandom'>;
  readonly #resolve: Resolve;
  readonly #log: Logger;
  readonly #known = new Map<string, readonly string[]>();

  constructor(options: {
    readonly profile: Pick<ClientProfile, 'remotes' | 'remoteRandom'>;
    readonly resolve: Resolve;
    readonly log: Logger;
  }) {
    this.#profile = options.profile;
    this.#resolve = options.resolve;
    this.#log = options.log;
  }

  /** Empty when no name could be resolved, ever. */
  async round(): Promise<readonly Candidate[]> {
    const remotes = this.#profile.remoteRandom ? shuffled(this.#profile.remotes) : this.#profile.remotes;
    const addresses = await Promise.all(remotes.map((remote) => this.#addressesOf(remote)));
    return remotes.flatMap(({ host, port, protocol }, i) =>
      (addresses[i] ?? []).map((address) => ({ host, address, port, protocol })),
    );
  }

  async #addressesOf({ host, family }: Remote): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host];
    const key = `${host} ${family ?? ''}`;
    try {
      const found = await within(this.#resolve(host, family), RESOLVE_MS);
      this.#known.set(key, found.slice(0, MAX_ADDRESSES));
    } catch (error) {
      this.#log.warn('the name of a server cannot be resolved', {
        host,
        reason: (error as Error).message,
        remembered: this.#known.get(key)?.length ?? 0,
      });
    }
    return this.#known.get(key) ?? [];
  }
}

function within<T>(work: Promise<T>, millis: number): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(new Error(`no answer in ${millis / 1000} s`)), millis);
  work.then(resolve, reject).finally(() => clearTimeout(timer));
  return promise;
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[]): T[] {
  const left = [...items];
  const result: T[] = [];
  while (left.length > 0) result.push(...left.splice(randomInt(left.length), 1));
  return result;
}
