/** Our gateway over TCP: one connection to its real listener a session. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Frames, frame } from './frames.ts';
import type { ScriptedPeer } from './peer/peer.ts';
import type { Gateway } from './server-subject.ts';
import type { Counters, StreamEnd, Subject } from './subject.ts';

export class StreamSubject implements Subject, StreamEnd {
  readonly role = 'server';
  readonly #gateway: Gateway;
  readonly #socket: Socket;
  readonly #frames = new Frames();
  #closed = false;

  private constructor(gateway: Gateway, socket: Socket) {
    this.#gateway = gateway;
    this.#socket = socket;
    socket.on('data', (chunk) => this.#frames.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#closed = true;
    });
    gateway.drive(socket.localPort ?? 0);
  }

  static async open(gateway: Gateway): Promise<StreamSubject> {
    const [endpoint] = gateway.listener.endpoints;
    if (endpoint === undefined) throw new Error('the listener has no endpoint');
    const socket = connect({ host: endpoint.address, port: endpoint.port, noDelay: true });
    await once(socket, 'connect');
    return new StreamSubject(gateway, socket);
  }

  get alive(): boolean {
    return !this.#closed && !this.#gateway.over;
  }

  async deliver(datagrams: readonly Uint8Array[]): Promise<Uint8Array[]> {
    if (this.#closed || datagrams.length === 0) return [];
    const packets = datagrams.filter(({ length }) => length > 0 && length <= 0xffff);
    this.#socket.write(Buffer.concat(packets.map(frame)));
    this.#gateway.expect(packets.length);
    await this.#gateway.settle(() => this.#closed);
    return this.#frames.take();
  }

  /** Bytes as they are, in two parts, and the end of the stream; returns when the gateway has closed its side too. */
  async deliverLast(bytes: Uint8Array): Promise<void> {
    const half = bytes.length >> 1;
    this.#socket.write(bytes.subarray(0, half));
    this.#socket.end(bytes.subarray(half));
    if (!this.#closed) await once(this.#socket, 'close');
    this.#gateway.resynchronize();
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

  async end(_peer: ScriptedPeer): Promise<void> {
    this.#socket.destroy();
    if (!this.#closed) await once(this.#socket, 'close');
    this.#gateway.resynchronize();
  }
}
