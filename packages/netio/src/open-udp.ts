import { native } from './native.ts';
import { checkOptions, openError, type SocketOptions, withBuffers } from './socket-options.ts';
import { UdpSocket } from './udp-socket.ts';

export interface UdpOptions extends SocketOptions {
  /** @default the kernel chooses */
  readonly port?: number;
  /** Let several sockets of this user have the port, each with a share of the peers. @default false */
  readonly reusePort?: boolean;
  /**
   * With `reusePort`: the program (classic BPF, `sock_filter` as two words: code | jt << 16 | jf << 24, then k) that the kernel runs on
   * each datagram, its payload at offset 0, to choose a socket by its place in the order of opening. What it chooses beyond the last
   * socket falls to a hash of the addresses; a load beyond the payload's end chooses the first. One for all of the port: the latest counts.
   * @default a hash of the addresses
   */
  readonly steering?: Uint32Array;
  /** Hand datagrams of one size on one path to the kernel as one train (UDP_SEGMENT). @default where the kernel has it */
  readonly segmentation?: boolean;
  /** Take such trains from the kernel (UDP_GRO). @default where the kernel has it */
  readonly coalescing?: boolean;
}

/** Opens a non-blocking UDP socket that tells, for each datagram, the local address it was sent to. Throws NetioError. */
export function openUdp(options: UdpOptions): UdpSocket {
  const { family, address = '', port = 0, reusePort = false, segmentation = true, coalescing = true } = options;
  const { words, pathMtu, device, slotBytes } = checkOptions(options);
  if (options.steering !== undefined && !reusePort) throw new TypeError('steering needs reusePort: true');
  const fd = native.openUdp(family, words, port, reusePort ? 1 : 0, pathMtu, device);
  if (fd < 0) {
    const where = address || (family === 6 ? '::' : '0.0.0.0');
    throw openError(fd, options, `UDP ${family === 6 ? `[${where}]` : where}:${port}`);
  }
  const socket = withBuffers(new UdpSocket({ fd, family, slotBytes, segmentation, coalescing }), options);
  if (options.steering !== undefined) steer(socket, options.steering);
  return socket;
}

function steer(socket: UdpSocket, program: Uint32Array): void {
  try {
    socket.setSteering(program);
  } catch (error) {
    socket.close();
    throw error;
  }
}
