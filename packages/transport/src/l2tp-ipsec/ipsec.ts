/**
 * IPsec in transport mode below L2TP: joins the IKE machine and the SA database to what UDP ports 500 and 4500 bring, timers and work.
 *
 *   500    IKE                     4500   | 00 00 00 00 | IKE      | ff | keepalive      ESP (RFC 3948)
 *
 * Owns whose ESP is whose, and where it goes. Leaves sockets, the UDP that comes out, and who may connect, to its user.
 */
import type { CloseReason, Instant, Logger, MonotonicClock, PacketBatch } from '@culvert/base';
import {
  exchangeKeys,
  IkeEndpoint,
  type IkeOptions,
  type IkeWork,
  type IkeWorkResult,
  SaDatabase,
  sortDatagram,
  workDropped,
} from '@culvert/ipsec';
import type { DatagramBatch } from '@culvert/netio';
import { Alarm } from '../alarm.ts';
import { systemRandom } from '../clock.ts';
import { EndOfTurn } from '../end-of-turn.ts';
import { type FaultLog, ourFault } from '../fault-log.ts';
import type { UdpPort } from '../udp-port.ts';
import { WorkQueue } from '../work-queue.ts';
import type { Credentials } from './credentials.ts';
import { EspReceiver, type EspSource } from './esp-receiver.ts';
import { KeyExchanges } from './key-exchanges.ts';
import type { IpsecPeer } from './peer.ts';
import { type PeerHandlers, PeerTable, type PeerTableOptions, pathIn } from './peer-table.ts';

/** Messages of IKE wait for their turn behind so many, so that a flood of them leaves room for the work of who is under way. */
const MOST_BEFORE_MESSAGES = 1_024;
/** With key exchanges and signatures. */
const MOST_WAITING = 4_096;

export interface IpsecOptions extends PeerHandlers, Pick<PeerTableOptions, 'bareOutbox'> {
  /** UDP, its selectors checked. Slots of length 0 are none. Lent. */
  onPackets(peer: IpsecPeer, batch: PacketBatch): void;
  readonly ike: Omit<IkeOptions, 'random' | 'logger' | 'allocateSpi' | 'releaseSpi' | 'certificate'>;
  /** In force now: their owner may exchange them. */
  readonly credentials: () => Credentials | undefined;
  readonly implementation: 'native' | 'portable' | undefined;
  readonly clock: MonotonicClock;
  readonly log: Logger;
  /** Above here is the event loop: what it is given ends the process, with the links of everybody. */
  readonly faults: FaultLog;
}

export class Ipsec {
  readonly #options: IpsecOptions;
  readonly #ike: IkeEndpoint;
  readonly #sas: SaDatabase;
  readonly #receiver: EspReceiver;
  readonly #alarm: Alarm;
  readonly #queue: WorkQueue;
  readonly #exchanges: KeyExchanges;
  readonly #turn = new EndOfTurn(() => this.#drain());
  readonly #peers: PeerTable;
  #malformed = 0;
  #dropped = 0;
  #closed = false;

