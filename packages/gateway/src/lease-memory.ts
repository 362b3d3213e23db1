/** The core's LeaseStore over ours: read once, answered from memory, written behind. */
import type { Logger } from '@culvert/base';
import type { LeaseStore, RememberedLease } from '@culvert/core';
import type { Store } from '@culvert/store';

type Version = 4 | 6;

/**
 * An address that could not be written down is one that its user may not get again: worth a warning, not worth a refusal.
 * Rejects with StoreError when the leases cannot be read.
 */
export async function openLeaseMemory(store: Store, log: Logger): Promise<LeaseStore> {
  const [ipv4, ipv6] = await Promise.all([store.leases(4), store.leases(6)]);
  const remembered: Readonly<Record<Version, readonly RememberedLease[]>> = { 4: ipv4, 6: ipv6 };
  let failing = false;
  return {
    all: (version) => remembered[version],
    put: (user, version, address) => {
      store.putLease(user, version, address).then(
        () => {
          failing = false;
        },
        (error: Error) => {
          if (!failing)
            log.warn('leases cannot be written down: users may get other addresses', { reason: error.message });
          failing = true;
        },
      );
    },
  };
}
