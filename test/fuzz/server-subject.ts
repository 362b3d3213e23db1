/**
 * Our gateway as it runs: `listen` of the openvpn transport on a real socket of the loopback interface, real TLS, and a tunnel core with
 * its filter on. Datagrams come from sockets of the fuzzer, so that they take every step that a stranger's do.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { PacketBatch } from '@culvert/base';
import {
  type Admission,
  type Admitted,
  type Link,
  type Listener,
  type TransportEvent,
  TunnelCore,
} from '@culvert/core';
import { createDatagramBatch, encodePath, openUdp, type UdpSocket } from '@culvert/netio';
import { nullLogger, sampleConfig } from '@culvert/testkit';
import { createOpenvpnTransport, systemClock } from '@culvert/transport';
import { InnerCheck } from './inner-check.ts';
import type { ScriptedPeer } from './peer/peer.ts';
import type { Counters, Subject } from './subject.ts';
import type { World } from './world.ts';

/** Sockets of strangers: each asks one question at a time, so that its answer can be weighed against it. */
const STRANGERS = 24;
const SLOTS = 256;
/** Turns of the event loop until what was sent is taken as lost on the way. */
const PATIENCE = 2_000;
/** Short, so that sessions which the fuzzer gave up go away soon. */
const HANDSHAKE_WINDOW = 2_500;
const KEEPALIVE = { interval: 60_000, timeout: 3_000 };

/** The gateway; it lives through the whole run, and one session at a time is driven. */
export class Gateway {
  readonly listener: Listener;
  readonly core: TunnelCore;
  readonly inner = new InnerCheck();
  /** Answers that were longer than their questions. */
  amplified = 0;
  /** Datagrams that the kernel lost. */
  lost = 0;
  /** Claims wait until `admit`. */
  holding = false;
  /** The link of the session that is driven. */
  link: Link | undefined;
  /** The session that is driven has ended. */
  over = false;
  #driven: number | undefined;
  #drivenPort = 0;
  #waiting: (() => void)[] = [];
  #sockets: UdpSocket[] = [];
  #words: Uint32Array | undefined;
  readonly #in = createDatagramBatch(SLOTS, SLOTS * 2_048);
  #expected = 0;
  #admitted = 0;
  releasedTwice = 0;
  readonly #leases = new Set<number>();

  private constructor(listener: Listener, core: TunnelCore) {
    this.listener = listener;
    this.core = core;
  }

  static async open(world: World, protocol: 'udp' | 'tcp'): Promise<Gateway> {
    const gateway: { it?: Gateway } = {};
    const it = () => gateway.it as Gateway;
    const device = { writeBatch: (batch: PacketBatch) => it().inner.writeBatch(batch) };
    const filter = {
      rules: [
        { action: 'allow', networks: ['192.168.77.0/24'], protocol: 'tcp', ports: [{ from: 1, to: 1_023 }] },
        { action: 'deny', networks: ['192.168.77.0/24'], protocol: 'icmp' },
        { action: 'allow', networks: ['fd77::/64'] },
      ],
      default: 'allow',
    } as const;
    const core = new TunnelCore({
      role: 'gateway',
      device,
      now: () => systemClock.now(),
      log: nullLogger,
      mtu: 1_500,
      filter,
    });
    const admission: Admission = {
      admit: () => it().#admit(),
      reauthenticate: async (link) => ({
        kind: 'admitted',
        principal: link.principal,
        config: link.config,
        release() {},
      }),
    };
    const listener = await createOpenvpnTransport().listen(
      {
        listen: [{ address: '127.0.0.1', port: 0, protocol }],
        tls: world.tls.server,
        wrap: { kind: 'tls-crypt-v2', serverKey: world.keys.server, also: world.keys.shared },
        handshakeWindow: HANDSHAKE_WINDOW,
        maxInitialPackets: 1e9,
        maxHandshakes: 4_096,
      },
      {
        admission,
        onLink: (link) => it().#up(link),
        onEvent: (event) => it().#handle(event),
        log: nullLogger,
        signal: new AbortController().signal,
      },
    );
    gateway.it = new Gateway(listener, core);
    if (protocol === 'udp') gateway.it.#openSockets();
    return gateway.it;
  }

  /** The next session is driven from another address, so that nothing of the last one answers. */
  renewSocket(): void {
    this.#sockets[0]?.close();
    const socket = openUdp({ family: 4, address: '127.0.0.1', receiveBufferBytes: 1 << 20 });
    this.#sockets[0] = socket;
    this.drive(socket.local.port);
  }

  /** The session that comes from this port is the one that counts. */
  drive(port: number): void {
    this.#drivenPort = port;
    this.#driven = undefined;
    this.link = undefined;
    this.over = false;
    this.holding = false;
  }

  /** Admissions that were not given back. */
  get leases(): number {
    return this.#leases.size;
  }

