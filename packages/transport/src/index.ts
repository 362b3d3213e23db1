/** The pluggable transports: the one room where time and I/O meet the protocol machines. */
export type { ListenAddress, OpenvpnDialOptions, OpenvpnListenOptions } from './openvpn/options.ts';
export { createOpenvpnTransport } from './openvpn/transport.ts';
