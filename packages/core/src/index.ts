/** The tunnel core, pure: contracts, forwarding, filter, pools, queues, accounting. */
export type * from './contracts.ts';
