/**
 * The gateway's TCP side: each connection is one peer. There is no cookie over TCP, so connections without a session are
 * few and short-lived.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Path } from '@culvert/base';
import type { Acceptor } from '@culvert/openvpn';
import { TransportError } from '../errors.ts';
import { HandshakeLimit } from '../handshake-limit.ts';
import type { PeerHost } from './peer-host.ts';
import type { ServerPeer } from './server-peer.ts';
import { StreamPort } from './stream-port.ts';

/** A connection that has not sent its first packet within this is closed. */
const FIRST_PACKET_MILLIS = 10_000;
/** Connections at a time that have not sent their first packet; half of them from one source. */
const MAX_SILENT = 256;
/** Room for the outer packet around the largest inner one. */
const PACKET_ROOM = 256;
/** Control packets are up to this long whatever the inner MTU. */
const LEAST_MAX_PACKET = 2_048;

export interface TcpListenerOptions {
  readonly address: string | undefined;
  readonly port: number;
  /** The sockets' numbers in paths: one for each connection. */
  readonly nextNumber: () => number;
  readonly host: PeerHost;
  readonly acceptor: Acceptor;
  readonly mtu: number;
}

export class TcpListener {
  readonly #options: TcpListenerOptions;
  readonly #server: Server;
  readonly #silent = new Set<Socket>();
  readonly #silentPlaces = new HandshakeLimit(MAX_SILENT);

  constructor(options: TcpListenerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  get endpoint(): { readonly address: string; readonly port: number } {
    const at = this.#server.address();
    return at === null || typeof at === 'string' ? { address: '', port: 0 } : { address: at.address, port: at.port };
  }

  open(): Promise<void> {
    const { address, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause) =>
        reject(new TransportError('CULVERT_TRANSPORT_LISTEN', `TCP ${address ?? '*'} port ${port}`, { cause })),
      );
      this.#server.listen({ port, ...(address !== undefined && { host: address }) }, resolve);
    });
  }

  close(): Promise<void> {
    for (const socket of this.#silent) socket.destroy();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #accept(socket: Socket): void {
    const { host } = this.#options;
    const giveBack = host.closed ? undefined : this.#silentPlaces.take(plain(socket.remoteAddress));
    if (giveBack === undefined) {
      host.stats.handshakesFull++;
      socket.destroy();
      return;
    }
    this.#silent.add(socket);
    const deadline = setTimeout(() => socket.destroy(), FIRST_PACKET_MILLIS);
    const settled = (): void => {
      clearTimeout(deadline);
      giveBack();
      this.#silent.delete(socket);
    };
    const path = pathOf(socket, this.#options.nextNumber());
    let peer: ServerPeer | undefined;
    const port: StreamPort = new StreamPort(socket, path, maxPacketOf(this.#options.mtu), host.scratch.stream, {
      onData: (batch) => {
        host.stats.packetsIn += batch.count;
        peer?.peer.handleData(batch, 0, batch.count);
      },
      onControl: (packet) => {
        host.stats.packetsIn++;
        // Order matters once data flows: data of a new key may follow the packet that completes it.
        if (peer?.up === true) {
          peer.peer.handleControl(packet, path);
          return;
        }
        host.work.push(() => {
          if (peer !== undefined) {
            peer.peer.handleControl(packet, path);
            return;
          }
          // A session without its connection would hold a place until its deadline.
          if (port.ended) return;
          peer = this.#begin(packet, path, port);
          // Not before: what the queue dropped is still a silent connection, with its deadline.
          settled();
        });
      },
      onEnd: (error) => {
        settled();
        const detail = error === undefined ? 'the peer closed the TCP connection' : `TCP: ${error.message}`;
        peer?.peer.abandon({ cause: 'lost', detail });
      },
    });
  }

  #begin(packet: Uint8Array, path: Path, port: StreamPort): ServerPeer | undefined {
    const { host, acceptor } = this.#options;
    const verdict = host.closed ? undefined : acceptor.handleStreamInitial(packet, path, host.clock.now());
    const peer =
      verdict?.kind === 'session'
        ? host.add({
            start: verdict.start,
            protocol: 'tcp',
            path,
            outbox: () => port.outbox,
            send: ({ datagram }) => port.send(datagram),
            onOver: () => port.close(),
          })
        : undefined;
    if (peer === undefined) port.close();
    return peer;
  }
}

export function maxPacketOf(mtu: number): number {
  return Math.max(LEAST_MAX_PACKET, mtu + PACKET_ROOM);
}

export function pathOf(socket: Socket, number: number): Path {
  return {
    socket: number,
    local: { address: plain(socket.localAddress), port: socket.localPort ?? 0 },
    remote: { address: plain(socket.remoteAddress), port: socket.remotePort ?? 0 },
  };
}

/** A dual-stack listener names IPv4 peers `::ffff:192.0.2.1`. */
function plain(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/, '');
}
