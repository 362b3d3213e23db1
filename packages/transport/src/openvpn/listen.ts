/** `listen` of the openvpn transport: opens the sockets and joins them to one table of peers. */
import type { Logger } from '@culvert/base';
import type { Admission, Link, Listener, ListeningEndpoint, TransportEvent } from '@culvert/core';
import { NetioError, openUdp } from '@culvert/netio';
import { Acceptor } from '@culvert/openvpn';
import { systemRandom, systemWallClock } from '../clock.ts';
import { listenerOf } from '../listener.ts';
import { addSocketCounts, createSocketCounts, type SocketCounts } from '../socket-counts.ts';
import type { TcpServer } from '../tcp-server.ts';
import type { Said } from './data-keys.ts';
import type { ListenAddress, OpenvpnListenOptions } from './options.ts';
import { PeerHost } from './peer-host.ts';
import type { Scratch } from './scratch.ts';
import { steeringProgram } from './steering.ts';
import { TcpListener } from './tcp-listener.ts';
import { UdpListener } from './udp-listener.ts';

const DEFAULT_MAX_INITIAL_PACKETS = 1_000;
const INITIAL_INTERVAL_MILLIS = 10_000;

export async function listen(
  at: OpenvpnListenOptions,
  on: {
    readonly admission: Admission;
    onLink(link: Link): void;
    onEvent(event: TransportEvent): void;
    nextId(): number;
    readonly scratch: Scratch;
    readonly said: Said;
    readonly log: Logger;
    readonly signal: AbortSignal;
  },
): Promise<Listener> {
  const host = new PeerHost(at, on);
  const acceptor = new Acceptor({
    random: systemRandom,
    wallClock: systemWallClock,
    wrap: at.wrap,
    handshakeWindow: at.handshakeWindow,
    limits: {
      initialPerInterval: at.maxInitialPackets ?? DEFAULT_MAX_INITIAL_PACKETS,
      intervalMillis: INITIAL_INTERVAL_MILLIS,
    },
  });
  const sockets = new Sockets(at, host, acceptor, on.log);
  try {
    for (const address of at.listen) await sockets.open(address);
    void at.shard?.bound.then(() => sockets.start());
  } catch (error) {
    await sockets.close();
    throw error;
  }
  return listenerOf({
    endpoints: sockets.endpoints,
    signal: on.signal,
    stats: () => {
      const work = { workDropped: host.work.dropped, workWaiting: host.work.waiting };
      const faults = host.faults.count;
      return { ...acceptor.stats, ...host.stats, ...host.totals, ...work, faults, ...sockets.counts };
    },
    close: (why) => host.close(why).then(() => sockets.close()),
  });
}

class Sockets {
  readonly endpoints: ListeningEndpoint[] = [];
  readonly #at: OpenvpnListenOptions;
  readonly #host: PeerHost;
  readonly #acceptor: Acceptor;
  readonly #log: Logger;
  readonly #open: { close(): void | Promise<void> }[] = [];
  readonly #udp: UdpListener[] = [];
  readonly #tcp: TcpListener[] = [];
  #number = 0;

  constructor(at: OpenvpnListenOptions, host: PeerHost, acceptor: Acceptor, log: Logger) {
    this.#log = log;
    this.#at = at;
    this.#host = host;
    this.#acceptor = acceptor;
  }

  /** Of all sockets together. */
  get counts(): SocketCounts & TcpServer['stats'] {
    const counts = { ...createSocketCounts(), resetEarly: 0, acceptErrors: 0 };
    for (const { port } of this.#udp) addSocketCounts(counts, port.socket.stats);
    for (const { stats } of this.#tcp) {
      counts.resetEarly += stats.resetEarly;
      counts.acceptErrors += stats.acceptErrors;
    }
    return counts;
  }

  async open(at: ListenAddress): Promise<void> {
    if (at.protocol === 'tcp') {
      // A connection stays with the process's one listening socket.
      if ((this.#at.shard?.index ?? 0) === 0) await this.#openTcp(at);
    } else {
      // Both families listen on one port, also where the kernel chose it for the first.
      let port = at.port;
      for (const family of familiesOf(at.address)) port = this.#openFamily(at, family, port);
    }
  }

  /** All shards are bound. */
  start(): void {
    for (const listener of this.#udp) listener.start();
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((socket) => socket.close()));
  }

  /** Where every address is meant, a machine without IPv6 has all of them already. */
  #openFamily(at: ListenAddress, family: 4 | 6, port: number): number {
    try {
      return this.#openUdp(at, family, port);
    } catch (error) {
      const isAbsent = error instanceof NetioError && error.code === 'CULVERT_NETIO_FAMILY';
      if (at.address !== undefined || family === 4 || !isAbsent) throw error;
      this.#log.info('this machine has no IPv6: listening on IPv4 alone', { port });
      return port;
    }
  }

  #openUdp(at: ListenAddress, family: 4 | 6, port: number): number {
    const { shard } = this.#at;
    // A port that somebody else shares with his own sockets is as taken as any other.
    if (shard?.index === 0) openUdp({ family, ...(at.address !== undefined && { address: at.address }), port }).close();
    const listener = new UdpListener({
      family,
      address: at.address,
      port,
      number: this.#number++,
      host: this.#host,
      acceptor: this.#acceptor,
      steering: shard && steeringProgram(shard.count),
    });
    this.#open.push(listener);
    this.#udp.push(listener);
    this.endpoints.push({ ...listener.port.socket.local, protocol: 'udp' });
    return listener.port.socket.local.port;
  }

  async #openTcp(at: ListenAddress): Promise<void> {
    const listener = new TcpListener({
      address: at.address,
      port: at.port,
      nextNumber: () => this.#number++,
      host: this.#host,
      acceptor: this.#acceptor,
    });
    await listener.open();
    this.#open.push(listener);
    this.#tcp.push(listener);
    this.endpoints.push({ ...listener.endpoint, protocol: 'tcp' });
  }
}

function familiesOf(address: string | undefined): readonly (4 | 6)[] {
  if (address === undefined) return [4, 6];
  return [address.includes(':') ? 6 : 4];
}
