/**
 * The gateway's UDP side: finds for each datagram its peer, and for each stranger a verdict.
 *
 * Data first: a read of the socket hands runs of data datagrams straight to their links; control datagrams go through
 * the work queue, so that handshakes cannot hold up packets.
 */
import type { Instant } from '@culvert/base';
import type { DatagramBatch } from '@culvert/netio';
import { type Acceptor, Opcode, peekControl } from '@culvert/openvpn';
import { UdpPath, UdpPort } from '../udp-port.ts';
import { controlFollows, endOfRun, NO_DATA, NO_PEER_ID, peerIdAt } from './data-runs.ts';
import { maxPacketOf } from './overhead.ts';
import type { PeerHost } from './peer-host.ts';
import type { ServerPeer } from './server-peer.ts';

export interface UdpListenerOptions {
  readonly family: 4 | 6;
  readonly address: string | undefined;
  readonly port: number;
  readonly number: number;
  readonly host: PeerHost;
  readonly acceptor: Acceptor;
  /** The socket is one of several; it takes nothing before `start`. */
  readonly steering?: Uint32Array | undefined;
}

export class UdpListener {
  readonly port: UdpPort;
  readonly #options: UdpListenerOptions;

  constructor(options: UdpListenerOptions) {
    this.#options = options;
    this.port = new UdpPort({
      family: options.family,
      ...(options.address !== undefined && { address: options.address }),
      port: options.port,
      number: options.number,
      scratch: options.host.scratch.datagrams,
      slotBytes: maxPacketOf(options.host.mtu),
      trains: options.host.trains,
      log: options.host.log,
      faults: options.host.faults,
      steering: options.steering,
      onDatagrams: (batch, first) => this.#take(batch, first),
    });
  }

  /** All sockets of the port are bound. */
  start(): void {
    this.port.start();
  }

  close(): void {
    this.port.close();
  }

  /** Takes datagram `i`, or the run of data that begins with it. Returns the index behind. */
  #take(batch: DatagramBatch, i: number): number {
    if (i === 0) this.#options.host.stats.packetsIn += batch.count;
    const peerId = peerIdAt(batch, i);
    if (peerId !== NO_DATA) return this.#takeData(batch, i, peerId);
    const offset = batch.offsets[i] ?? 0;
    const length = batch.lengths[i] ?? 0;
    const more = controlFollows(batch, i);
    if (length > 0) this.#takeControl(batch.arena.slice(offset, offset + length), this.port.pathOf(batch, i), more);
    return i + 1;
  }

  /** Hands the run of datagrams from one peer on one path that starts at `first` to that peer. Returns where the run ends. */
  #takeData(batch: DatagramBatch, first: number, peerId: number): number {
    const end = endOfRun(batch, first, peerId);
    const { host } = this.#options;
    const peer =
      peerId === NO_PEER_ID ? host.table.byPath(this.port.pathOf(batch, first)) : host.table.byPeerId(peerId);
    // A peer id of TCP's is no peer's here.
    if (peer === undefined || !(peer.path instanceof UdpPath)) {
      host.stats.dataWithoutPeer += end - first;
      return end;
    }
    const here = this.port.isOn(batch, first, peer.path);
    const authentic = this.#open(peer, here, batch, first, end);
    if (!here && authentic > 0 && !peer.peer.over) this.#roam(peer, this.port.pathOf(batch, first));
    return end;
  }

  /** Hands over what is within the peer's share, or the strangers'; the rest is lost before it costs anything. Returns how many were authentic. */
  #open(peer: ServerPeer, here: boolean, batch: DatagramBatch, first: number, end: number): number {
    const { share } = this.port;
    const use = here ? peer.inbound : undefined;
    let authentic = 0;
    for (let at = first; at < end; ) {
      const over = share.within(use, batch, at, end);
      if (over > at) authentic += peer.peer.handleData(batch, at, over - at);
      at = over === end ? end : share.behind(batch, over, end);
      if (at > over) this.#countOverShare(peer, here, at - over);
    }
    return authentic;
  }

  #countOverShare({ peer: { link } }: ServerPeer, here: boolean, datagrams: number): void {
    const { stats } = this.#options.host;
    if (!here) stats.strangersOverShare += datagrams;
    else {
      stats.dataOverShare += datagrams;
      if (link !== undefined) link.stats.droppedIn += datagrams;
    }
  }

  /** Authentic, new data came from elsewhere: the peer has moved, unless another live peer sits there. */
  #roam(peer: ServerPeer, to: UdpPath): void {
    const { host } = this.#options;
    const resident = host.table.byPath(to);
    if (resident !== undefined && resident !== peer) {
      host.stats.roamRefused++;
      return;
    }
    peer.roam(to, host.clock.now());
    host.table.moved(peer);
  }

  #takeControl(datagram: Uint8Array, path: UdpPath, more: boolean): void {
    const { host } = this.#options;
    const peer = this.#peerOf(datagram, path);
    // Not through the queue once data flows: data of a new key may follow the packet that completes it.
    if (peer?.up === true) {
      peer.peer.handleControl(datagram, path, more);
      return;
    }
    host.work.push(() => {
      if (host.closed) return;
      // A job before this one may have made the peer, or ended it.
      const known = peer?.peer.over === false ? peer : this.#peerOf(datagram, path);
      if (known !== undefined) known.peer.handleControl(datagram, path, more);
      else this.#takeInitial(datagram, path, host.clock.now());
    });
  }

  /** Whose control datagram it is. A reset is a stranger's, whatever session it names. */
  #peerOf(datagram: Uint8Array, path: UdpPath): ServerPeer | undefined {
    const head = peekControl(datagram);
    if (head === undefined) return undefined;
    if (head.opcode === Opcode.hardResetClientV2 || head.opcode === Opcode.hardResetClientV3) return undefined;
    return this.#options.host.table.bySession(head.sessionId, path);
  }

  #takeInitial(datagram: Uint8Array, path: UdpPath, now: Instant): void {
    const { host, acceptor } = this.#options;
    const verdict = acceptor.handleInitial(datagram, path, now);
    if (verdict.kind === 'reply') this.port.send(verdict.datagram, path);
    if (verdict.kind !== 'session') return;
    host.add({
      start: verdict.start,
      protocol: 'udp',
      path,
      outbox: (session) => UdpPort.outboxFor(() => session.path as UdpPath),
      send: ({ datagram: out, path: to }) => (to as UdpPath).port.send(out, to as UdpPath),
    });
  }
}
