/** The peers of a listener, and what they come through. */
import type { CloseReason, Logger } from '@culvert/base';
import type { Admission, Link, ListeningEndpoint, TransportEvent } from '@culvert/core';
import type { PeerFacts, Session } from '@culvert/l2tp';
import type { DatagramBatch } from '@culvert/netio';
import type { AuthOffer } from '@culvert/ppp';
import { systemClock } from '../clock.ts';
import { TransportError } from '../errors.ts';
import { FaultLog } from '../fault-log.ts';
import { HandshakeLimit } from '../handshake-limit.ts';
import { handshakeWindowOf } from '../ppp/settings.ts';
import { createBareCounts, createSocketCounts } from '../socket-counts.ts';
import type { UdpPath } from '../udp-port.ts';
import type { Call } from './call.ts';
import { Calls } from './calls.ts';
import type { Carrier } from './carrier.ts';
import { CurrentSecrets } from './current-secrets.ts';
import type { Scratch } from './data-path.ts';
import { Ipsec } from './ipsec.ts';
import type { L2tpIpsecListenOptions } from './options.ts';
import type { IpsecPeer } from './peer.ts';
import type { Refusal } from './peer-table.ts';
import { familyOf, IpsecPorts, usualPorts } from './ports.ts';
import { noNewKeys, Refusals } from './refusals.ts';
import { ServerCall } from './server-call.ts';
import { ikeSettings } from './settings.ts';

const L2TP_PORT = 1_701;
const DEFAULT_MAX_LINKS = 4_096;
const DEFAULT_MAX_HANDSHAKES = 512;
/**
 * A peer that makes no call for so many handshake windows is let go. Some dial L2TP by hand, and again after a while, and would then
 * do so in the clear.
 */
const WINDOWS_WITHOUT_CALL = 2;
const noOtherCall: CloseReason = { cause: 'idle', detail: 'the peer made no other call' };

export interface ListenHandlers {
  readonly admission: Admission;
  onLink(link: Link): void;
  onEvent(event: TransportEvent): void;
  nextId(): number;
  readonly datagrams: DatagramBatch;
  readonly scratch: Scratch;
  readonly auth: readonly AuthOffer[];
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** What is known of a peer beside its IPsec. */
interface Known {
  /** Of its try, and later of its first call. */
  readonly id: number;
  /** Gives back its place among the handshakes, which is its first call's too. */
  readonly settle: () => void;
  readonly calls: Set<ServerCall>;
  called: boolean;
  waiting: NodeJS.Timeout | undefined;
  /** Of its latest tunnel. */
  refusal: CloseReason | undefined;
}

export class PeerHost {
  readonly endpoints: ListeningEndpoint[] = [];
  readonly #stats = { handshakesFull: 0, linksFull: 0 };
  readonly #at: L2tpIpsecListenOptions;
  readonly #on: ListenHandlers;
  readonly #faults: FaultLog;
  readonly #secrets: CurrentSecrets;
  readonly #handshakes: HandshakeLimit;
  readonly #refusals: Refusals;
  readonly #peers = new Map<IpsecPeer, Known>();
  /** Without a call, after one; longest first. */
  readonly #idle = new Set<IpsecPeer>();
  readonly #ports: IpsecPorts[] = [];
  readonly #ipsec: Ipsec;
  readonly #calls: Calls;
  #closed = false;

