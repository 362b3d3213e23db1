/** `dial` of the openvpn transport: one session to one server, over UDP or TCP. */
import type { CloseReason, Logger, Path } from '@culvert/base';
import type { Link, TransportEvent } from '@culvert/core';
import { ClientSession, type CreateDataKey } from '@culvert/openvpn';
import { systemClock, systemRandom, systemWallClock } from '../clock.ts';
import { errorOf, TransportError } from '../errors.ts';
import { FaultLog } from '../fault-log.ts';
import { openWire, type Wire } from './client-wire.ts';
import { dataKeysOf, type Said } from './data-keys.ts';
import { OpenvpnLink } from './link.ts';
import type { OpenvpnDialOptions } from './options.ts';
import { overheadOf } from './overhead.ts';
import { Peer } from './peer.ts';
import { innerBatch, type Scratch } from './scratch.ts';

const DEFAULT_MTU = 1_500;
const DEFAULT_REPLAY_WINDOW = 1_024;

export interface DialHandlers {
  onEvent(event: TransportEvent): void;
  nextId(): number;
  readonly scratch: Scratch;
  readonly said: Said;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export async function dial(to: OpenvpnDialOptions, on: DialHandlers): Promise<Link> {
  if (on.signal.aborted) throw new TransportError('CULVERT_TRANSPORT_STOPPED');
  const faults = new FaultLog(on.log, systemClock);
  const wire = await openWire(to, { ...on, faults });
  try {
    return new Dialling(to, on, wire, faults).link;
  } catch (error) {
    wire.close();
    throw error;
  }
}

/** From the first packet to the link, and on to its end. */
class Dialling {
  readonly link: Promise<Link>;
  readonly #id: number;
  readonly #to: OpenvpnDialOptions;
  readonly #on: DialHandlers;
  readonly #wire: Wire;
  readonly #session: ClientSession;
  readonly #peer: Peer;
  readonly #resolve: (link: Link) => void;
  readonly #reject: (error: Error) => void;
  readonly #stop = (): void => {
    this.#peer.close({ cause: 'operator', detail: 'stopped' });
  };

  constructor(to: OpenvpnDialOptions, on: DialHandlers, wire: Wire, faults: FaultLog) {
    const { promise, resolve, reject } = Promise.withResolvers<Link>();
    this.link = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#id = on.nextId();
    this.#to = to;
    this.#on = on;
    this.#wire = wire;
    this.#session = createSession(to, wire.path, dataKeysOf(to.cipherImplementation, on.said, on.log));
    this.#peer = new Peer({
      session: this.#session,
      clock: systemClock,
      inner: innerBatch(on.scratch, to.join),
      send: (transmit) => wire.send(transmit),
      onEvent: (event) => this.#handle(event),
      onFault: (error) => faults.tell('a link', error),
      onOver: (reason) => this.#over(reason),
    });
    on.onEvent({ kind: 'attempt', id: this.#id, path: wire.path });
    on.signal.addEventListener('abort', this.#stop, { once: true });
    wire.begin(this.#peer);
    this.#peer.drain(systemClock.now());
  }

  #handle(event: Parameters<ConstructorParameters<typeof Peer>[0]['onEvent']>[0]): void {
    const id = this.#id;
    switch (event.kind) {
      case 'up':
        this.#up(event.config, event.peerId);
        return;
      case 'config':
        this.#peer.link?.update(event.config);
        return;
      case 'rekeyed':
        this.#on.onEvent({ kind: 'rekeyed', id });
        return;
      case 'note':
        this.#on.onEvent({ kind: 'note', id, message: event.message, fields: event.fields });
        return;
      case 'claim':
      case 'closed':
        throw new Error(`a client session tells no ${event.kind} here`);
    }
  }

  #up(config: Link['config'], peerId: number | undefined): void {
    const session = this.#session;
    const link = new OpenvpnLink({
      id: this.#id,
      principal: { user: this.#to.remote.address, groups: [], certificate: undefined, proofs: ['certificate'] },
      config,
      session,
      outbox: this.#wire.outbox,
      clock: systemClock,
      path: () => session.path,
      wire: this.#wire.counts,
      close: (why) => this.#peer.close(why),
      onFault: (error) => this.#peer.fail(error),
      overhead: overheadOf(peerId),
    });
    this.#peer.link = link;
    this.#on.signal.removeEventListener('abort', this.#stop);
    this.#resolve(link);
  }

  #over(reason: CloseReason): void {
    this.#on.signal.removeEventListener('abort', this.#stop);
    this.#wire.close();
    if (this.#peer.link !== undefined) return;
    this.#on.onEvent({ kind: 'failed', id: this.#id, path: this.#wire.path, reason });
    this.#reject(errorOf(reason));
  }
}

function createSession(to: OpenvpnDialOptions, path: Path, createDataKey: CreateDataKey): ClientSession {
  return new ClientSession({
    path,
    protocol: to.protocol,
    random: systemRandom,
    wallClock: systemWallClock,
    createTls: () => to.tls.createEngine(),
    createDataKey,
    wrap: to.wrap,
    dataCiphers: to.dataCiphers,
    username: to.username,
    password: to.password,
    peerInfo: to.peerInfo === undefined ? undefined : Object.fromEntries(to.peerInfo),
    now: systemClock.now(),
    handshakeWindow: to.handshakeWindow,
    renegotiateAfter: to.renegotiateAfter,
    replayWindow: to.replayWindow ?? DEFAULT_REPLAY_WINDOW,
    join: to.join ?? 0,
    tunMtu: to.mtu ?? DEFAULT_MTU,
  });
}
