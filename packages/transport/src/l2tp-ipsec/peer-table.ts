/** Whose SAs are whose: turns what IKE tells of phase 1 and of children into peers, their moves and their ends. */
import type { CloseReason, Instant, Millis, Path } from '@culvert/base';
import {
  type IkeEndpoint,
  type IkeEvent,
  type IkeFailure,
  type NoneChosen,
  phase1Name,
  type SaChain,
  type SaDatabase,
} from '@culvert/ipsec';
import type { Outbox } from '../outbox.ts';
import { UdpPath } from '../udp-port.ts';
import { identityText } from './credentials.ts';
import { IpsecPeer, type Phase1Facts } from './peer.ts';

/** What came to nothing before there was a peer. */
export interface Refusal {
  readonly path: Path;
  /** Of us in phase 1. */
  readonly role: 'initiator' | 'responder';
  readonly phase: 1 | 2;
  /** It came back to us with an answer; else it was a stranger's first message. */
  readonly begun: boolean;
  readonly code: IkeFailure;
  readonly reason: CloseReason;
  readonly offers: NoneChosen | undefined;
}

export interface PeerHandlers {
  /** It can be sent to, and is heard. */
  onPeer(peer: IpsecPeer): void;
  /** It is sent to by new keys. */
  onRekeyed(peer: IpsecPeer): void;
  onMoved(peer: IpsecPeer, from: UdpPath): void;
  /** A change of its keys came to nothing, and will be tried again. Not told of more often than people can read. */
  onKeysFailed(peer: IpsecPeer, fields: Readonly<Record<string, unknown>>): void;
  /** Nothing can be sent to it any more. */
  onGone(peer: IpsecPeer, reason: CloseReason): void;
  onRefused(refusal: Refusal): void;
  /** What we dialled is probably in vain. */
  onSuspected?(reason: string): void;
}

export interface PeerTableOptions extends PeerHandlers {
  readonly ike: Pick<IkeEndpoint, 'close' | 'closeChild'>;
  readonly sas: SaDatabase;
  /** ESP goes through this port of ours. */
  readonly natTraversal: number | undefined;
  /** Where ESP outside of UDP goes on a path. Undefined: it is not taken. */
  bareOutbox?(path: UdpPath): Outbox | undefined;
  /** So many bytes of ESP left by this child. */
  onSent(child: number, bytes: number): void;
}

/** We try again after ten seconds, a peer may do it at once. */
const TELL_EVERY: Millis = 9_000;

/** One that stands. */
interface Phase1 {
  readonly role: 'initiator' | 'responder';
  readonly facts: Phase1Facts;
  readonly path: UdpPath;
  /** A peer came of it, or why there is none was told. */
  settled: boolean;
}

export class PeerTable {
  /** Times that a phase 1 came to stand. */
  established = 0;
  readonly #options: PeerTableOptions;
  readonly #phase1 = new Map<number, Phase1>();
  readonly #peers = new Map<SaChain, IpsecPeer>();

  constructor(options: PeerTableOptions) {
    this.#options = options;
  }

  /** Of phase 1 that stands. */
  get ikeSas(): number[] {
    return [...this.#phase1.keys()];
  }

  find(chain: SaChain): IpsecPeer | undefined {
    return this.#peers.get(chain);
  }

  /** Deletes the peer's SAs, and phase 1 where nothing else needs it. */
  close(peer: IpsecPeer, reason: CloseReason): void {
    const { ike, onGone } = this.#options;
    if (this.#peers.get(peer.chain) !== peer) return;
    this.#peers.delete(peer.chain);
    for (const { child, until } of [...peer.chain.pairs]) if (until === undefined) ike.closeChild(child);
    this.#settle(peer.chain.ikeSa);
    onGone(peer, reason);
  }

  /** A chain of SAs came to its end. */
  handleEnded(chain: SaChain): void {
    const peer = this.#peers.get(chain);
    if (peer === undefined) return;
    this.#peers.delete(chain);
    this.#settle(chain.ikeSa);
    if (peer.ready) this.#options.onGone(peer, peer.reason ?? endings.peer);
  }

  handle(event: IkeEvent, now: Instant): void {
    switch (event.kind) {
      case 'established':
        this.#handleEstablished(event);
        return;
      case 'succeeded':
        this.#handleSucceeded(event.ikeSa, event.from);
        return;
      case 'suspected':
        this.#options.onSuspected?.(event.detail);
        return;
      case 'closed':
        this.#handleClosed(event);
        return;
      case 'child-created':
        this.#handleCreated(event);
        return;
      case 'child-ready':
        this.#handleReady(event.child);
        return;
      case 'child-deleted':
        this.#handleDeleted(event.child, event.by, now);
        return;
      case 'child-failed':
        this.#handleFailed(event, now);
        return;
      case 'moved':
        this.#handleMoved(event.ikeSa, pathIn(event.path));
        return;
      case 'refused':
        this.#refuse(1, { ...event, role: 'responder' });
        return;
    }
  }

  #handleEstablished(event: Extract<IkeEvent, { kind: 'established' }>): void {
    const { ikeSa, role, path, suite, identity, certificates, localBehindNat, remoteBehindNat } = event;
    const nat = localBehindNat || remoteBehindNat;
    const facts = { ike: phase1Name(suite), identity: identityText(identity, certificates[0]), nat };
    this.established++;
    this.#phase1.set(ikeSa, { role, facts, path: pathIn(path), settled: false });
  }

  /** SAs may outlive their phase 1, and belong to the next one of their peer then. */
  #handleSucceeded(ikeSa: number, from: readonly number[]): void {
    const phase1 = this.#phase1.get(ikeSa);
    if (phase1 === undefined) return;
    phase1.settled = true;
    for (const old of from) this.#options.sas.handleReplaced(old, ikeSa);
  }