  /** Throws TransportError, TlsError or NetioError where it cannot listen. */
  constructor(at: L2tpIpsecListenOptions, on: ListenHandlers) {
    this.#at = at;
    this.#on = on;
    this.#faults = new FaultLog(on.log, systemClock);
    const { maxHandshakes = DEFAULT_MAX_HANDSHAKES } = at;
    this.#handshakes = new HandshakeLimit(maxHandshakes);
    this.#refusals = new Refusals(on, systemClock);
    this.#secrets = new CurrentSecrets(at, on.log);
    try {
      this.#open();
    } catch (error) {
      this.#release();
      throw error;
    }
    this.#ipsec = this.#createIpsec(maxHandshakes);
    this.#calls = new Calls({
      port: L2TP_PORT,
      answers: true,
      settings: at,
      halfOpen: maxHandshakes,
      tunnels: this.#maxLinks + maxHandshakes,
      clock: systemClock,
      createCall: (session, carrier, facts) => this.#createCall(session, carrier, facts),
      onNote: ({ peer }, message, fields) => {
        const id = this.#peers.get(peer)?.id;
        if (id !== undefined) on.onEvent({ kind: 'note', id, message, fields });
      },
      onRefused: (peer, reason) => {
        const known = this.#peers.get(peer);
        if (known !== undefined) known.refusal = reason;
      },
      onIdle: (peer) => this.#handleIdle(peer),
      onFault: (error) => this.#faults.tell('a message or event of L2TP', error, 'lost'),
    });
  }

  get counts(): Readonly<Record<string, number>> {
    const sockets = { ...createSocketCounts(), ...createBareCounts() };
    for (const ports of this.#ports) ports.addCounts(sockets);
    return {
      ...this.#stats,
      ...this.#refusals.stats,
      ...this.#ipsec.stats,
      ...this.#calls.stats,
      ...sockets,
      peers: this.#peers.size,
      calls: this.#calls.size,
      handshakes: this.#handshakes.count,
      faults: this.#faults.count,
    };
  }

  async close(why: CloseReason): Promise<void> {
    this.#closed = true;
    const calls = [...this.#peers.values()].flatMap((peer) => [...peer.calls]);
    for (const call of calls) call.close(why);
    await Promise.all(calls.map(({ done }) => done));
    this.#calls.close(why);
    this.#ipsec.close();
    for (const peer of [...this.#peers.keys()]) this.#forget(peer, why);
    this.#release();
  }

  #open(): void {
    const { listen, ports = usualPorts, forceEncapsulation = true, trains } = this.#at;
    const bare = !forceEncapsulation;
    const { datagrams, log, nextId } = this.#on;
    let numbers = ports;
    for (const { address } of listen) {
      try {
        const opened = new IpsecPorts({
          family: familyOf(address ?? ''),
          address,
          numbers,
          datagrams,
          trains,
          nextId,
          log,
          faults: this.#faults,
          onIke: (batch, first, port) => this.#ipsec.handleIke(batch, first, port),
          onNatTraversal: (batch, first, port) => this.#ipsec.handleNatTraversal(batch, first, port),
          onBareEsp: bare ? (batch, first) => this.#ipsec.handleBareEsp(batch, first) : undefined,
        });
        this.#ports.push(opened);
        // Where the kernel chose, all addresses have the same: machines tell the two ports apart by number.
        numbers = opened.numbers;
      } catch (cause) {
        const { ike, natTraversal } = numbers;
        const where = `UDP ${address ?? '*'} ports ${ike} and ${natTraversal}`;
        throw new TransportError('CULVERT_TRANSPORT_LISTEN', where, { cause });
      }
      for (const port of Object.values(numbers))
        this.endpoints.push({ address: address ?? '0.0.0.0', port, protocol: 'udp' });
    }
  }

  #createIpsec(maxHandshakes: number): Ipsec {
    const { cipherImplementation: implementation } = this.#at;
    const { log } = this.#on;
    return new Ipsec({
      ike: {
        ...ikeSettings(this.#at),
        presharedKey: (address) => this.#secrets.keyFor(address),
        ports: this.#ports[0]?.numbers ?? usualPorts,
        limits: {
          negotiation: handshakeWindowOf(this.#at),
          halfOpen: maxHandshakes,
          halfOpenPerSource: Math.max(1, Math.floor(maxHandshakes / 2)),
        },
      },
      credentials: () => this.#secrets.credentials(),
      implementation,
      bareOutbox: (path) => this.#ports.find((ports) => ports.has(path.port))?.bareOutbox(path),
      clock: systemClock,
      log,
      faults: this.#faults,
      onPeer: (peer) => this.#handlePeer(peer),
      onPackets: (peer, batch) => this.#calls.handlePackets(peer, batch),
      onRekeyed: (peer) => this.#tellLinks(peer, (id) => this.#on.onEvent({ kind: 'rekeyed', id })),
      onMoved: (peer, from) => this.#handleMoved(peer, from),
      onKeysFailed: (peer, fields) =>
        this.#tellLinks(peer, (id) => this.#on.onEvent({ kind: 'note', id, message: noNewKeys, fields })),
      onGone: (peer, reason) => this.#handleGone(peer, reason),
      onRefused: (refusal: Refusal) => this.#refusals.handle(refusal),
    });
  }

  #handlePeer(peer: IpsecPeer): void {
    const { path } = peer;
    const settle = this.#closed ? undefined : this.#handshakes.take(path.remote.address);
    if (settle === undefined) {
      this.#stats.handshakesFull++;
      this.#ipsec.closePeer(peer, { cause: 'refused', detail: 'too many handshakes at a time' });
      return;
    }
    const { nextId, onEvent } = this.#on;
    const id = nextId();
    this.#peers.set(peer, { id, settle, calls: new Set(), called: false, waiting: undefined, refusal: undefined });
    onEvent({ kind: 'attempt', id, path });
    this.#wait(peer, 'the peer made no call over L2TP');
  }

  /** Its last call is over. Where there are too many peers, who waits longest is let go. */
  #handleIdle(peer: IpsecPeer): void {
    if (this.#closed || !this.#peers.has(peer)) return;
    this.#idle.add(peer);
    this.#wait(peer, noOtherCall.detail);
    for (const oldest of this.#idle) {
      if (this.#peers.size <= this.#maxLinks) return;
      this.#ipsec.closePeer(oldest, noOtherCall);
    }
  }

  /** A peer is without a call. */
  #wait(peer: IpsecPeer, detail: string): void {
    const known = this.#peers.get(peer);
    if (known === undefined) return;
    clearTimeout(known.waiting);
    const millis = WINDOWS_WITHOUT_CALL * handshakeWindowOf(this.#at);
    known.waiting = setTimeout(() => this.#ipsec.closePeer(peer, { cause: 'idle', detail }), millis);
  }

  get #maxLinks(): number {
    return this.#at.maxLinks ?? DEFAULT_MAX_LINKS;
  }

  #createCall(session: Session, carrier: Carrier, facts: PeerFacts): Call | undefined {
    const known = this.#peers.get(carrier.peer);
    if (known === undefined || this.#closed) return undefined;
    const { path } = carrier.peer;
    const isFull = this.#calls.size >= this.#maxLinks;
    const settle = known.called ? this.#handshakes.take(path.remote.address) : known.settle;
    if (isFull || settle === undefined) {
      if (isFull) this.#stats.linksFull++;
      else this.#stats.handshakesFull++;
      settle?.();
      return undefined;
    }
    clearTimeout(known.waiting);
    this.#idle.delete(carrier.peer);
    const { admission, auth, nextId, onEvent, onLink, scratch } = this.#on;
    const id = known.called ? nextId() : known.id;
    if (known.called) onEvent({ kind: 'attempt', id, path });
    known.called = true;
    const call = new ServerCall({
      id,
      session,
      carrier,
      facts,
      settings: this.#at,
      auth,
      scratch,
      admission,
      onEvent,
      onLink: (link) => {
        settle();
        onLink(link);
      },
      hangUp: (reason) => this.#calls.hangUp(session, reason),
      onFault: (error) => this.#faults.tell('a call', error),
      onOver: (over) => {
        settle();
        known.calls.delete(over);
      },
    });
    known.calls.add(call);
    return call.call;
  }

  #handleMoved(peer: IpsecPeer, from: UdpPath): void {
    this.#tellLinks(peer, (id) => this.#on.onEvent({ kind: 'roamed', id, from, to: peer.path }));
  }

  /** Of links that are up; they are where their peer is. */
  #tellLinks(peer: IpsecPeer, tell: (id: number) => void): void {
    for (const { id, call } of this.#peers.get(peer)?.calls ?? []) {
      if (call.link === undefined) continue;
      call.link.move(peer.path);
      tell(id);
    }
  }

  #handleGone(peer: IpsecPeer, reason: CloseReason): void {
    this.#calls.handleGone(peer, reason);
    this.#forget(peer, reason);
  }

  #forget(peer: IpsecPeer, reason: CloseReason): void {
    const known = this.#peers.get(peer);
    if (known === undefined) return;
    this.#peers.delete(peer);
    this.#idle.delete(peer);
    clearTimeout(known.waiting);
    known.settle();
    if (known.called) return;
    const { id, refusal } = known;
    const { path } = peer;
    const { onEvent } = this.#on;
    if (refusal === undefined) onEvent({ kind: 'failed', id, path, reason });
    else onEvent({ kind: 'refused', id, path, reason: refusal.detail });
  }

  #release(): void {
    for (const ports of this.#ports) ports.close();
    this.#secrets.close();
  }
}
