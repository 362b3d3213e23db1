/**
 * A wire of real sockets that a test can cut: stands between a dialler and a listener on the loopback interface.
 *
 *     dialler ──► relay port ┄┄ cut? ┄┄ upstream socket (one a dialler; a new one after `roam`) ──► listener
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket as TcpSocket } from 'node:net';
import type { Endpoint } from '@culvert/base';
import { WireNoise, type WireOptions, type WireStats } from './wire-noise.ts';

export interface Relay {
  /** Where to dial. */
  readonly endpoint: Endpoint;
  /** Datagrams of diallers that the cut wire swallowed. */
  readonly dropped: number;
  /** What the wire did to datagrams. */
  readonly stats: Readonly<WireStats>;
  /** Nothing passes until `heal`. Over TCP bytes wait, as on a real wire. */
  cut(): void;
  heal(): void;
  /** Each dialler's address as the listener sees it changes. Over TCP its connection breaks. */
  roam(): void;
  close(): Promise<void>;
}

/**
 * @param target where the listener is; a wildcard address is reached through loopback.
 * @param wire what it does to each datagram, in real time (UDP). @default it passes them on at once
 */
export async function openRelay(protocol: 'udp' | 'tcp', target: Endpoint, wire?: WireOptions): Promise<Relay> {
  const address = target.address === '::' ? '::1' : target.address === '0.0.0.0' ? '127.0.0.1' : target.address;
  const reachable = { address, port: target.port };
  return protocol === 'udp' ? await UdpRelay.open(reachable, wire) : await TcpRelay.open(reachable);
}

class UdpRelay implements Relay {
  dropped = 0;
  readonly stats = { sent: 0, dropped: 0, duplicated: 0, corrupted: 0, reordered: 0 };
  readonly #wire: WireOptions | undefined;
  readonly #noise: WireNoise;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #front: UdpSocket;
  readonly #target: Endpoint;
  readonly #upstreams = new Map<string, UdpSocket>();
  #cut = false;

  private constructor(front: UdpSocket, target: Endpoint, wire: WireOptions | undefined) {
    this.#front = front;
    this.#target = target;
    this.#wire = wire;
    this.#noise = new WireNoise(wire?.seed ?? 1);
    front.on('message', (datagram, from) => {
      if (this.#cut) {
        this.dropped++;
        return;
      }
      this.#carry(datagram, (copy) => {
        this.#upstream(from.address, from.port).send(copy, target.port, target.address, () => {});
      });
    });
  }

  static async open(target: Endpoint, wire: WireOptions | undefined): Promise<UdpRelay> {
    const front = createSocket({ type: target.address.includes(':') ? 'udp6' : 'udp4', ...buffers });
    front.bind(0, target.address.includes(':') ? '::1' : '127.0.0.1');
    await once(front, 'listening');
    return new UdpRelay(front, target, wire);
  }

  get endpoint(): Endpoint {
    return this.#front.address();
  }

  cut(): void {
    this.#cut = true;
  }

  heal(): void {
    this.#cut = false;
  }

  roam(): void {
    for (const socket of this.#upstreams.values()) socket.close();
    this.#upstreams.clear();
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.roam();
    this.#front.close();
    await once(this.#front, 'close');
  }

  #carry(datagram: Uint8Array, deliver: (copy: Uint8Array) => void): void {
    if (this.#wire === undefined) {
      deliver(datagram);
      return;
    }
    for (const arrival of this.#noise.carry(datagram, this.#wire, this.stats)) {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        deliver(arrival.datagram);
      }, arrival.delay);
      this.#timers.add(timer);
    }
  }

  #upstream(address: string, port: number): UdpSocket {
    const key = `${address} ${port}`;
    const known = this.#upstreams.get(key);
    if (known !== undefined) return known;
    const socket = createSocket({ type: this.#target.address.includes(':') ? 'udp6' : 'udp4', ...buffers });
    socket.on('message', (datagram) => {
      if (!this.#cut) this.#carry(datagram, (copy) => this.#front.send(copy, port, address, () => {}));
    });
    socket.on('error', () => {}); // the listener may be gone: that is a lost datagram
    this.#upstreams.set(key, socket);
    return socket;
  }
}

const buffers = { recvBufferSize: 4 * 1024 * 1024, sendBufferSize: 4 * 1024 * 1024 };

class TcpRelay implements Relay {
  readonly stats = { sent: 0, dropped: 0, duplicated: 0, corrupted: 0, reordered: 0 };
  readonly dropped = 0;
  readonly #server: Server;
  readonly #sockets = new Set<TcpSocket>();
  #cut = false;

  private constructor(server: Server, target: Endpoint) {
    this.#server = server;
    server.on('connection', (front) => this.#join(front, connect(target.port, target.address)));
  }

  static async open(target: Endpoint): Promise<TcpRelay> {
    const server = createServer();
    server.listen(0, target.address.includes(':') ? '::1' : '127.0.0.1');
    await once(server, 'listening');
    return new TcpRelay(server, target);
  }

  get endpoint(): Endpoint {
    return this.#server.address() as AddressInfo;
  }

  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.pause();
  }

  heal(): void {
    this.#cut = false;
    for (const socket of this.#sockets) socket.resume();
  }

  roam(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.roam();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(front: TcpSocket, back: TcpSocket): void {
    for (const [from, to] of [
      [front, back],
      [back, front],
    ] as const) {
      from.setNoDelay(true);
      this.#sockets.add(from);
      from.on('data', (bytes) => to.write(bytes));
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroySoon();
      });
      if (this.#cut) from.pause();
    }
  }
}
