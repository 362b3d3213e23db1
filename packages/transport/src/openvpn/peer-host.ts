/**
 * What the UDP and TCP sides of a listener share: the table of peers, the work queue, the limits, and how a session becomes a peer.
 */
import type { CloseReason, Logger, MonotonicClock, Path, Transmit } from '@culvert/base';
import type { Admission, Link, TransportEvent } from '@culvert/core';
import { type CreateDataKey, ServerSession, type SessionStart } from '@culvert/openvpn';
import { systemClock, systemRandom, systemWallClock } from '../clock.ts';
import { FaultLog } from '../fault-log.ts';
import { HandshakeLimit } from '../handshake-limit.ts';
import type { Outbox } from '../outbox.ts';
import { WorkQueue } from '../work-queue.ts';
import { dataKeysOf, type Said } from './data-keys.ts';
import type { OpenvpnListenOptions } from './options.ts';
import { PeerTable } from './peer-table.ts';
import { innerBatch, type Scratch } from './scratch.ts';
import { ServerPeer } from './server-peer.ts';
import { SessionTotals } from './session-totals.ts';

const DEFAULT_MAX_LINKS = 4_096;
const DEFAULT_MAX_HANDSHAKES = 256;
const DEFAULT_REPLAY_WINDOW = 1_024;
const DEFAULT_MTU = 1_500;
/** Control datagrams that may wait for their turn. */
const WORK_LIMIT = 1_024;

export interface NewPeer {
  readonly start: SessionStart;
  readonly protocol: 'udp' | 'tcp';
  readonly path: Path;
  outbox(session: ServerSession): Outbox;
  send(transmit: Transmit): void;
  /** The peer is gone: close its stream. */
  readonly onOver?: () => void;
}

export interface PeerHostHandlers {
  readonly admission: Admission;
  onLink(link: Link): void;
  onEvent(event: TransportEvent): void;
  nextId(): number;
  readonly scratch: Scratch;
  readonly said: Said;
  readonly log: Logger;
}

export class PeerHost {
  readonly table: PeerTable;
  readonly clock: MonotonicClock = systemClock;
  readonly work: WorkQueue;
  /** Sessions that are not up yet. */
  readonly handshakes: HandshakeLimit;
  readonly scratch: Scratch;
  readonly log: Logger;
  readonly faults: FaultLog;
  /** Whether UDP sockets send and take trains; undefined: where the kernel has them. */
  readonly trains: boolean | undefined;
  /** Of the largest inner packet, in bytes. */
  readonly mtu: number;
  readonly stats = {
    /** Datagrams, and packets of streams. */
    packetsIn: 0,
    dataWithoutPeer: 0,
    /** Of one link, more than its share while more came than we can carry. */
    dataOverShare: 0,
    /** Claimed a peer from elsewhere meanwhile. */
    strangersOverShare: 0,
    roamRefused: 0,
    handshakesFull: 0,
    linksFull: 0,
  };
  closed = false;
  readonly #options: OpenvpnListenOptions;
  readonly #on: PeerHostHandlers;
  readonly #createDataKey: CreateDataKey;
  readonly #totals = new SessionTotals();

  constructor(options: OpenvpnListenOptions, on: PeerHostHandlers) {
    this.#options = options;
    this.#on = on;
    this.scratch = on.scratch;
    this.log = on.log;
    this.faults = new FaultLog(on.log, this.clock);
    this.trains = options.trains;
    this.mtu = options.mtu ?? DEFAULT_MTU;
    this.#createDataKey = dataKeysOf(options.cipherImplementation, on.said, on.log);
    this.table = new PeerTable(options.maxLinks ?? DEFAULT_MAX_LINKS, options.shard);
    this.handshakes = new HandshakeLimit(options.maxHandshakes ?? DEFAULT_MAX_HANDSHAKES);
    this.work = new WorkQueue({
      limit: WORK_LIMIT,
      now: () => this.clock.now(),
      onFault: (error) => this.faults.tell('a datagram of a handshake', error, 'lost'),
    });
  }

  /** Makes a peer of a session that proved its return path; undefined when a limit is reached. */
  add(from: NewPeer): ServerPeer | undefined {
    if (this.table.full) {
      this.stats.linksFull++;
      return undefined;
    }
    // A reset that carries a valid cookie may come again: the session is there already.
    if (this.table.bySession(sessionIdOf(from.start), from.path) !== undefined) return undefined;
    const settle = this.handshakes.take(from.path.remote.address);
    if (settle === undefined) {
      this.stats.handshakesFull++;
      return undefined;
    }
    try {
      return this.#add(from, settle);
    } catch (error) {
      settle();
      throw error;
    }
  }

  #add(from: NewPeer, settle: () => void): ServerPeer {
    const peerId = this.table.takePeerId();
    const session = this.#session(from, peerId);
    const id = this.#on.nextId();
    const peer: ServerPeer = new ServerPeer({
      id,
      peerId,
      session,
      protocol: from.protocol,
      outbox: from.outbox(session),
      clock: this.clock,
      inner: innerBatch(this.scratch, this.#options.join),
      admission: this.#on.admission,
      send: (transmit) => from.send(transmit),
      onLink: (link) => {
        settle();
        this.#replace(peer);
        this.#on.onLink(link);
      },
      onEvent: (event) => this.#on.onEvent(event),
      onFault: (error) => this.faults.tell('a link', error),
      onOver: () => {
        settle();
        this.#totals.retire(session.stats);
        this.table.remove(peer);
        from.onOver?.();
      },
    });
    this.table.add(peer, sessionIdOf(from.start));
    try {
      this.#on.onEvent({ kind: 'attempt', id, path: from.path });
    } catch (error) {
      peer.peer.fail(error);
    }
    peer.peer.drain(this.clock.now());
    return peer;
  }

  /** Counts of what all peers did, and how many there are now. */
  get totals(): Readonly<Record<string, number>> {
    const live = this.table.peers().map(({ peer }) => peer.session.stats);
    return { ...this.#totals.sum(live), peers: live.length, handshakes: this.handshakes.count };
  }

  /** Ends every peer. Resolves when nothing is left of them. */
  async close(why: CloseReason): Promise<void> {
    this.closed = true;
    this.work.clear();
    const peers = this.table.peers();
    for (const peer of peers) peer.peer.close(why);
    await Promise.all(peers.map((peer) => peer.done));
  }

  #session(from: NewPeer, peerId: number): ServerSession {
    const options = this.#options;
    return new ServerSession({
      start: from.start,
      path: from.path,
      protocol: from.protocol,
      peerId,
      needsPeerIds: options.shard !== undefined && from.protocol === 'udp',
      random: systemRandom,
      wallClock: systemWallClock,
      createTls: () => options.tls.createEngine(),
      createDataKey: this.#createDataKey,
      dataCiphers: options.dataCiphers,
      now: this.clock.now(),
      handshakeWindow: options.handshakeWindow,
      renegotiateAfter: options.renegotiateAfter,
      replayWindow: options.replayWindow ?? DEFAULT_REPLAY_WINDOW,
      join: options.join ?? 0,
      tunMtu: this.mtu,
    });
  }

  /** A peer that came up from the address and port of another is that client, started again. */
  #replace(peer: ServerPeer): void {
    const before = this.table.claimPath(peer);
    before?.peer.close({ cause: 'replaced', detail: 'a new session came up from the same address and port' });
  }
}

function sessionIdOf(start: SessionStart): bigint {
  const id = start.peerSessionId;
  return new DataView(id.buffer, id.byteOffset, id.byteLength).getBigUint64(0);
}
