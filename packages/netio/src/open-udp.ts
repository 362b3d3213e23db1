import { native } from './native.ts';
import { checkOptions, openError, type SocketOptions, withBuffers } from './socket-options.ts';
import { UdpSocket } from './udp-socket.ts';

export interface UdpOptions extends SocketOptions {
  /** @default the kernel chooses */
  readonly port?: number;
  /** Let several sockets of this user have the port, each with a share of the peers. @default false */
  readonly reusePort?: boolean;
  /** Hand datagrams of one size on one path to the kernel as one train (UDP_SEGMENT). @default where the kernel has it */
  readonly segmentation?: boolean;
  /** Take such trains from the kernel (UDP_GRO). @default where the kernel has it */
  readonly coalescing?: boolean;
}

/** Opens a non-blocking UDP socket that tells, for each datagram, the local address it was sent to. Throws NetioError. */
export function openUdp(options: UdpOptions): UdpSocket {
  const { family, address = '', port = 0, reusePort = false, segmentation = true, coalescing = true } = options;
  const { words, pathMtu, device, slotBytes } = checkOptions(options);
  const fd = native.openUdp(family, words, port, reusePort ? 1 : 0, pathMtu, device);
  if (fd < 0) {
    const where = address || (family === 6 ? '::' : '0.0.0.0');
    throw openError(fd, options, `UDP ${family === 6 ? `[${where}]` : where}:${port}`);
  }
  return withBuffers(new UdpSocket({ fd, family, slotBytes, segmentation, coalescing }), options);
}
