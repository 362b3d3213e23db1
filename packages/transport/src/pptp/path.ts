import type { Socket } from 'node:net';
import type { Path } from '@culvert/base';

/** The control connection's path. GRE goes between the same addresses. */
export function pathOf(socket: Socket, number: number): Path {
  return {
    socket: number,
    local: { address: socket.localAddress ?? '', port: socket.localPort ?? 0 },
    remote: { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
  };
}
