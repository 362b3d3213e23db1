/** What all sockets are opened with, and what each refusal of the system means. */
import { NetioError } from './errors.ts';
import { systemError } from './native.ts';
import type { PacketSocket } from './packet-socket.ts';
import { type IpVersion, parseAddress } from './path.ts';

/** IP_PMTUDISC_* of linux/in.h; IPv6 has the same numbers. */
const pathMtuModes = { dont: 0, want: 1 } as const;

export interface SocketOptions {
  /** One IP version a socket; an IPv6 socket takes no IPv4 (IPV6_V6ONLY). */
  readonly family: IpVersion;
  /** The local address, with `%zone` for a link-local one. @default all of the machine's */
  readonly address?: string;
  /** Wanted size of the kernel's queue, which doubles it for its own bookkeeping; without CAP_NET_ADMIN at most net.core.rmem_max. @default the system's */
  readonly receiveBufferBytes?: number;
  /** @default the system's */
  readonly sendBufferBytes?: number;
  /**
   * `dont`: no DF bit, routers may cut (IPv4). `want`: learn the path's MTU, cut datagrams to it here; what is not cut has the DF bit, trains of
   * UDP too. @default the system's, which is `want`
   */
  readonly pathMtu?: keyof typeof pathMtuModes;
  /** Only by this network interface. @default any */
  readonly device?: string;
  /** The longest datagram to receive, in bytes; longer ones are dropped and counted. @default 2048 */
  readonly slotBytes?: number;
}

/** The options as the native side takes them. Throws TypeError, RangeError or NetioError. */
export function checkOptions(options: SocketOptions) {
  const { family, address, pathMtu, device = '', slotBytes = 2048 } = options;
  if (family !== 4 && family !== 6) throw new TypeError('family must be 4 or 6');
  const mode = pathMtu === undefined ? -1 : pathMtuModes[pathMtu];
  if (mode === undefined) throw new TypeError(`pathMtu must be one of ${Object.keys(pathMtuModes).join(', ')}`);
  if (!Number.isInteger(slotBytes) || slotBytes < 1 || slotBytes > 65_536)
    throw new RangeError('slotBytes is out of range');
  if (Buffer.byteLength(device) > 15) throw new NetioError('CULVERT_NETIO_DEVICE', JSON.stringify(device));
  const words = address === undefined ? new Uint32Array(5) : parseAddress(address, family);
  return { words, pathMtu: mode, device, slotBytes };
}

/** The same socket with the kernel's queues as wanted; if that fails it is closed. */
export function withBuffers<T extends PacketSocket>(socket: T, options: SocketOptions): T {
  try {
    if (options.receiveBufferBytes !== undefined) socket.setReceiveBuffer(options.receiveBufferBytes);
    if (options.sendBufferBytes !== undefined) socket.setSendBuffer(options.sendBufferBytes);
  } catch (error) {
    socket.close();
    throw error;
  }
  return socket;
}

/** What the system's refusal to open `where` means. */
export function openError(returned: number, options: SocketOptions, where: string): NetioError {
  const cause = systemError(returned);
  const { family, address } = options;
  switch (cause.message) {
    case 'EADDRINUSE':
      return new NetioError('CULVERT_NETIO_PORT_TAKEN', where, { cause });
    case 'EADDRNOTAVAIL':
      return new NetioError('CULVERT_NETIO_NOT_LOCAL', address ?? where, { cause });
    case 'EACCES':
    case 'EPERM':
      return new NetioError('CULVERT_NETIO_PERMISSION', where, { cause });
    case 'EAFNOSUPPORT':
      return new NetioError('CULVERT_NETIO_FAMILY', `IPv${family}`, { cause });
    case 'ENODEV':
      return new NetioError('CULVERT_NETIO_DEVICE', JSON.stringify(options.device ?? address), { cause });
    default:
      return new NetioError('CULVERT_NETIO_SYSTEM', `${where}: ${cause.message}`, { cause });
  }
}
