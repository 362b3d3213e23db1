/** `dial` of the pptp transport: one call to one server. */
import { connect, type Socket } from 'node:net';
import type { CloseReason, Logger, PacketBatch, Path } from '@culvert/base';
import type { Link, TransportEvent } from '@culvert/core';
import { type AuthOffer, type PppEvent, PppSession, type PppTerms } from '@culvert/ppp';
import { PnsConnection } from '@culvert/pptp';
import { systemClock, systemRandom } from '../clock.ts';
import { errorOf, TransportError } from '../errors.ts';
import { Call } from './call.ts';
import { flawOf } from './data-path.ts';
import { PptpLink } from './link.ts';
import { clientConfig } from './network.ts';
import type { PptpDialOptions } from './options.ts';
import { pathOf } from './path.ts';
import { factsOf } from './server-call.ts';
import { handshakeWindowOf, keepaliveOf, pppSettings } from './session-settings.ts';
import type { SharedGre } from './shared-gre.ts';

/** A server that gives IPv6 addresses tells them by then; without an answer the link comes up without. */
const ROUTER_MILLIS = 3_000;

export interface DialHandlers {
  onEvent(event: TransportEvent): void;
  nextId(): number;
  readonly gre: SharedGre;
  readonly inner: PacketBatch;
  readonly auth: readonly AuthOffer[];
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export async function dial(to: PptpDialOptions, on: DialHandlers): Promise<Link> {
  const release = on.gre.hold();
  let socket: Socket | undefined;
  try {
    socket = await openConnection(to, on.signal);
    const callId = on.gre.port.take();
    if (callId === undefined) throw new TransportError('CULVERT_TRANSPORT_UNREACHABLE', 'no call id is free');
    return await new Dialling(to, on, socket, callId).link;
  } catch (error) {
    socket?.destroy();
    throw error;
  } finally {
    // A call that is up holds the port itself.
    release();
  }
}

/** From the connection to the link, and on to its end. */
class Dialling {
  readonly link: Promise<Link>;
  readonly #id: number;
  readonly #to: PptpDialOptions;
  readonly #on: DialHandlers;
  readonly #path: Path;
  readonly #call: Call;
  readonly #resolve: (link: Link) => void;
  readonly #reject: (error: Error) => void;
  readonly #release: () => void;
  readonly #stop = (): void => {
    this.#call.close({ cause: 'operator', detail: 'stopped' });
  };
  #waiting: NodeJS.Timeout | undefined;

  constructor(to: PptpDialOptions, on: DialHandlers, socket: Socket, callId: number) {
    const { promise, resolve, reject } = Promise.withResolvers<Link>();
    this.link = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#to = to;
    this.#on = on;
    this.#id = on.nextId();
    this.#path = pathOf(socket, this.#id);
    this.#release = on.gre.hold();
    const [high = 0, low = 0] = systemRandom.bytes(2);
    const now = systemClock.now();
    this.#call = new Call({
      socket,
      path: this.#path,
      callId,
      port: on.gre.port,
      control: new PnsConnection({ callId, serial: (high << 8) | low, now, callDeadline: handshakeWindowOf(to) }),
      settings: to,
      clock: systemClock,
      inner: on.inner,
      createPpp: () => this.#createPpp(),
      onCall: () => {},
      onPpp: (event) => this.#handle(event),
      onNote: (message, fields) => on.onEvent({ kind: 'note', id: this.#id, message, fields }),
      onOver: (reason) => this.#over(reason),
    });
    on.onEvent({ kind: 'attempt', id: this.#id, path: this.#path });
    on.signal.addEventListener('abort', this.#stop, { once: true });
    this.#call.start();
    if (on.signal.aborted) this.#stop();
  }

  #createPpp(): PppSession {
    const { ipv4 = true, ipv6 = true } = this.#to;
    return new PppSession({
      role: 'client',
      auth: this.#on.auth,
      ipv4: ipv4 ? { dns: true } : undefined,
      ipv6: ipv6 ? {} : undefined,
      ...pppSettings(this.#to),
    });
  }

  #handle(event: PppEvent): void {
    switch (event.kind) {
      case 'up':
        this.#up(event.terms);
        return;
      case 'changed':
        this.#changed(event.terms);
        return;
      case 'note':
        this.#on.onEvent({ kind: 'note', id: this.#id, message: event.message, fields: event.fields });
        return;
      case 'claim':
      case 'encryption-reset':
      case 'down':
        return;
    }
  }

  #up(terms: PppTerms): void {
    const { data } = this.#call;
    const flaw = flawOf(terms);
    const { send, receive } = terms.mppe;
    if (data === undefined || flaw !== undefined || send === undefined || receive === undefined) {
      this.#call.close(flaw ?? { cause: 'protocol', detail: 'no encryption' });
      return;
    }
    data.secure(terms, send, receive);
    this.#call.link = new PptpLink({
      id: this.#id,
      principal: { user: this.#to.remote.address, groups: [], certificate: undefined, proofs: ['password'] },
      config: this.#configOf(terms),
      path: this.#path,
      clock: systemClock,
      stats: data.stats,
      facts: factsOf(terms),
      overhead: data.overhead,
      send: (batch, now) => data.send(batch, now),
      close: (why) => this.#call.close(why),
    });
    if (terms.ipv6 === undefined || terms.ipv6.global !== undefined) this.#tellUp();
    else this.#waiting = setTimeout(() => this.#tellUp(), ROUTER_MILLIS);
  }

  #changed(terms: PppTerms): void {
    this.#call.link?.update(this.#configOf(terms));
    if (terms.ipv6?.global !== undefined) this.#tellUp();
  }

  #tellUp(): void {
    clearTimeout(this.#waiting);
    const { link } = this.#call;
    if (link === undefined || this.#call.over) return;
    this.#on.signal.removeEventListener('abort', this.#stop);
    this.#resolve(link);
  }

  #configOf(terms: PppTerms): Link['config'] {
    return clientConfig(terms, this.#to, keepaliveOf(this.#to));
  }

  #over(reason: CloseReason): void {
    clearTimeout(this.#waiting);
    this.#on.signal.removeEventListener('abort', this.#stop);
    this.#release();
    const error = errorOf(reason);
    // Where the link was told already, nobody hears these.
    if (this.#call.link === undefined) this.#on.onEvent({ kind: 'failed', id: this.#id, path: this.#path, reason });
    this.#reject(error);
  }
}

function openConnection({ remote, localAddress }: PptpDialOptions, signal: AbortSignal): Promise<Socket> {
  if (signal.aborted) return Promise.reject(new TransportError('CULVERT_TRANSPORT_STOPPED'));
  const { address, port } = remote;
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, family: 4, noDelay: true, ...(localAddress && { localAddress }) });
    const stop = (): void => fail(new TransportError('CULVERT_TRANSPORT_STOPPED'));
    const fail = (error: Error): void => {
      signal.removeEventListener('abort', stop);
      socket.destroy();
      reject(error);
    };
    socket.once('connect', () => {
      signal.removeEventListener('abort', stop);
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (cause) =>
      fail(new TransportError('CULVERT_TRANSPORT_UNREACHABLE', `TCP ${address} port ${port}`, { cause })),
    );
    signal.addEventListener('abort', stop, { once: true });
  });
}
