/** `listen` of the pptp transport: TCP 1723 and the raw sockets of GRE, one pair an address. */
import { createServer, type Server, type Socket } from 'node:net';
import type { CloseReason, Logger, PacketBatch, Path } from '@culvert/base';
import type { Admission, Link, Listener, ListeningEndpoint, TransportEvent } from '@culvert/core';
import type { AuthOffer } from '@culvert/ppp';
import { systemClock } from '../clock.ts';
import { TransportError } from '../errors.ts';
import { HandshakeLimit } from '../handshake-limit.ts';
import { GrePort } from './gre-port.ts';
import type { PptpListenAddress, PptpListenOptions } from './options.ts';
import { pathOf } from './path.ts';
import { ServerCall } from './server-call.ts';

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
  const host = new CallHost(at, on);
  try {
    for (const address of at.listen) await host.open(address);
  } catch (error) {
    await host.close({ cause: 'error', detail: 'cannot listen' });
    throw error;
  }
  let closing: Promise<void> | undefined;
  const close = (why: CloseReason): Promise<void> => {
    closing ??= host.close(why);
    return closing;
  };
  const stop = (): void => void close({ cause: 'shutdown', detail: 'the gateway stops' });
  if (on.signal.aborted) stop();
  else on.signal.addEventListener('abort', stop, { once: true });
  return {
    endpoints: host.endpoints,
    get stats() {
      return host.counts;
    },
    close,
  };
}

/** The calls of a listener, and what they come through. */
class CallHost {
  readonly endpoints: ListeningEndpoint[] = [];
  readonly #stats = { connections: 0, handshakesFull: 0, linksFull: 0, neverCalled: 0 };
  readonly #at: PptpListenOptions;
  readonly #on: ListenHandlers;
  readonly #handshakes: HandshakeLimit;
  readonly #calls = new Set<ServerCall>();
  readonly #servers: Server[] = [];
  readonly #ports: GrePort[] = [];
  #number = 0;
  #closed = false;

  constructor(at: PptpListenOptions, on: ListenHandlers) {
    this.#at = at;
    this.#on = on;
    this.#handshakes = new HandshakeLimit(at.maxHandshakes ?? DEFAULT_MAX_HANDSHAKES);
  }

  get counts(): Readonly<Record<string, number>> {
    const gre = { grePacketsIn: 0, greMalformed: 0, greStrange: 0, greTruncated: 0, greSendErrors: 0 };
    for (const { stats, socketStats } of this.#ports) {
      gre.grePacketsIn += stats.packetsIn;
      gre.greMalformed += stats.malformed;
      gre.greStrange += stats.strange;
      gre.greTruncated += socketStats.truncated;
      gre.greSendErrors += socketStats.sendErrors;
    }
    return { ...this.#stats, ...gre, peers: this.#calls.size, handshakes: this.#handshakes.count };
  }

  async open({ address, port }: PptpListenAddress): Promise<void> {
    const gre = new GrePort(address);
    this.#ports.push(gre);
    const server = createServer({ noDelay: true }, (socket) => this.#accept(socket, gre));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(new TransportError('CULVERT_TRANSPORT_LISTEN', `TCP ${address ?? '*'} port ${port}`, { cause })),
      );
      server.listen({ port, host: address ?? '0.0.0.0' }, resolve);
    });
    this.#servers.push(server);
    const bound = server.address();
    if (bound !== null && typeof bound !== 'string') {
      this.endpoints.push({ address: bound.address, port: bound.port, protocol: 'tcp' });
    }
  }

  async close(why: CloseReason): Promise<void> {
    this.#closed = true;
    const servers = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    const calls = [...this.#calls];
    for (const call of calls) call.close(why);
    await Promise.all(calls.map(({ done }) => done));
    for (const port of this.#ports) port.close();
    await Promise.all(servers);
  }

  #accept(socket: Socket, port: GrePort): void {
    this.#stats.connections++;
    const path = pathOf(socket, this.#number++);
    const settle = this.#closed ? undefined : this.#handshakes.take(path.remote.address);
    const callId = settle === undefined || this.#isFull() ? undefined : port.take();
    if (settle === undefined || callId === undefined) {
      if (settle === undefined) this.#stats.handshakesFull++;
      else this.#stats.linksFull++;
      settle?.();
      socket.destroy();
      return;
    }
    this.#begin(socket, path, port, callId, settle);
  }

  #isFull(): boolean {
    return this.#calls.size >= (this.#at.maxLinks ?? DEFAULT_MAX_LINKS);
  }

  #begin(socket: Socket, path: Path, port: GrePort, callId: number, settle: () => void): void {
    const { admission, auth, inner, nextId, onEvent, onLink } = this.#on;
    const call = new ServerCall({
      id: nextId(),
      socket,
      path,
      port,
      callId,
      settings: this.#at,
      auth,
      clock: systemClock,
      inner,
      admission,
      onEvent,
      onLink: (link) => {
        settle();
        onLink(link);
      },
      onOver: (over, called) => {
        settle();
        if (!called) this.#stats.neverCalled++;
        this.#calls.delete(over);
      },
    });
    this.#calls.add(call);
  }
}
