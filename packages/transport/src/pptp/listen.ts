/** `listen` of the pptp transport: TCP 1723 and the raw sockets of GRE, one pair an address. */
import type { Socket } from 'node:net';
import type { CloseReason, Logger, PacketBatch, Path } from '@culvert/base';
import type { Admission, Link, Listener, ListeningEndpoint, TransportEvent } from '@culvert/core';
import type { AuthOffer } from '@culvert/ppp';
import { systemClock } from '../clock.ts';
import { FaultLog } from '../fault-log.ts';
import { HandshakeLimit } from '../handshake-limit.ts';
import { listenerOf } from '../listener.ts';
import { TcpServer } from '../tcp-server.ts';
import { CallTotals } from './call-totals.ts';
import { GrePort } from './gre-port.ts';
import { checkIpv4 } from './ipv4-only.ts';
import type { PptpListenAddress, PptpListenOptions } from './options.ts';
import { type Place, ServerConnection } from './server-connection.ts';

const DEFAULT_MAX_LINKS = 4_096;
const DEFAULT_MAX_HANDSHAKES = 256;

export interface ListenHandlers {
  readonly admission: Admission;
  onLink(link: Link): void;
  onEvent(event: TransportEvent): void;
  nextId(): number;
  readonly inner: PacketBatch;
  readonly auth: readonly AuthOffer[];
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export async function listen(at: PptpListenOptions, on: ListenHandlers): Promise<Listener> {
  for (const { address } of at.listen) checkIpv4(address);
  const host = new ConnectionHost(at, on);
  try {
    for (const address of at.listen) await host.open(address);
  } catch (error) {
    await host.close({ cause: 'error', detail: 'cannot listen' });
    throw error;
  }
  return listenerOf({
    endpoints: host.endpoints,
    signal: on.signal,
    stats: () => host.counts,
    close: (why) => host.close(why),
  });
}

/** The control connections of a listener, and what they and their calls come through. */
class ConnectionHost {
  readonly endpoints: ListeningEndpoint[] = [];
  readonly #stats = { connections: 0, handshakesFull: 0, linksFull: 0, neverCalled: 0 };
  readonly #at: PptpListenOptions;
  readonly #on: ListenHandlers;
  readonly #handshakes: HandshakeLimit;
  readonly #faults: FaultLog;
  readonly #totals = new CallTotals();
  readonly #connections = new Set<ServerConnection>();
  readonly #servers: TcpServer[] = [];
  readonly #ports: GrePort[] = [];
  #number = 0;
  #places = 0;
  #closed = false;

  constructor(at: PptpListenOptions, on: ListenHandlers) {
    this.#at = at;
    this.#on = on;
    this.#faults = new FaultLog(on.log, systemClock);
    this.#handshakes = new HandshakeLimit(at.maxHandshakes ?? DEFAULT_MAX_HANDSHAKES);
  }

  get counts(): Readonly<Record<string, number>> {
    const gre = {
      grePacketsIn: 0,
      greMalformed: 0,
      greStrange: 0,
      greTruncated: 0,
      greSendErrors: 0,
      greSendQueueFull: 0,
    };
    for (const { stats, socketStats } of this.#ports) {
      gre.grePacketsIn += stats.packetsIn;
      gre.greMalformed += stats.malformed;
      gre.greStrange += stats.strange;
      gre.greTruncated += socketStats.truncated;
      gre.greSendErrors += socketStats.sendErrors;
      gre.greSendQueueFull += socketStats.wouldBlock;
    }
    const tcp = { resetEarly: 0, acceptErrors: 0 };
    for (const { stats } of this.#servers) {
      tcp.resetEarly += stats.resetEarly;
      tcp.acceptErrors += stats.acceptErrors;
    }
    const faults = this.#faults.count;
    const calls = this.#totals.sum;
    gre.greMalformed += calls.greMalformed;
    return {
      ...this.#stats,
      ...tcp,
      ...calls,
      ...gre,
      faults,
      peers: this.#places,
      handshakes: this.#handshakes.count,
    };
  }

  async open({ address, port }: PptpListenAddress): Promise<void> {
    const gre = new GrePort(address, this.#faults);
    this.#ports.push(gre);
    const server = new TcpServer({
      address: address ?? '0.0.0.0',
      port,
      nextNumber: () => this.#number++,
      onConnection: (socket, path) => this.#accept(socket, path, gre),
    });
    await server.open();
    this.#servers.push(server);
    this.endpoints.push({ ...server.endpoint, protocol: 'tcp' });
  }

  async close(why: CloseReason): Promise<void> {
    this.#closed = true;
    const servers = this.#servers.map((server) => server.close());
    const connections = [...this.#connections];
    for (const connection of connections) connection.close(why);
    await Promise.all(connections.map(({ done }) => done));
    for (const port of this.#ports) port.close();
    await Promise.all(servers);
  }

  #accept(socket: Socket, path: Path, port: GrePort): void {
    this.#stats.connections++;
    const takePlace = () => this.#takePlace(path.remote.address);
    const place = takePlace();
    if (place === undefined) {
      socket.destroy();
      return;
    }
    const { admission, auth, inner, nextId, onEvent, onLink } = this.#on;
    const connection = new ServerConnection({
      ...{ socket, path, port, place, takePlace, auth, inner, admission, nextId, onEvent, onLink },
      settings: this.#at,
      clock: systemClock,
      onFault: (error) => this.#faults.tell('a call, or its control connection', error),
      onCall: (call) => this.#totals.add(call),
      onCallOver: (call) => this.#totals.retire(call),
      onOver: (over, called) => {
        if (!called) this.#stats.neverCalled++;
        this.#connections.delete(over);
      },
    });
    this.#connections.add(connection);
  }

  /** For a call, or a connection that has none yet. */
  #takePlace(address: string): Place | undefined {
    if (this.#closed) return undefined;
    if (this.#places >= (this.#at.maxLinks ?? DEFAULT_MAX_LINKS)) {
      this.#stats.linksFull++;
      return undefined;
    }
    const settle = this.#handshakes.take(address);
    if (settle === undefined) {
      this.#stats.handshakesFull++;
      return undefined;
    }
    this.#places++;
    let held = true;
    return {
      settle,
      give: () => {
        settle();
        if (held) this.#places--;
        held = false;
      },
    };
  }
}
