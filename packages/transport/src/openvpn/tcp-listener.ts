/**
 * The gateway's TCP side: each connection is one peer. There is no cookie over TCP, so connections without a session are
 * few and short-lived.
 */
import type { Socket } from 'node:net';
import type { Path } from '@culvert/base';
import type { Acceptor } from '@culvert/openvpn';
import { HandshakeLimit } from '../handshake-limit.ts';
import { TcpServer } from '../tcp-server.ts';
import { maxPacketOf } from './overhead.ts';
import type { PeerHost } from './peer-host.ts';
import type { ServerPeer } from './server-peer.ts';
import { StreamPort } from './stream-port.ts';

/** A connection that has not sent its first packet within this is closed. */
const FIRST_PACKET_MILLIS = 10_000;
/** Connections at a time that have not sent their first packet; half of them from one source. */
const MAX_SILENT = 256;

export interface TcpListenerOptions {
  readonly address: string | undefined;
  readonly port: number;
  /** The sockets' numbers in paths: one for each connection. */
  readonly nextNumber: () => number;
  readonly host: PeerHost;
  readonly acceptor: Acceptor;
}

export class TcpListener {
  readonly #options: TcpListenerOptions;
  readonly #server: TcpServer;
  readonly #silent = new Set<Socket>();
  readonly #silentPlaces = new HandshakeLimit(MAX_SILENT);

  constructor(options: TcpListenerOptions) {
    this.#options = options;
    this.#server = new TcpServer({ ...options, onConnection: (socket, path) => this.#accept(socket, path) });
  }

  get endpoint(): TcpServer['endpoint'] {
    return this.#server.endpoint;
  }

  get stats(): TcpServer['stats'] {
    return this.#server.stats;
  }

  open(): Promise<void> {
    return this.#server.open();
  }

  close(): Promise<void> {
    for (const socket of this.#silent) socket.destroy();
    return this.#server.close();
  }

  #accept(socket: Socket, path: Path): void {
    const { host } = this.#options;
    const giveBack = host.closed ? undefined : this.#silentPlaces.take(path.remote.address);
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
    let peer: ServerPeer | undefined;
    const port: StreamPort = new StreamPort(socket, path, maxPacketOf(host.mtu), host.scratch.stream, {
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
        host.work.push(() =>
          port.guard(() => {
            if (peer !== undefined) {
              peer.peer.handleControl(packet, path);
              return;
            }
            // A session without its connection would hold a place until its deadline.
            if (port.ended) return;
            peer = this.#begin(packet, path, port);
            // Not before: what the queue dropped is still a silent connection, with its deadline.
            settled();
          }),
        );
      },
      onEnd: (error) => {
        settled();
        const detail = error === undefined ? 'the peer closed the TCP connection' : `TCP: ${error.message}`;
        peer?.peer.abandon({ cause: 'lost', detail });
      },
      onFault: (error) => host.faults.tell('a connection', error),
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
