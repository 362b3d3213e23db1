/** The pluggable transports: the one room where time and I/O meet the protocol machines. */
export { systemClock, systemRandom, systemWallClock } from './clock.ts';
export {
  DEVICE_QUEUE_LENGTH,
  DevicePump,
  type DevicePumpOptions,
  joinFor,
  tellMissingOffloads,
} from './device-pump.ts';
export { TransportError } from './errors.ts';
export { Handover, type Neighbour } from './handover/handover.ts';
export { createRing } from './handover/ring.ts';
export { IdleMemory } from './idle-memory.ts';
export type {
  L2tpIpsecAuthentication,
  L2tpIpsecCertificate,
  L2tpIpsecDialOptions,
  L2tpIpsecListenOptions,
  L2tpIpsecProof,
  PresharedKey,
} from './l2tp-ipsec/options.ts';
export { createL2tpIpsecTransport } from './l2tp-ipsec/transport.ts';
export type { ListenAddress, ListenShard, OpenvpnDialOptions, OpenvpnListenOptions } from './openvpn/options.ts';
export { createOpenvpnTransport } from './openvpn/transport.ts';
export type { PptpDialOptions, PptpListenAddress, PptpListenOptions } from './pptp/options.ts';
export { createPptpTransport } from './pptp/transport.ts';