  constructor(options: IpsecOptions) {
    this.#options = options;
    const { ike, credentials, implementation, clock, log } = options;
    const sas = new SaDatabase({ random: systemRandom, implementation });
    this.#sas = sas;
    this.#ike = new IkeEndpoint({
      ...ike,
      random: systemRandom,
      logger: log,
      get certificate() {
        return credentials()?.own;
      },
      allocateSpi: () => sas.allocateSpi(),
      releaseSpi: (spi) => sas.releaseSpi(spi),
    });
    this.#peers = new PeerTable({
      ...options,
      ike: this.#ike,
      sas,
      natTraversal: ike.ports?.natTraversal,
      onSent: (child, bytes) => {
        this.#ike.handleSent(child, bytes, clock.now());
        this.#turn.ask();
      },
    });
    this.#receiver = new EspReceiver({
      sas,
      now: () => clock.now(),
      peerOf: ({ chain }) => this.#peers.find(chain),
      onTraffic: (pair, bytes, moved) => {
        this.#ike.handleTraffic(pair.child, bytes, clock.now(), moved);
        // The first packet of a pair shows that its peer has it, and its user has to know before.
        if (moved !== undefined || !pair.ready) this.#handleEvents();
        this.#turn.ask();
      },
      onPackets: (peer, batch) => {
        // Its user may have turned it away just now.
        if (this.#peers.find(peer.chain) === peer) options.onPackets(peer, batch);
      },
      onFault: (peer, error) => {
        options.faults.tell('a peer of IPsec', error);
        this.closePeer(peer, ourFault);
      },
    });
    this.#alarm = new Alarm(clock, (now) => this.#handleTimeout(now));
    const onFault = (error: unknown) => this.#tellFault(error);
    this.#queue = new WorkQueue({ limit: MOST_WAITING, now: () => clock.now(), onFault });
    this.#exchanges = new KeyExchanges({ limit: MOST_WAITING, onFault });
  }

  get stats(): Readonly<Record<string, number>> {
    const { malformed, unknown, unauthenticated, refused, tooMany } = this.#ike.stats;
    return {
      ...this.#receiver.stats,
      espMalformed: this.#malformed,
      ikeEstablished: this.#peers.established,
      ikeMalformed: malformed,
      ikeUnknown: unknown,
      ikeUnauthenticated: unauthenticated,
      ikeRefused: refused,
      ikeTooMany: tooMany,
      ikeDropped: this.#dropped + this.#queue.dropped + this.#exchanges.dropped,
    };
  }

  /** Begins a phase 1, as `IkeEndpoint.connect`. Returns its number. */
  connect(to: Parameters<IkeEndpoint['connect']>[0]): number {
    const id = this.#ike.connect(to, this.#options.clock.now());
    this.#turn.ask();
    return id;
  }

  /** Takes what port 500 read in `slot`. Returns the slot behind. Lent. */
  handleIke(batch: DatagramBatch, slot: number, port: UdpPort): number {
    if (!this.#closed) this.#queueIke(batch, slot, port);
    return slot + 1;
  }

  /** Takes what port 4500 read in `slot`, or the run of ESP that begins there. Returns the slot behind. Lent. */
  handleNatTraversal(batch: DatagramBatch, slot: number, port: UdpPort): number {
    if (this.#closed) return batch.count;
    const kind = sortDatagram(batch.view, batch.offsets[slot] ?? 0, batch.lengths[slot] ?? 0);
    if (kind === 'esp') return this.#receiver.handle(batch, slot, port, port.share);
    if (kind === 'ike') this.#queueIke(batch, slot, port);
    else if (kind === 'malformed') this.#malformed++;
    return slot + 1;
  }

  /** Takes what came as IP protocol 50 in `slot`, or the run of one SA that begins there. Returns the slot behind. Lent. */
  handleBareEsp(batch: DatagramBatch, slot: number): number {
    if (this.#closed) return batch.count;
    const kind = sortDatagram(batch.view, batch.offsets[slot] ?? 0, batch.lengths[slot] ?? 0);
    if (kind === 'esp') return this.#receiver.handle(batch, slot, nowhereElse);
    this.#malformed++;
    return slot + 1;
  }

  /** Deletes the peer's SAs, and phase 1 where nothing else needs it. `onGone` is called. */
  closePeer(peer: IpsecPeer, reason: CloseReason): void {
    this.#guard(() => this.#peers.close(peer, reason));
    this.#turn.ask();
  }

  /** Tells all peers, and forgets all keys. What it has to say is in the ports by then. */
  close(): void {
    if (this.#closed) return;
    for (const ikeSa of this.#peers.ikeSas) this.#ike.close(ikeSa);
    this.#transmit();
    this.#closed = true;
    this.#alarm.cancel();
    this.#queue.clear();
    this.#exchanges.clear();
    this.#receiver.close();
    this.#sas.close();
  }

  #queueIke(batch: DatagramBatch, slot: number, port: UdpPort): void {
    if (this.#queue.waiting >= MOST_BEFORE_MESSAGES) {
      this.#dropped++;
      return;
    }
    const at = batch.offsets[slot] ?? 0;
    const datagram = batch.arena.slice(at, at + (batch.lengths[slot] ?? 0));
    const path = port.pathOf(batch, slot);
    this.#queue.push(() => {
      this.#turn.ask();
      this.#ike.handleDatagram(datagram, path, this.#options.clock.now());
    });
  }

  #handleTimeout(now: Instant): void {
    this.#guard(() => this.#ike.handleTimeout(now));
    this.#guard(() => this.#sas.handleTimeout(now));
    this.#drain();
  }

  #drain(): void {
    if (this.#closed) return;
    this.#handleEvents();
    if (this.#closed) return;
    this.#guard(() => {
      for (let work = this.#ike.pollWork(); work !== undefined; work = this.#ike.pollWork()) this.#queueWork(work);
      this.#transmit();
    });
    const [a, b] = [this.#ike.pollTimeout(), this.#sas.pollTimeout()];
    this.#alarm.set(a === undefined ? b : b === undefined ? a : (Math.min(a, b) as Instant));
  }

  #transmit(): void {
    for (let t = this.#ike.pollTransmit(); t !== undefined; t = this.#ike.pollTransmit()) {
      pathIn(t.path).port.send(t.datagram, pathIn(t.path));
    }
  }

  #queueWork(work: IkeWork): void {
    const done = (result: IkeWorkResult) => {
      if (this.#closed) return;
      this.#ike.handleWorkDone(work.id, result, this.#options.clock.now());
      this.#turn.ask();
    };
    // What strangers can ask for is done elsewhere. An initiator's exchange has two steps by one private value, and there are few.
    const isAside = work.kind === 'key-exchange' && work.request.once === true;
    const isTaken = isAside
      ? this.#exchanges.push(work.request, done)
      : this.#queue.push(() => done(this.#tryTo(work)));
    // Work that is never done would be waited for, and remembered, for ever.
    if (!isTaken) done(workDropped);
  }

  #tryTo(work: IkeWork): IkeWorkResult {
    try {
      return this.#do(work);
    } catch (error) {
      this.#tellFault(error);
      return workDropped;
    }
  }

  #do(work: IkeWork): IkeWorkResult {
    const credentials = this.#options.credentials();
    if (work.kind === 'key-exchange') return exchangeKeys(work.request);
    if (work.kind === 'sign') return credentials?.sign(work);
    return credentials === undefined ? 'there is no authority that we trust' : credentials.verify(work);
  }

  #handleEvents(): void {
    const now = this.#options.clock.now();
    for (let e = this.#ike.pollEvent(); e !== undefined; e = this.#ike.pollEvent()) {
      const event = e;
      this.#guard(() => this.#peers.handle(event, now));
      if (event.kind === 'child-created') this.#receiver.handleCreated(event.sa.inbound.spi);
    }
    for (let e = this.#sas.pollEvent(); e !== undefined; e = this.#sas.pollEvent()) {
      const event = e;
      this.#guard(() => {
        if (event.kind === 'worn') this.#ike.renewChild(event.child, now);
        else if (event.kind === 'surplus') this.#ike.closeChild(event.child);
        else this.#peers.handleEnded(event.chain);
      });
    }
  }

  #guard(body: () => void): void {
    try {
      body();
    } catch (error) {
      this.#tellFault(error);
    }
  }

  #tellFault(error: unknown): void {
    this.#options.faults.tell('a message or event of IKE', error, 'lost');
  }
}

/** Outside of UDP there is no NAT, and nobody moves. */
const nowhereElse: EspSource = {
  isOn: () => true,
  pathOf: () => {
    throw new TypeError('a peer outside of UDP does not move');
  },
};
