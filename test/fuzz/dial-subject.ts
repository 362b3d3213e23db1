/** Our client as it runs: `dial` of the openvpn transport to a server that the fuzzer plays, over a real UDP socket or TCP connection. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { Endpoint, PacketBatch } from '@culvert/base';
import { type Link, TunnelCore } from '@culvert/core';
import { createDatagramBatch, type DatagramBatch, openUdp, pathWords, type UdpSocket } from '@culvert/netio';
import { eventually, nullLogger } from '@culvert/testkit';
import { createOpenvpnTransport, systemClock } from '@culvert/transport';
import { Frames, frame } from './frames.ts';
import type { ScriptedPeer, Variant } from './peer/peer.ts';
import type { Counters, StreamEnd, Subject } from './subject.ts';
import type { World } from './world.ts';

/** Turns of the event loop in which a client reads what lies in its socket, and answers. */
const TURNS = 3;
const SLOTS = 64;

/** The server's side of the wire. */
interface Wire {
  readonly endpoint: Endpoint;
  send(datagrams: readonly Uint8Array[]): void;
  receive(): Uint8Array[];
  close(): void;
}

/** All dialling of a run: how many sessions have not ended. */
export class Dialler {
  readonly transport = createOpenvpnTransport();
  open = 0;
}

export class DialSubject implements Subject, StreamEnd {
  readonly role = 'client';
  alive = true;
  readonly #wire: UdpWire | TcpWire;
  readonly #stop = new AbortController();
  #link: Link | undefined;

  private constructor(wire: UdpWire | TcpWire) {
    this.#wire = wire;
  }

  static async open(world: World, dialler: Dialler, variant: Variant, protocol: 'udp' | 'tcp'): Promise<DialSubject> {
    const wire = protocol === 'udp' ? new UdpWire() : await TcpWire.open();
    const subject = new DialSubject(wire);
    subject.#dial(world, dialler, variant, protocol);
    await eventually('the client says something', () => wire.heard);
    return subject;
  }

  async deliver(datagrams: readonly Uint8Array[]): Promise<Uint8Array[]> {
    this.#wire.send(datagrams);
    for (let n = 0; n < TURNS; n++) await turn();
    return this.#wire.receive();
  }

  /** Bytes of a stream as they are, in two parts, and its end. */
  async deliverLast(bytes: Uint8Array): Promise<void> {
    if (!(this.#wire instanceof TcpWire)) throw new TypeError('datagrams have no end');
    await this.#wire.sendLast(bytes);
  }

  counters(): Counters {
    const { droppedIn = 0, packetsIn = 0 } = this.#link?.stats ?? {};
    return { controlRefused: 0, dataRefused: droppedIn, inner: packetsIn };
  }

  admit(): void {}

  close(): void {
    void this.#link?.close({ cause: 'operator', detail: 'the fuzzer wants a goodbye' });
  }

  async end(peer: ScriptedPeer): Promise<void> {
    for (const answer of await this.deliver(peer.farewell())) peer.handle(answer);
    this.#stop.abort();
    this.close();
    for (const answer of await this.deliver(peer.acknowledge())) peer.handle(answer);
    await this.deliver(peer.acknowledge());
    this.#wire.close();
  }

  #dial(world: World, dialler: Dialler, variant: Variant, protocol: 'udp' | 'tcp'): void {
    const { keys, tls } = world;
    const wrap =
      variant.wrap === 'tls-crypt'
        ? ({ kind: 'tls-crypt', key: keys.shared } as const)
        : ({ kind: 'tls-crypt-v2', clientKey: keys.client, wrapped: keys.wrapped } as const);
    const remote = this.#wire.endpoint;
    const over = (): void => {
      dialler.open--;
      this.alive = false;
    };
    dialler.open++;
    dialler.transport
      .dial(
        { remote, protocol, tls: tls.client, wrap, username: 'alice', password: 'secret', renegotiateAfter: 0 },
        { onEvent() {}, log: nullLogger, signal: this.#stop.signal },
      )
      .then((link) => this.#up(link, over), over);
  }

  #up(link: Link, over: () => void): void {
    this.#link = link;
    const device = { writeBatch: (batch: PacketBatch) => batch.count };
    const core = new TunnelCore({ role: 'client', device, now: () => systemClock.now(), log: nullLogger, mtu: 1_500 });
    core.attach(link);
    void link.closed.then(over);
  }
}

class UdpWire implements Wire {
  readonly #socket: UdpSocket = openUdp({ family: 4, address: '127.0.0.1', receiveBufferBytes: 1 << 20 });
  readonly #in: DatagramBatch = createDatagramBatch(SLOTS, SLOTS * 2_048);
  readonly #received: Uint8Array[] = [];
  #client: Uint32Array | undefined;

  get endpoint(): Endpoint {
    return this.#socket.local;
  }

  get heard(): boolean {
    this.#read();
    return this.#client !== undefined;
  }

  send(datagrams: readonly Uint8Array[]): void {
    if (this.#client === undefined) return;
    for (const datagram of datagrams) if (datagram.length > 0) this.#socket.send(datagram, this.#client);
  }

  receive(): Uint8Array[] {
    this.#read();
    return this.#received.splice(0);
  }

  close(): void {
    this.#socket.close();
  }

  #read(): void {
    const batch = this.#in;
    for (;;) {
      batch.count = batch.used = 0;
      if (this.#socket.recvBatch(batch) === 0) return;
      for (let i = 0; i < batch.count; i++) {
        const at = batch.offsets[i] ?? 0;
        this.#client ??= batch.paths.slice(i * pathWords, (i + 1) * pathWords);
        this.#received.push(batch.arena.slice(at, at + (batch.lengths[i] ?? 0)));
      }
    }
  }
}

class TcpWire implements Wire {
  readonly #server;
  readonly #frames = new Frames();
  #socket: Socket | undefined;

  private constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#socket = socket;
      socket.on('data', (chunk) => this.#frames.push(chunk));
      socket.on('error', () => {});
    });
  }

  static async open(): Promise<TcpWire> {
    const wire = new TcpWire();
    wire.#server.listen(0, '127.0.0.1');
    await once(wire.#server, 'listening');
    return wire;
  }

  get endpoint(): Endpoint {
    const at = this.#server.address();
    if (at === null || typeof at === 'string') throw new Error('the server does not listen');
    return { address: at.address, port: at.port };
  }

  get heard(): boolean {
    return this.#frames.any;
  }

  send(datagrams: readonly Uint8Array[]): void {
    if (datagrams.length > 0 && this.#socket?.writable === true)
      this.#socket.write(Buffer.concat(datagrams.map(frame)));
  }

  async sendLast(bytes: Uint8Array): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || socket.closed) return;
    const closed = once(socket, 'close');
    socket.write(bytes.subarray(0, bytes.length >> 1));
    socket.end(bytes.subarray(bytes.length >> 1));
    await closed;
  }

  receive(): Uint8Array[] {
    return this.#frames.take();
  }

  close(): void {
    this.#socket?.destroy();
    this.#server.close();
  }
}
