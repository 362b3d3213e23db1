/**
 * What a listener proves with, as its options have it now: their owner may exchange keys and certificates while it listens.
 *
 * Who begins phase 1 gets the new ones; peers that are up keep what they have.
 */
import type { Logger } from '@culvert/base';
import { type Credentials, createCredentials } from './credentials.ts';
import type { L2tpIpsecListenOptions } from './options.ts';
import { presharedKeyFinder } from './preshared-keys.ts';

type Options = Pick<L2tpIpsecListenOptions, 'presharedKeys' | 'certificate'>;

export class CurrentSecrets {
  readonly #at: Options;
  readonly #log: Logger;
  #keys: Options['presharedKeys'];
  #find: ReturnType<typeof presharedKeyFinder>;
  #certificate: Options['certificate'];
  #credentials: Credentials | undefined;

  /** Throws TlsError, TransportError or WireError for what cannot be used. */
  constructor(at: Options, log: Logger) {
    this.#at = at;
    this.#log = log;
    this.#keys = at.presharedKeys;
    this.#find = presharedKeyFinder(this.#keys);
    this.#certificate = at.certificate;
    this.#credentials = this.#create(this.#certificate);
  }

  /** The key of peers at this address. */
  keyFor(address: string): Uint8Array | undefined {
    const keys = this.#at.presharedKeys;
    if (keys !== this.#keys) {
      this.#keys = keys;
      this.#find = this.#orBefore('keys', () => presharedKeyFinder(keys), this.#find);
    }
    return this.#find(address);
  }

  credentials(): Credentials | undefined {
    const { certificate } = this.#at;
    if (certificate !== this.#certificate) {
      this.#certificate = certificate;
      const before = this.#credentials;
      this.#credentials = this.#orBefore('certificate', () => this.#create(certificate), before);
      if (before !== this.#credentials) before?.close();
    }
    return this.#credentials;
  }

  close(): void {
    this.#credentials?.close();
  }

  #create(certificate: Options['certificate']): Credentials | undefined {
    return certificate && createCredentials({ ...certificate, role: 'server', log: this.#log });
  }

  /** A stranger's packet is no place to fail: what cannot be used is told. */
  #orBefore<T>(what: string, create: () => T, before: T): T {
    try {
      return create();
    } catch (error) {
      this.#log.warn(`new ${what} cannot be used, what was before stays`, { reason: (error as Error).message });
      return before;
    }
  }
}
