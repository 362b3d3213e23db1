/** `dial` of the openvpn transport: one session to one server, over UDP or TCP. */
import { connect } from 'node:net';
import type { CloseReason, Path, Transmit } from '@culvert/base';
import { createOpenvpnAeadKey } from '@culvert/cipher';
import type { Link, TransportEvent } from '@culvert/core';
import { type DatagramBatch, encodePath, pathWords } from '@culvert/netio';
import { ClientSession, isData } from '@culvert/openvpn';
import { systemClock, systemRandom, systemWallClock } from '../clock.ts';
import { errorOf, TransportError } from '../errors.ts';
import { OpenvpnLink } from './link.ts';
import type { OpenvpnDialOptions } from './options.ts';
import type { Outbox } from './outbox.ts';
import { overheadOf } from './overhead.ts';
import { Peer } from './peer.ts';
import { innerBatch, type Scratch } from './scratch.ts';
import { StreamPort } from './stream-port.ts';
import { maxPacketOf, pathOf } from './tcp-listener.ts';
import { onSamePath, type UdpPath, UdpPort } from './udp-port.ts';

const DEFAULT_MTU = 1_500;
const DEFAULT_REPLAY_WINDOW = 1_024;
const DEFAULT_HANDSHAKE_WINDOW = 60_000;

export interface DialHandlers {
  onEvent(event: TransportEvent): void;
  nextId(): number;
  readonly scratch: Scratch;
  readonly signal: AbortSignal;
}

/** The wire under a client's session. `begin` is called once, when the session exists. */
interface Wire {
  readonly path: Path;
  readonly outbox: Outbox;
  begin(peer: Peer): void;
  send(transmit: Transmit): void;
  close(): void;
}

export async function dial(to: OpenvpnDialOptions, on: DialHandlers): Promise<Link> {
  if (on.signal.aborted) throw new TransportError('CULVERT_TRANSPORT_STOPPED');
  const wire = to.protocol === 'udp' ? udpWire(to, on.scratch) : await tcpWire(to, on);
  return new Dialling(to, on, wire).link;
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

  constructor(to: OpenvpnDialOptions, on: DialHandlers, wire: Wire) {
    const { promise, resolve, reject } = Promise.withResolvers<Link>();
    this.link = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#id = on.nextId();
    this.#to = to;
    this.#on = on;
    this.#wire = wire;
    this.#session = createSession(to, wire.path);
    this.#peer = new Peer({
      session: this.#session,
      clock: systemClock,
      inner: innerBatch(on.scratch, to.join),
      send: (transmit) => wire.send(transmit),
      onEvent: (event) => this.#handle(event),
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
      close: (why) => this.#peer.close(why),
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

function createSession(to: OpenvpnDialOptions, path: Path): ClientSession {
  return new ClientSession({
    path,
    protocol: to.protocol,
    random: systemRandom,
    wallClock: systemWallClock,
    createTls: () => to.tls.createEngine(),
    createDataKey: createOpenvpnAeadKey,
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

/** A socket of its own, whose local address the kernel chooses for each datagram, so that a laptop may change networks. */
function udpWire(to: OpenvpnDialOptions, scratch: Scratch): Wire {
  const family = to.remote.address.includes(':') ? 6 : 4;
  let peer: Peer | undefined;
  const port: UdpPort = new UdpPort({
    family,
    number: 0,
    scratch: scratch.datagrams,
    onBatch: (batch) => {
      if (peer !== undefined) takeBatch(batch, peer, path);
    },
  });
  const path = port.pathFrom(encodePath({ remote: to.remote }, family));
  return {
    path,
    outbox: port.outboxFor(() => path),
    begin: (begun) => {
      peer = begun;
    },
    send: ({ datagram }) => port.send(datagram, path),
    close: () => port.close(),
  };
}

/** The remote's words of a path record: address and port. */
const REMOTE_ADDRESS_WORDS = 4;
const REMOTE_PORT_WORD = 8;

function takeBatch(batch: DatagramBatch, peer: Peer, path: UdpPath): void {
  for (let i = 0; i < batch.count; ) {
    const offset = batch.offsets[i] ?? 0;
    const length = batch.lengths[i] ?? 0;
    if (length === 0 || !sameRemote(batch, i, path)) {
      i++;
      continue;
    }
    if (!isData(batch.arena[offset] ?? 0)) {
      peer.handleControl(batch.arena.slice(offset, offset + length), path);
      i++;
      continue;
    }
    let end = i + 1;
    while (end < batch.count && onSamePath(batch, i, end) && isDataAt(batch, end)) end++;
    peer.handleData(batch, i, end - i);
    i = end;
  }
}

function isDataAt(batch: DatagramBatch, i: number): boolean {
  return (batch.lengths[i] ?? 0) > 0 && isData(batch.arena[batch.offsets[i] ?? 0] ?? 0);
}

function sameRemote(batch: DatagramBatch, i: number, path: UdpPath): boolean {
  const at = i * pathWords;
  for (let word = 0; word < REMOTE_ADDRESS_WORDS; word++) {
    if (batch.paths[at + word] !== path.words[word]) return false;
  }
  return batch.paths[at + REMOTE_PORT_WORD] === path.words[REMOTE_PORT_WORD];
}

async function tcpWire(to: OpenvpnDialOptions, { signal, scratch }: DialHandlers): Promise<Wire> {
  const { address, port: remotePort } = to.remote;
  const socket = connect({ host: address, port: remotePort, noDelay: true, signal });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once('connect', resolve);
  socket.once('error', (cause) =>
    reject(new TransportError('CULVERT_TRANSPORT_UNREACHABLE', `TCP to ${address} port ${remotePort}`, { cause })),
  );
  socket.setTimeout(to.handshakeWindow ?? DEFAULT_HANDSHAKE_WINDOW, () => {
    reject(new TransportError('CULVERT_TRANSPORT_UNREACHABLE', `TCP to ${address} port ${remotePort}: no answer`));
    socket.destroy();
  });
  await promise;
  socket.setTimeout(0);
  const path = pathOf(socket, 0);
  let peer: Peer | undefined;
  const port = new StreamPort(socket, path, maxPacketOf(to.mtu ?? DEFAULT_MTU), scratch.stream, {
    onData: (batch) => peer?.handleData(batch, 0, batch.count),
    onControl: (packet) => peer?.handleControl(packet, path),
    onEnd: (error) => {
      const ended = error === undefined ? 'the server closed the TCP connection' : `TCP: ${error.message}`;
      const why = peer?.session instanceof ClientSession ? peer.session.describeClosedStream() : undefined;
      peer?.abandon({ cause: 'lost', detail: why === undefined ? ended : `${ended}: ${why}` });
    },
  });
  return {
    path,
    outbox: port.outbox,
    begin: (begun) => {
      peer = begun;
    },
    send: ({ datagram }) => port.send(datagram),
    close: () => port.close(),
  };
}
