/** The tunnel core, pure: contracts, forwarding, filter, pools, queues, accounting. */

export type { NoAddress, PoolNetwork } from './address-pool.ts';
export type * from './contracts.ts';
export type { DropCause, DropCounts, LinkCounters } from './counters.ts';
export type { PacketDevice } from './device.ts';
export { type ElsewhereLink, Handed } from './elsewhere.ts';
export { CoreError } from './errors.ts';
export { FairShare, ShareUse } from './fair-share.ts';
export type { FilterPolicy, FilterRule, PortRange } from './filter-policy.ts';
export type { FlowTimeouts } from './flow-timeouts.ts';
export { type Lease, LeasePool, type LeasePoolOptions } from './lease-pool.ts';
export { type LeaseStore, MemoryLeaseStore, type RememberedLease } from './lease-store.ts';
export { SecondLimit } from './second-limit.ts';
export { type LinkView, TunnelCore, type TunnelCoreOptions } from './tunnel-core.ts';
