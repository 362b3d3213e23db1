/** The wire under a client's session: one UDP socket or one TCP connection. */
import { connect, type Socket } from 'node:net';
import type { Logger, Path, Transmit } from '@culvert/base';
import { type DatagramBatch, encodePath, pathWords } from '@culvert/netio';
import { ClientSession } from '@culvert/openvpn';
import { TransportError } from '../errors.ts';
import type { FaultLog } from '../fault-log.ts';
import type { Outbox } from '../outbox.ts';
import { addSocketCounts, createSocketCounts, type SocketCounts } from '../socket-counts.ts';
import { tcpPath } from '../tcp-server.ts';
import { type UdpPath, UdpPort } from '../udp-port.ts';
import { controlFollows, endOfRun, NO_DATA, peerIdAt } from './data-runs.ts';
import type { OpenvpnDialOptions } from './options.ts';
import { maxPacketOf } from './overhead.ts';
import type { Peer } from './peer.ts';
import type { Scratch } from './scratch.ts';
import { StreamPort } from './stream-port.ts';

const DEFAULT_MTU = 1_500;
const DEFAULT_HANDSHAKE_WINDOW = 60_000;

export interface Wire {
  readonly path: Path;
  readonly outbox: Outbox;
  /** Of the UDP socket; undefined over TCP. */
  readonly counts: (() => SocketCounts) | undefined;
  /** Called once, when the session exists. */
  begin(peer: Peer): void;
  send(transmit: Transmit): void;
  close(): void;
}

export interface WireOptions {
  readonly scratch: Scratch;
  readonly log: Logger;
  readonly faults: FaultLog;
  readonly signal: AbortSignal;
}

/** Resolves when there is something to send on. Rejects with TransportError. */
export function openWire(to: OpenvpnDialOptions, on: WireOptions): Promise<Wire> {
  return to.protocol === 'udp' ? Promise.resolve(udpWire(to, on)) : tcpWire(to, on);
}

/** A socket of its own, whose local address the kernel chooses for each datagram, so that a laptop may change networks. */
function udpWire(to: OpenvpnDialOptions, { scratch, log, faults }: WireOptions): Wire {
  const family = to.remote.address.includes(':') ? 6 : 4;
  let peer: Peer | undefined;
  const port: UdpPort = new UdpPort({
    family,
    number: 0,
    scratch: scratch.datagrams,
    slotBytes: maxPacketOf(to.mtu ?? DEFAULT_MTU),
    trains: to.trains,
    log,
    faults,
    onDatagrams: (batch, first) => (peer === undefined ? batch.count : take(batch, first, peer, path)),
  });
  const path = port.pathFrom(encodePath({ remote: to.remote }, family));
  return {
    path,
    outbox: UdpPort.outboxFor(() => path),
    counts: () => {
      const counts = createSocketCounts();
      addSocketCounts(counts, port.socket.stats);
      return counts;
    },
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

/** Takes datagram `i`, or the run of data that begins with it. Returns the index behind. */
function take(batch: DatagramBatch, i: number, peer: Peer, path: UdpPath): number {
  const offset = batch.offsets[i] ?? 0;
  const length = batch.lengths[i] ?? 0;
  if (length === 0 || !sameRemote(batch, i, path)) return i + 1;
  const peerId = peerIdAt(batch, i);
  if (peerId === NO_DATA) {
    peer.handleControl(batch.arena.slice(offset, offset + length), path, controlFollows(batch, i));
    return i + 1;
  }
  const end = endOfRun(batch, i, peerId);
  peer.handleData(batch, i, end - i);
  return end;
}

function sameRemote(batch: DatagramBatch, i: number, path: UdpPath): boolean {
  const at = i * pathWords;
  for (let word = 0; word < REMOTE_ADDRESS_WORDS; word++) {
    if (batch.paths[at + word] !== path.words[word]) return false;
  }
  return batch.paths[at + REMOTE_PORT_WORD] === path.words[REMOTE_PORT_WORD];
}

async function tcpWire(to: OpenvpnDialOptions, { scratch, faults, signal }: WireOptions): Promise<Wire> {
  const socket = await connectTo(to, signal);
  const path = tcpPath(socket, 0);
  if (path === undefined) {
    socket.on('error', () => {}).destroy();
    throw new TransportError('CULVERT_TRANSPORT_UNREACHABLE', 'the server reset the connection');
  }
  let peer: Peer | undefined;
  const port = new StreamPort(socket, path, maxPacketOf(to.mtu ?? DEFAULT_MTU), scratch.stream, {
    onData: (batch) => peer?.handleData(batch, 0, batch.count),
    onControl: (packet) => peer?.handleControl(packet, path),
    onEnd: (error) => {
      const ended = error === undefined ? 'the server closed the TCP connection' : `TCP: ${error.message}`;
      const why = peer?.session instanceof ClientSession ? peer.session.describeClosedStream() : undefined;
      peer?.abandon({ cause: 'lost', detail: why === undefined ? ended : `${ended}: ${why}` });
    },
    onFault: (error) => faults.tell('a connection', error),
  });
  return {
    path,
    outbox: port.outbox,
    counts: undefined,
    begin: (begun) => {
      peer = begun;
    },
    send: ({ datagram }) => port.send(datagram),
    close: () => port.close(),
  };
}

/** Resolves when the connection is there. The signal ends the wait alone: a link that is up says goodbye first. */
async function connectTo(to: OpenvpnDialOptions, signal: AbortSignal): Promise<Socket> {
  const { address, port } = to.remote;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (detail: string, cause?: Error): void =>
    reject(new TransportError('CULVERT_TRANSPORT_UNREACHABLE', `TCP to ${address} port ${port}${detail}`, { cause }));
  const stop = (): void => reject(new TransportError('CULVERT_TRANSPORT_STOPPED'));
  const silent = (): void => fail(': no answer');
  const failed = (cause: Error): void => fail('', cause);
  const socket = connect({ host: address, port, noDelay: true });
  socket.once('connect', resolve).once('error', failed);
  socket.setTimeout(to.handshakeWindow ?? DEFAULT_HANDSHAKE_WINDOW, silent);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await promise;
    return socket;
  } catch (error) {
    socket.on('error', () => {});
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    socket.setTimeout(0, silent);
    socket.off('timeout', silent).off('error', failed);
  }
}
