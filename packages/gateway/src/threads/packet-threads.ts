/**
 * Packets on threads of their own, from the main thread's side: starts them, and makes one listener and one carrier of them.
 *
 * Owns what all threads must agree on: which link has which address (`carry`, `elsewhere`, `gone` go out in one order), and that a peer
 * that starts again from the same address and port replaces its former self, whichever thread has that.
 */
import { MessageChannel } from 'node:worker_threads';
import type { CloseReason, Logger, MonotonicClock, Path } from '@culvert/base';
import type { GatewayConfig } from '@culvert/config';
import {
  type Admitted,
  type FilterPolicy,
  type Link,
  type LinkConfig,
  type Listener,
  type Transport,
  type TransportEvent,
  TunnelCore,
} from '@culvert/core';
import { createRing, type Neighbour } from '@culvert/transport';
import type { Carrier } from '../carrier.ts';
import { filterPolicy } from '../filter-policy.ts';
import type { LinkState, ThreadSetup, TlsSetup } from './messages.ts';
import { RemoteLink } from './remote-link.ts';
import { ThreadHandle } from './thread-handle.ts';

type On = Parameters<Transport['listen']>[1];

export interface PacketThreadsOptions {
  readonly config: Pick<GatewayConfig, 'network' | 'clientIsolation' | 'filter' | 'log'>;
  readonly openvpn: ThreadSetup['openvpn'];
  readonly tls: TlsSetup;
  readonly tunFd: number | undefined;
  readonly clock: MonotonicClock;
  readonly log: Logger;
  onWarning(message: string): void;
  /** A thread, or its device, is gone: the gateway can no longer work. */
  onGone(error: Error): void;
  /** The file that runs in each thread. @default packet-thread.ts */
  readonly body?: URL;
}

const packetThread = new URL('./packet-thread.ts', import.meta.url);

export class PacketThreads implements Carrier {
  dropped: Readonly<Record<string, number>> = {};
  deviceStats: Readonly<Record<string, number>> = {};
  readonly #options: PacketThreadsOptions;
  readonly #threads: readonly ThreadHandle[];
  /** Has the links of all threads, and no packets: says whose an address is, and whether a filter can be. */
  readonly #registry: TunnelCore;
  readonly #links = new Map<number, { readonly link: RemoteLink; readonly thread: ThreadHandle }>();
  readonly #byPath = new Map<string, RemoteLink>();
  #listenerStats: Readonly<Record<string, number>> = {};
  #on: On | undefined;
  #deviceName = '';