  admitWaiting(): void {
    this.holding = false;
    for (const answer of this.#waiting.splice(0)) answer();
  }

  /** Sends from the session's socket. */
  async deliver(datagrams: readonly Uint8Array[]): Promise<Uint8Array[]> {
    for (const datagram of datagrams) this.#send(this.#sockets[0], datagram);
    await this.settle();
    return this.#receive(this.#sockets[0]);
  }

  /** Sends each from a stranger's socket of its own, and weighs the answers. */
  async deliverApart(datagrams: readonly Uint8Array[]): Promise<void> {
    for (let at = 0; at < datagrams.length; at += STRANGERS) {
      const questions = datagrams.slice(at, at + STRANGERS);
      questions.forEach((question, i) => void this.#send(this.#sockets[i + 1], question));
      await this.settle();
      questions.forEach((question, i) => {
        const bytes = this.#receive(this.#sockets[i + 1]).reduce((sum, { length }) => sum + length, 0);
        if (bytes > question.length) this.amplified++;
      });
    }
  }

  /** Until the gateway has taken `#expected` packets in all, and done what they ask for; or until nothing more can come. */
  async settle(cannotCome: () => boolean = () => false): Promise<void> {
    for (let turns = 0; turns < PATIENCE && !cannotCome(); turns++) {
      await turn();
      const { packetsIn = 0, workWaiting = 0 } = this.listener.stats;
      if (packetsIn < this.#expected || workWaiting > 0) continue;
      await turn();
      this.resynchronize();
      return;
    }
    if (!cannotCome()) this.lost += this.#expected - (this.listener.stats['packetsIn'] ?? 0);
    this.resynchronize();
  }

  resynchronize(): void {
    this.#expected = this.listener.stats['packetsIn'] ?? 0;
  }

  /** A stream sent so many packets. */
  expect(packets: number): void {
    this.#expected += packets;
  }

  counters(): Counters {
    const s = this.listener.stats;
    const sum = (...names: readonly string[]) => names.reduce((total, name) => total + (s[name] ?? 0), 0);
    return {
      controlRefused: sum(
        'unknownOpcode',
        'unauthenticated',
        'controlUnauthenticated',
        'controlReplayed',
        'workDropped',
      ),
      dataRefused: sum('dataWithoutPeer', 'dataUnauthenticated', 'dataReplayed', 'dataNoKey'),
      inner: this.link?.stats.packetsIn ?? 0,
    };
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.close();
    this.#sockets = [];
    await this.listener.close({ cause: 'shutdown', detail: 'the run is over' });
  }

  #openSockets(): void {
    const [remote] = this.listener.endpoints;
    if (remote === undefined) throw new Error('the listener has no endpoint');
    this.#words = encodePath({ remote }, 4);
    for (let n = 0; n <= STRANGERS; n++)
      this.#sockets.push(openUdp({ family: 4, address: '127.0.0.1', receiveBufferBytes: 1 << 20 }));
  }

  #send(socket: UdpSocket | undefined, datagram: Uint8Array): void {
    if (socket === undefined || this.#words === undefined || datagram.length === 0) return;
    if (socket.send(datagram, this.#words)) this.#expected++;
  }

  #receive(socket: UdpSocket | undefined): Uint8Array[] {
    const datagrams: Uint8Array[] = [];
    const batch = this.#in;
    for (;;) {
      batch.count = batch.used = 0;
      if (socket === undefined || socket.recvBatch(batch) === 0) return datagrams;
      for (let i = 0; i < batch.count; i++) {
        const at = batch.offsets[i] ?? 0;
        datagrams.push(batch.arena.slice(at, at + (batch.lengths[i] ?? 0)));
      }
    }
  }

  async #admit(): Promise<Admitted> {
    if (this.holding) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const index = this.#lease();
    return {
      kind: 'admitted',
      principal: { user: 'alice', groups: ['staff'], certificate: undefined, proofs: ['certificate'] },
      config: sampleConfig(index, { keepalive: KEEPALIVE }),
      release: () => {
        if (!this.#leases.delete(index)) this.releasedTwice++;
      },
    };
  }

  #lease(): number {
    do this.#admitted = (this.#admitted + 1) % 60_000;
    while (this.#leases.has(this.#admitted));
    this.#leases.add(this.#admitted);
    return this.#admitted;
  }

  #handle(event: TransportEvent): void {
    if (event.kind === 'attempt' && event.path.remote.port === this.#drivenPort) this.#driven = event.id;
    if ((event.kind === 'failed' || event.kind === 'refused') && event.id === this.#driven) this.over = true;
  }

  #up(link: Link): void {
    if (link.id === this.#driven) this.link = link;
    this.core.attach(link);
    const { config } = link;
    this.inner.allow(config);
    void link.closed.then(() => {
      if (link.id === this.#driven) this.over = true;
      this.inner.forbid(config);
    });
  }
}

export class ServerSubject implements Subject {
  readonly role = 'server';
  readonly #gateway: Gateway;

  constructor(gateway: Gateway, holding: boolean) {
    this.#gateway = gateway;
    gateway.renewSocket();
    gateway.holding = holding;
  }

  get alive(): boolean {
    return !this.#gateway.over;
  }

  deliver(datagrams: readonly Uint8Array[]): Promise<Uint8Array[]> {
    return this.#gateway.deliver(datagrams);
  }

  counters(): Counters {
    return this.#gateway.counters();
  }

  admit(): void {
    this.#gateway.admitWaiting();
  }

  close(): void {
    void this.#gateway.link?.close({ cause: 'operator', detail: 'the fuzzer wants a goodbye' });
  }

  /** What does not end by the peer's farewell runs into a deadline. */
  async end(peer: ScriptedPeer): Promise<void> {
    this.admit();
    for (const answer of await this.deliver(peer.farewell())) peer.handle(answer);
    await this.deliver(peer.acknowledge());
  }
}