  #handleClosed({ ikeSa, role, path, code, reason }: Extract<IkeEvent, { kind: 'closed' }>): void {
    const phase1 = this.#phase1.get(ikeSa);
    this.#phase1.delete(ikeSa);
    if (code === 'dead-peer') for (const peer of this.#peersOf(ikeSa)) peer.reason = reason;
    if (phase1?.settled === true || code === 'closed') return;
    const phase = phase1 === undefined ? 1 : 2;
    this.#options.onRefused({ path: pathIn(path), role, phase, begun: true, code, reason, offers: undefined });
  }

  #handleCreated({
    ikeSa,
    child,
    sa,
    path,
    peerOriginal,
    replaces,
  }: Extract<IkeEvent, { kind: 'child-created' }>): void {
    const { ike, sas, onSent } = this.#options;
    const phase1 = this.#phase1.get(ikeSa);
    if (phase1 === undefined) return;
    const bare = this.#options.bareOutbox?.(pathIn(path));
    if (!sa.udpEncapsulated && bare === undefined) {
      ike.closeChild(child);
      phase1.settled = true;
      this.#refuse(2, { path, role: phase1.role, code: 'protocol', detail: noBareEsp });
      this.#settle(ikeSa);
      return;
    }
    phase1.settled = true;
    const chain = sas.create({ ikeSa, child, sa, replaces });
    const known = this.#peers.get(chain);
    const peer = known ?? new IpsecPeer({ chain, facts: phase1.facts, path: pathIn(path), bare, onSent });
    peer.reason = undefined;
    peer.original = peerOriginal;
    this.#peers.set(chain, peer);
  }

  #handleReady(child: number): void {
    const chain = this.#options.sas.handleReady(child)?.chain;
    const peer = chain && this.#peers.get(chain);
    if (peer === undefined) return;
    if (peer.ready) this.#options.onRekeyed(peer);
    else {
      peer.ready = true;
      this.#options.onPeer(peer);
    }
  }

  #handleDeleted(child: number, by: 'peer' | 'us' | 'expiry', now: Instant): void {
    const chain = this.#options.sas.handleDeleted(child, by, now);
    const peer = chain && this.#peers.get(chain);
    if (chain !== undefined && chain.standing === 0 && peer !== undefined) peer.reason ??= endings[by];
  }

  /** Of a peer that is there it was a change of keys. */
  #handleFailed(event: Extract<IkeEvent, { kind: 'child-failed' }>, now: Instant): void {
    const { ikeSa, code, detail, offers } = event;
    const phase1 = this.#phase1.get(ikeSa);
    if (phase1 === undefined) return;
    if (!phase1.settled) {
      phase1.settled = true;
      this.#refuse(2, { ...event, ...phase1 });
      return;
    }
    for (const peer of this.#peersOf(ikeSa)) {
      if (now < peer.tellAt) continue;
      peer.tellAt = (now + TELL_EVERY) as Instant;
      const both = offers && { offered: offers.offered, accepted: offers.accepted };
      this.#options.onKeysFailed(peer, { phase: 2, code, reason: detail, ...both });
    }
  }

  #handleMoved(ikeSa: number, path: UdpPath): void {
    // Some clients change keys of phase 1 on port 500: ESP stays where it is.
    if (path.local.port !== this.#options.natTraversal) return;
    for (const peer of this.#peersOf(ikeSa)) {
      const from = peer.path;
      peer.move(path);
      this.#options.onMoved(peer, from);
    }
  }

  #peersOf(ikeSa: number): IpsecPeer[] {
    return [...this.#peers.values()].filter(({ chain }) => chain.ikeSa === ikeSa);
  }

  /** A phase 1 that nobody needs any more ends. */
  #settle(ikeSa: number): void {
    if (this.#peersOf(ikeSa).length === 0) this.#options.ike.close(ikeSa);
  }

  #refuse(
    phase: 1 | 2,
    what: Pick<Refusal, 'role'> & Pick<Extract<IkeEvent, { kind: 'refused' }>, 'path' | 'code' | 'detail' | 'offers'>,
  ): void {
    const { path, role, code, detail, offers } = what;
    const reason = { cause: causes[code] ?? 'refused', detail };
    this.#options.onRefused({ path: pathIn(path), role, phase, begun: phase === 2, code, reason, offers });
  }
}

const causes: { readonly [code in IkeFailure]?: CloseReason['cause'] } = {
  timeout: 'lost',
  protocol: 'protocol',
  busy: 'error',
};
const noBareEsp = 'ESP outside of UDP was agreed on, which cannot come here: the peer does no NAT traversal (RFC 3947)';
const endings: Readonly<Record<'peer' | 'us' | 'expiry', CloseReason>> = {
  peer: { cause: 'peer', detail: 'the peer ended its IPsec' },
  us: { cause: 'operator', detail: 'IPsec was ended' },
  expiry: { cause: 'lost', detail: 'no new keys of IPsec were made in time' },
};

/** All paths that the machine knows are the ports'. */
export function pathIn(path: unknown): UdpPath {
  if (path instanceof UdpPath) return path;
  throw new TypeError('a path of no port');
}
