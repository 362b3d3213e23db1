/**
 * The body of a packet thread: one queue of the device, one socket of each port, and the sessions whose datagrams the kernel gives to
 * them, from the first handshake to the last packet. Who may come in, and everything that lasts, is the main thread's.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type Link, type Listener, TunnelCore } from '@culvert/core';
import {
  createOpenvpnTransport,
  DevicePump,
  Handover,
  IdleMemory,
  joinFor,
  systemClock,
  tellMissingOffloads,
} from '@culvert/transport';
import { openTun, type TunDevice } from '@culvert/tun-tap';
import { filterPolicy } from '../filter-policy.ts';
import { GatewayTls } from '../gateway-tls.ts';
import { LinkElsewhere } from './link-elsewhere.ts';
import {
  type Counts,
  type ElsewhereSetup,
  failureOf,
  type LinkState,
  type Order,
  type Report,
  type ThreadSetup,
  type TlsSetup,
} from './messages.ts';
import { ThreadAdmission } from './thread-admission.ts';
import { plain, threadLogger } from './thread-logger.ts';

class PacketThread {
  readonly #setup: ThreadSetup;
  readonly #port: MessagePort;
  readonly #tls: GatewayTls;
  readonly #device: TunDevice;
  readonly #core: TunnelCore;
  readonly #handover: Handover;
  readonly #admission: ThreadAdmission;
  readonly #log;
  readonly #bound = Promise.withResolvers<void>();
  readonly #abort = new AbortController();
  /** By the number that the main thread has for them. */
  readonly #links = new Map<number, Link>();
  readonly #byClaim = new Map<number, Link>();
  readonly #elsewhere = new Map<number, LinkElsewhere>();
  #listener: Listener | undefined;

  constructor(setup: ThreadSetup, port: MessagePort) {
    this.#setup = setup;
    this.#port = port;
    const report = (message: Report) => this.#report(message);
    this.#log = threadLogger(setup.logLevel, report, { thread: setup.index });
    this.#tls = new GatewayTls(setup.tls.config, readFrom(setup.tls), (message) =>
      report({ kind: 'warning', message }),
    );
    this.#device = openQueue(setup);
    const { network, clientIsolation, filter } = setup.config;
    // All queues of a device share them.
    if (setup.index === 0 && network.offload) tellMissingOffloads(this.#device, this.#log);
    const pump = new DevicePump({
      device: this.#device,
      virtio: this.#device.vnetHeader,
      core: () => this.#core,
      clock: systemClock,
      log: this.#log,
      onGone: (error) => report({ kind: 'device-gone', failure: failureOf(error) }),
    });
    this.#core = new TunnelCore({
      role: 'gateway',
      device: pump,
      now: () => systemClock.now(),
      log: this.#log,
      mtu: network.mtu,
      clientIsolation,
      filter: filterPolicy(filter),
    });
    this.#handover = new Handover({
      core: this.#core,
      clock: systemClock,
      log: this.#log,
      neighbours: setup.neighbours,
    });
    this.#admission = new ThreadAdmission({
      report,
      numberOf: (link) => this.#number(link.id),
      lastOf: (claim) => this.#retire(claim),
    });
    // For as long as the thread lives.
    void new IdleMemory({ log: this.#log });
    report({ kind: 'opened', device: this.#device.name });
  }

  handle(order: Exclude<Order, { kind: 'open' }>): void {
    switch (order.kind) {
      case 'listen':
        void this.#listen();
        break;
      case 'bound':
        this.#bound.resolve();
        break;
      case 'answer':
        this.#admission.handleAnswer(order.claim, order.answer);
        break;
      case 'carry':
        this.#carry(order.link);
        break;
      case 'elsewhere':
        this.#handleElsewhere(order.link);
        break;
      case 'gone':
        this.#handleGone(order.link);
        break;
      case 'close':
        void this.#links.get(order.link)?.close(order.why);
        break;
      case 'filter':
        this.#core.setFilter(order.policy);
        break;
      case 'tls':
        this.#tls.reload(order.setup.config, readFrom(order.setup));
        break;
      case 'crl':
        this.#tls.setCrl(order.pem);
        break;
      case 'count':
        this.#report({ kind: 'counts', counts: this.#counts() });
        break;
      case 'stop':
        void this.#listener?.close(order.why).then(() => this.#report({ kind: 'stopped' }));
        break;
    }
  }

  async #listen(): Promise<void> {
    const { index, count, links, openvpn } = this.#setup;
    const shard = { index, count, links: new Int32Array(links), bound: this.#bound.promise };
    const transport = createOpenvpnTransport();
    try {
      this.#listener = await transport.listen(
        { ...openvpn, tls: this.#tls, join: joinFor(this.#device), shard },
        {
          admission: this.#admission,
          onLink: (link) => this.#handleLink(link),
          onEvent: (event) => {
            const sent = { ...event, id: this.#number(event.id) };
            this.#report({
              kind: 'event',
              event: sent.kind === 'note' ? { ...sent, fields: plain(sent.fields) } : sent,
            });
          },
          log: this.#log,
          signal: this.#abort.signal,
        },
      );
      this.#report({ kind: 'listening', endpoints: this.#listener.endpoints });
    } catch (error) {
      this.#report({ kind: 'failed', failure: failureOf(error) });
    }
  }

  /** Nobody is told of its packets before the main thread says `carry`. */
  #handleLink(link: Link): void {
    const claim = this.#admission.claimOf(link.principal);
    if (claim === undefined) throw new Error('a link came up that nobody admitted');
    this.#links.set(this.#number(link.id), link);
    this.#byClaim.set(claim, link);
    this.#report({ kind: 'up', claim, link: this.#stateOf(link) });
  }

  #carry(number: number): void {
    const link = this.#links.get(number);
    if (link === undefined) return;
    try {
      this.#core.attach(link);
    } catch (error) {
      const detail = (error as Error).message;
      this.#log.error('a packet thread cannot carry a link', { link: number, reason: detail });
      void link.close({ cause: 'error', detail });
    }
  }

  #handleElsewhere(setup: ElsewhereSetup): void {
    const link = new LinkElsewhere(setup, this.#handover);
    try {
      this.#core.attachElsewhere(link);
      this.#elsewhere.set(link.id, link);
    } catch (error) {
      this.#log.error('a packet thread cannot reach a link', { link: setup.id, reason: (error as Error).message });
    }
  }

  #handleGone(number: number): void {
    const link = this.#elsewhere.get(number);
    this.#elsewhere.delete(number);
    if (link !== undefined) this.#core.detachElsewhere(link);
  }

  /** The last of the link that came of a claim. */
  #retire(claim: number): LinkState | undefined {
    const link = this.#byClaim.get(claim);
    if (link === undefined) return undefined;
    this.#byClaim.delete(claim);
    this.#links.delete(this.#number(link.id));
    return this.#stateOf(link);
  }

  #counts(): Counts {
    return {
      listener: { ...this.#listener?.stats, handedOver: this.#handover.handedOver },
      dropped: { ...this.#core.dropped, handoverFull: this.#handover.dropped },
      device: onlyNumbers(this.#device.stats),
      links: [...this.#links.values()].map((link) => this.#stateOf(link)),
    };
  }

  #stateOf(link: Link): LinkState {
    const { socket, local, remote } = link.path;
    return {
      id: this.#number(link.id),
      transport: link.transport,
      path: { socket, local, remote },
      stats: { ...link.stats },
      facts: { ...link.facts },
      dropped: { ...this.#core.view(link)?.counters.dropped },
    };
  }

  /** Links of all threads have numbers of their own. */
  #number(id: number): number {
    return id * this.#setup.count + this.#setup.index;
  }

  #report(message: Report): void {
    this.#port.postMessage(message);
  }
}

/** The first thread makes the device, the others add queues to it. */
function openQueue({ config: { network }, index, tunFd }: ThreadSetup): TunDevice {
  const device = openTun({
    name: network.device,
    multiQueue: true,
    vnetHeader: network.offload,
    offloads: network.offload ? 'best' : [],
    ...(tunFd === undefined ? {} : { fd: tunFd }),
  });
  if (index === 0) {
    device.setMtu(network.mtu);
    device.setUp();
  }
  return device;
}

function readFrom({ files }: TlsSetup): (path: string) => string {
  return (path) => {
    const text = files[path];
    if (text === undefined) throw new Error(`${path} was not handed to the packet thread`);
    return text;
  };
}

function onlyNumbers(stats: object): Record<string, number> {
  return Object.fromEntries(
    Object.entries(stats).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}

const port = parentPort;
if (port === null) throw new Error('this file is the body of a worker thread');
let thread: PacketThread | undefined;
port.on('message', (order: Order) => {
  if (order.kind !== 'open') thread?.handle(order);
  else
    try {
      thread = new PacketThread(workerData as ThreadSetup, port);
    } catch (error) {
      port.postMessage({ kind: 'failed', failure: failureOf(error) } satisfies Report);
    }
});