  private constructor(options: PacketThreadsOptions) {
    this.#options = options;
    const { config, clock, log } = options;
    this.#registry = new TunnelCore({
      role: 'gateway',
      device: { writeBatch: () => 0 },
      now: () => clock.now(),
      log,
      mtu: config.network.mtu,
      filter: filterPolicy(config.filter),
    });
    this.#threads = this.#start();
  }

  /** Starts the threads and opens the device. Rejects, with all of them ended, when one cannot. */
  static async open(options: PacketThreadsOptions): Promise<PacketThreads> {
    const threads = new PacketThreads(options);
    try {
      for (const thread of threads.#threads) {
        // One after the other: the first makes the device.
        thread.send({ kind: 'open' });
        threads.#deviceName = (await thread.until('opened')).device;
      }
      return threads;
    } catch (error) {
      await threads.close();
      throw error;
    }
  }

  get deviceName(): string {
    return this.#deviceName;
  }

  /** Ends the threads; with the last one goes the device. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  /** As a transport's `listen`. */
  async listen(on: On): Promise<Listener> {
    this.#on = on;
    const endpoints = [];
    for (const thread of this.#threads) {
      const { endpoints: its } = await thread.listen(on.admission);
      if (thread.index === 0) endpoints.push(...its);
    }
    for (const thread of this.#threads) thread.send({ kind: 'bound' });
    const stats = () => this.#listenerStats;
    return {
      endpoints,
      get stats() {
        return stats();
      },
      close: async (why) => {
        await Promise.all(this.#threads.map((thread) => thread.stop(why)));
      },
    };
  }

  attach(link: Link): void {
    const entry = this.#links.get(link.id);
    if (entry === undefined) return;
    this.#registry.attach(link);
    const { id, config, principal } = link;
    const elsewhere = { id, thread: entry.thread.index, user: principal.user, config: withoutLimits(config) };
    for (const thread of this.#threads) {
      if (thread === entry.thread) thread.send({ kind: 'carry', link: id });
      else thread.send({ kind: 'elsewhere', link: elsewhere });
    }
  }

  setFilter(policy: FilterPolicy): void {
    this.#registry.setFilter(policy);
    for (const thread of this.#threads) thread.send({ kind: 'filter', policy });
  }

  /** The main thread has tried the same texts before. */
  reloadTls(setup: TlsSetup): void {
    for (const thread of this.#threads) thread.send({ kind: 'tls', setup });
  }

  setCrl(pem: string): void {
    for (const thread of this.#threads) thread.send({ kind: 'crl', pem });
  }

  droppedOf(link: Link): Readonly<Record<string, number>> {
    return this.#links.get(link.id)?.link.dropped ?? {};
  }

  async refresh(): Promise<void> {
    const counts = (await Promise.all(this.#threads.map((thread) => thread.count()))).filter(
      (each) => each !== undefined,
    );
    this.dropped = sum(counts.map(({ dropped }) => dropped));
    this.deviceStats = sum(counts.map(({ device }) => device));
    this.#listenerStats = sum(counts.map(({ listener }) => listener));
    for (const state of counts.flatMap(({ links }) => links)) this.#links.get(state.id)?.link.take(state);
  }

  /** The threads read the device from the moment they have it: without links they drop what comes. */
  start(): void {}
  stop(): void {}

  #start(): ThreadHandle[] {
    const { config, openvpn, tls, tunFd, body = packetThread } = this.#options;
    const count = config.network.threads;
    const neighbours = connect(count);
    const links = new SharedArrayBuffer(4);
    const { network, clientIsolation, filter, log } = config;
    return neighbours.map((its, index) => {
      const setup: ThreadSetup = {
        index,
        count,
        config: { network, clientIsolation, filter },
        logLevel: log.level,
        tunFd: index === 0 ? tunFd : undefined,
        openvpn,
        tls,
        neighbours: its,
        links,
      };
      const thread: ThreadHandle = new ThreadHandle(setup, body, {
        onFailed: (error) => this.#options.onGone(error),
        onReport: (report) => {
          if (report.kind === 'event') this.#handleEvent(report.event);
          else if (report.kind === 'log') this.#options.log[report.level](report.message, report.fields);
          else this.#options.onWarning(report.message);
        },
        onUp: (admitted, state) => this.#handleUp(thread, admitted, state),
        onOver: (link, why) => this.#handleOver(link, why),
        linkOf: (number) => this.#links.get(number)?.link,
      });
      return thread;
    });
  }

  #handleUp(thread: ThreadHandle, admitted: Admitted, state: LinkState): RemoteLink {
    const link = new RemoteLink({
      admitted,
      state,
      since: this.#options.clock.now(),
      close: (why) => thread.send({ kind: 'close', link: state.id, why }),
    });
    this.#links.set(link.id, { link, thread });
    const before = this.#byPath.get(pathKey(link.path));
    this.#byPath.set(pathKey(link.path), link);
    // Within its own thread the transport has done so already.
    void before?.close({ cause: 'replaced', detail: 'a new session came up from the same address and port' });
    this.#on?.onLink(link);
    return link;
  }

  #handleOver(link: RemoteLink, why: CloseReason): void {
    const entry = this.#links.get(link.id);
    this.#links.delete(link.id);
    this.#forgetPath(link);
    link.end(why);
    for (const thread of this.#threads) {
      if (thread !== entry?.thread) thread.send({ kind: 'gone', link: link.id });
    }
  }

  #handleEvent(event: TransportEvent): void {
    const link = event.kind === 'roamed' ? this.#links.get(event.id)?.link : undefined;
    if (event.kind === 'roamed' && link !== undefined) {
      this.#forgetPath(link);
      link.path = event.to;
      this.#byPath.set(pathKey(link.path), link);
    }
    this.#on?.onEvent(event);
  }

  #forgetPath(link: RemoteLink): void {
    const key = pathKey(link.path);
    if (this.#byPath.get(key) === link) this.#byPath.delete(key);
  }
}

/** For each of `count` threads its neighbours: between two of them one ring each way, and one channel to wake each other. */
function connect(count: number): Neighbour[][] {
  const neighbours: Neighbour[][] = Array.from({ length: count }, () => []);
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) {
      const [there, back] = [createRing(), createRing()];
      const { port1, port2 } = new MessageChannel();
      neighbours[i]?.push({ index: j, inbound: back, outbound: there, wake: port1 });
      neighbours[j]?.push({ index: i, inbound: there, outbound: back, wake: port2 });
    }
  }
  return neighbours;
}

/** Its own thread ends a link whose time is over. */
function withoutLimits(config: LinkConfig): LinkConfig {
  return { ...config, idleTimeout: undefined, sessionTimeout: undefined };
}

function pathKey({ local, remote }: Path): string {
  return `${local.address}|${local.port}|${remote.address}|${remote.port}`;
}

function sum(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const each of counts) {
    for (const [name, count] of Object.entries(each)) total[name] = (total[name] ?? 0) + count;
  }
  return total;
}
