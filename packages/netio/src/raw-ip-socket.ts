import { PacketSocket } from './packet-socket.ts';
import { type IpVersion, localOf } from './path.ts';

/**
 * A raw socket of one IP protocol. Its datagrams are what the IP header carries, without that header; the port in their paths is 0.
 * `openRawIp` makes it.
 */
export class RawIpSocket extends PacketSocket {
  /** The number that IANA gave (47 is GRE, 50 ESP). */
  readonly protocol: number;

  /** Owns the descriptor from here on. */
  constructor(options: {
    readonly fd: number;
    readonly family: IpVersion;
    readonly slotBytes: number;
    readonly protocol: number;
  }) {
    super({
      ...options,
      local: { ...localOf(options.fd, options.family), port: 0 },
      // The kernel gives the header with IPv4 alone.
      headers: options.family === 4,
      segmentation: new Uint32Array(0),
      spill: new Uint8Array(0),
      spillState: new Uint32Array(0),
    });
    this.protocol = options.protocol;
  }
}
