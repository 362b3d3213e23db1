/**
 * TUN and TAP devices for Node: open, configure, read and write in batches.
 *
 * Owns descriptors of /dev/net/tun. Leaves addresses and routes to the caller. Imports nothing but Node's own modules.
 */
export type { TunMode } from './attach.ts';
export { createBatch, type TunBatch, virtioBytes } from './batch.ts';
export { TunDevice, type TunStats } from './device.ts';
export { TunError } from './errors.ts';
export type { Offload } from './offloads.ts';
export { openTun, type TunOptions } from './open.ts';
