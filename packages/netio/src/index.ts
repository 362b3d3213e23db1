/**
 * Batched UDP and raw IP sockets that keep the local address.
 *
 * Owns descriptors of sockets and the layout of a path. Leaves what the bytes mean, and when to send, to the transports.
 */
export { createDatagramBatch, type DatagramBatch } from './batch.ts';
export { NetioError } from './errors.ts';
export { openRawIp, type RawIpOptions } from './open-raw-ip.ts';
export { openUdp, type UdpOptions } from './open-udp.ts';
export { encodePath, endpointOfPath, type IpVersion, pathWords, samePath } from './path.ts';
export { RawIpSocket } from './raw-ip-socket.ts';
export type { SocketStats } from './stats.ts';
export { shortenTimeSlice } from './time-slice.ts';
export { trimMemory } from './trim-memory.ts';
export { UdpSocket } from './udp-socket.ts';
