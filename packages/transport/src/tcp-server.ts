/**
 * A listening TCP port. It hands on connections that have two ends: one which its peer reset before it was accepted has no addresses any
 * more, though the bytes that came before would still be read.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Path } from '@culvert/base';
import { TransportError } from './errors.ts';

export interface TcpServerOptions {
  /** @default every address of the machine */
  readonly address: string | undefined;
  /** Zero: the kernel chooses. */
  readonly port: number;
  /** The sockets' numbers in paths: one for each connection. */
  nextNumber(): number;
  onConnection(socket: Socket, path: Path): void;
}

export class TcpServer {
  readonly stats = {
    /** Connections that were reset before we had them. */
    resetEarly: 0,
    /** Connections that the system could not give us. */
    acceptErrors: 0,
  };
  readonly #options: TcpServerOptions;
  readonly #server: Server;

  constructor(options: TcpServerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  get endpoint(): { readonly address: string; readonly port: number } {
    const at = this.#server.address();
    return at === null || typeof at === 'string' ? { address: '', port: 0 } : { address: at.address, port: at.port };
  }

  /** Rejects with TransportError CULVERT_TRANSPORT_LISTEN. */
  async open(): Promise<void> {
    const { address, port } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ port, ...(address !== undefined && { host: address }) }, resolve);
    try {
      await promise;
    } catch (cause) {
      throw new TransportError('CULVERT_TRANSPORT_LISTEN', `TCP ${address ?? '*'} port ${port}`, { cause });
    }
    this.#server.off('error', reject).on('error', () => this.stats.acceptErrors++);
  }

  /** Takes no more connections. Resolves when those that it handed on are closed. */
  close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    return promise;
  }

  #accept(socket: Socket): void {
    const path = tcpPath(socket, this.#options.nextNumber());
    if (path !== undefined) {
      this.#options.onConnection(socket, path);
      return;
    }
    this.stats.resetEarly++;
    socket.destroy();
  }
}

/** The path of a connection; undefined for one that its peer has reset. */
export function tcpPath(
  { localAddress, localPort, remoteAddress, remotePort }: Socket,
  number: number,
): Path | undefined {
  if (localAddress === undefined || localPort === undefined) return undefined;
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return {
    socket: number,
    local: { address: plain(localAddress), port: localPort },
    remote: { address: plain(remoteAddress), port: remotePort },
  };
}

/** A dual-stack listener names IPv4 peers `::ffff:192.0.2.1`. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}
