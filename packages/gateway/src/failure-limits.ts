/**
 * How often a source or a user may fail before it is refused unread.
 *
 * Owns one bucket a key: a failure takes a drop, drops come back evenly over a minute. The table is bounded; the key that was
 * touched longest ago makes room, so a flood of sources forgets old failures and costs no more memory.
 */
import type { Instant, Millis } from '@culvert/base';
import { formatNetwork, networkOf, parseAddress } from '@culvert/wire';

const windowMillis: Millis = 60_000;
/** Of both tables together a few MiB. */
const maxKeys = 16_384;

interface Bucket {
  drops: number;
  at: Instant;
}

export class FailureLimits {
  readonly #perMinute: number;
  readonly #maxKeys: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(perMinute: number, keys: number = maxKeys) {
    this.#perMinute = perMinute;
    this.#maxKeys = keys;
  }

  /** Keys in the table. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Whether `key` may try. */
  allows(key: string, now: Instant): boolean {
    const bucket = this.#buckets.get(key);
    return bucket === undefined || this.#dropsAt(bucket, now) >= 1;
  }

  /** `key` tried and failed. */
  fail(key: string, now: Instant): void {
    const bucket = this.#buckets.get(key);
    const drops = bucket === undefined ? this.#perMinute : this.#dropsAt(bucket, now);
    this.#buckets.delete(key);
    if (this.#buckets.size >= this.#maxKeys) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    this.#buckets.set(key, { drops: Math.max(0, drops - 1), at: now });
  }

  #dropsAt({ drops, at }: Bucket, now: Instant): number {
    return Math.min(this.#perMinute, drops + ((now - at) / windowMillis) * this.#perMinute);
  }
}

/** One customer's network is one source: an IPv4 address, an IPv6 /64. */
export function sourceKey(address: string): string {
  const parsed = parseAddress(address.split('%')[0] ?? address);
  return formatNetwork(networkOf(parsed, parsed.version === 4 ? 32 : 64));
}
