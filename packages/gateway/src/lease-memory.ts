/**
 * The core's LeaseStore over ours: read once, answered from memory, written behind.
 *
 * A lease is written at once; those that come while others are being written, or shortly after, share the next write, so that a storm
 * of handshakes does not wait for the disk once a link. A crash within that time costs users their usual address, no more.
 */
import type { Logger, Millis } from '@culvert/base';
import type { LeaseStore, RememberedLease } from '@culvert/core';
import type { NewLease, Store } from '@culvert/store';

type Version = 4 | 6;

/** From the end of one write to the next, which is what a crash can lose. Chosen: a write costs as much as ten links' share of it. */
const PAUSE: Millis = 50;

export interface LeaseMemory extends LeaseStore {
  /** Writes what still waits, without a pause. Call it once, when no more leases are put. */
  close(): Promise<void>;
}

/** Rejects with StoreError when the leases cannot be read. */
export async function openLeaseMemory(store: Store, log: Logger): Promise<LeaseMemory> {
  const [ipv4, ipv6] = await Promise.all([store.leases(4), store.leases(6)]);
  return new WrittenBehind({ 4: ipv4, 6: ipv6 }, store, log);
}

class WrittenBehind implements LeaseMemory {
  readonly #remembered: Readonly<Record<Version, readonly RememberedLease[]>>;
  readonly #store: Store;
  readonly #log: Logger;
  /** By address, the latest last: bounded by the networks. */
  readonly #waiting = new Map<string, NewLease>();
  #writing: Promise<void> | undefined;
  #failing = false;
  readonly #closing = Promise.withResolvers<void>();

  constructor(remembered: Readonly<Record<Version, readonly RememberedLease[]>>, store: Store, log: Logger) {
    this.#remembered = remembered;
    this.#store = store;
    this.#log = log;
  }

  all(version: Version): readonly RememberedLease[] {
    return this.#remembered[version];
  }

  put(user: string, version: Version, address: string): void {
    this.#waiting.delete(address);
    this.#waiting.set(address, { user, version, address });
    this.#writing ??= Promise.resolve().then(() => this.#writeAll()); // A session's two addresses go together.
  }

  async close(): Promise<void> {
    this.#closing.resolve();
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.size > 0) {
      const leases = [...this.#waiting.values()];
      this.#waiting.clear();
      await this.#write(leases);
      await Promise.race([pause(), this.#closing.promise]);
    }
    this.#writing = undefined;
  }

  /** An address that could not be written down is one that its user may not get again: worth a warning, not worth a refusal. */
  async #write(leases: readonly NewLease[]): Promise<void> {
    try {
      await this.#store.putLeases(leases);
      this.#failing = false;
    } catch (error) {
      const reason = (error as Error).message;
      if (!this.#failing) this.#log.warn('leases cannot be written down: users may get other addresses', { reason });
      this.#failing = true;
    }
  }
}

/** Keeps no process alive. */
function pause(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, PAUSE).unref();
  return promise;
}
