import { NetioError } from './errors.ts';
import { native, systemError } from './native.ts';
import { RawIpSocket } from './raw-ip-socket.ts';
import { checkOptions, openError, type SocketOptions, withBuffers } from './socket-options.ts';

export interface RawIpOptions extends SocketOptions {
  /** The number that IANA gave, 1 to 254: 47 is GRE, 50 ESP. 255 would mean packets with headers of our own (IP_HDRINCL). */
  readonly protocol: number;
}

/**
 * Opens a non-blocking raw IP socket. Each such socket of the machine gets a copy of every packet of that protocol to its address;
 * the kernel computes no checksums above IP. Throws NetioError, CULVERT_NETIO_RAW_PERMISSION without CAP_NET_RAW.
 */
export function openRawIp(options: RawIpOptions): RawIpSocket {
  const { family, protocol } = options;
  if (!Number.isInteger(protocol) || protocol < 1 || protocol > 254) throw new RangeError('protocol is out of range');
  const { words, pathMtu, device, slotBytes } = checkOptions(options);
  const fd = native.openRawIp(family, words, protocol, pathMtu, device);
  if (fd < 0) {
    const where = `IPv${family} protocol ${protocol}`;
    const cause = systemError(fd);
    if (cause.message === 'EPERM') throw new NetioError('CULVERT_NETIO_RAW_PERMISSION', where, { cause });
    throw openError(fd, options, where);
  }
  return withBuffers(new RawIpSocket({ fd, family, slotBytes, protocol }), options);
}
