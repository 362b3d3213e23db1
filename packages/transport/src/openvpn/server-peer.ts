/**
 * One client of the gateway: from the first packet that proved its return path, through admission, to the link and its end.
 */
import type { CloseReason, Instant, MonotonicClock, PacketBatch, Path, Transmit } from '@culvert/base';
import {
  type Admission,
  type Admitted,
  type Challenge,
  type Claim,
  type Link,
  type Refused,
  ShareUse,
  type TransportEvent,
} from '@culvert/core';
import { OpenvpnError, type ServerSession, type SessionEvent } from '@culvert/openvpn';
import type { Outbox } from '../outbox.ts';
import { OpenvpnLink } from './link.ts';
import { overheadOf } from './overhead.ts';
import { Peer } from './peer.ts';

export interface ServerPeerOptions {
  /** Names the try and later the link, in events and logs. */
  readonly id: number;
  readonly peerId: number;
  readonly session: ServerSession;
  readonly protocol: 'udp' | 'tcp';
  readonly outbox: Outbox;
  readonly clock: MonotonicClock;
  readonly inner: PacketBatch;
  readonly admission: Admission;
  send(transmit: Transmit): void;
  onLink(link: Link): void;
  onEvent(event: TransportEvent): void;
  /** A mistake of our own, which ends the peer. */
  onFault(error: unknown): void;
  /** Once, when nothing of the peer is left. */
  onOver(peer: ServerPeer): void;
}

/** A peer that hops between two ports with every packet is told about no more often than this. */
const ROAM_TOLD_MILLIS = 1_000;

type ClaimEvent = Extract<SessionEvent, { kind: 'claim' }>;

export class ServerPeer {
  readonly id: number;
  readonly peerId: number;
  readonly peer: Peer;
  /** What came from it of late. */
  readonly inbound = new ShareUse();
  /** Resolves when nothing of the peer is left. */
  readonly done: Promise<void>;
  readonly #options: ServerPeerOptions;
  readonly #resolveDone: () => void;
  /** Of the question to admission that has no answer yet. */
  #asking: AbortController | undefined;
  #admitted: Admitted | undefined;
  #refusal: string | undefined;
  #toldRoam: Instant | undefined;

  constructor(options: ServerPeerOptions) {
    this.#options = options;
    this.id = options.id;
    this.peerId = options.peerId;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolveDone = resolve;
    this.peer = new Peer({
      session: options.session,
      clock: options.clock,
      inner: options.inner,
      send: (transmit) => options.send(transmit),
      onEvent: (event) => this.#handle(event),
      onFault: (error) => options.onFault(error),
      onOver: (reason) => this.#over(reason),
    });
  }

  get up(): boolean {
    return this.peer.link !== undefined;
  }

  get path(): Path {
    return this.#options.session.path;
  }

  roam(to: Path, now: Instant): void {
    const from = this.path;
    this.#options.session.handleRoam(to, now);
    if (this.#toldRoam === undefined || now >= this.#toldRoam + ROAM_TOLD_MILLIS) {
      this.#toldRoam = now;
      this.#options.onEvent({ kind: 'roamed', id: this.id, from, to });
    }
    this.peer.drain(now);
  }

  #handle(event: SessionEvent): void {
    const { id, session, onEvent } = this.#options;
    switch (event.kind) {
      case 'claim':
        this.#decide(event).catch((error: unknown) => this.peer.fail(error));
        return;
      case 'up':
        this.#up(event.peerId);
        return;
      case 'rekeyed':
        onEvent({ kind: 'rekeyed', id });
        return;
      case 'note':
        onEvent({ kind: 'note', id, message: event.message, fields: event.fields });
        return;
      case 'config':
      case 'closed':
        throw new Error(`a server session tells no ${event.kind} here (${session.path.remote.address})`);
    }
  }

  async #decide(event: ClaimEvent): Promise<void> {
    const answer = await this.#ask(event);
    const { session, clock } = this.#options;
    if (this.peer.over) {
      if (event.initial && answer.kind === 'admitted') {
        answer.release({ cause: 'lost', detail: 'the peer was gone before it was admitted' });
      }
      return;
    }
    const now = clock.now();
    if (answer.kind === 'admitted') {
      if (event.initial) {
        this.#admitted = answer;
        this.#admit(answer, now);
      } else session.reauthenticated(true, '', now);
    } else {
      const { reason, tell } = refusalOf(answer);
      this.#refusal = reason;
      if (event.initial) session.refuse(tell, now);
      else session.reauthenticated(false, tell, now);
    }
    this.peer.drain(now);
  }

  /** A configuration that cannot be pushed is the operator's mistake: the peer is refused, the gateway goes on. */
  #admit({ config }: Admitted, now: Instant): void {
    try {
      this.#options.session.admit(config, now);
    } catch (error) {
      if (!(error instanceof OpenvpnError)) throw error;
      this.#refusal = error.message;
      this.#options.session.refuse('the gateway is not configured right', now);
    }
  }

  async #ask(event: ClaimEvent): Promise<Admitted | Challenge | Refused> {
    const { admission } = this.#options;
    const claim: Claim = {
      transport: 'openvpn',
      remote: this.path.remote,
      certificate: event.certificate,
      password: event.username === undefined ? undefined : { username: event.username, password: event.password ?? '' },
      peerInfo: event.peerInfo,
    };
    const asking = new AbortController();
    this.#asking = asking;
    try {
      const link = this.peer.link;
      return link === undefined
        ? await admission.admit(claim, asking.signal)
        : await admission.reauthenticate(link, claim, asking.signal);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { kind: 'refused', reason: `admission failed: ${why}`, tell: 'the gateway cannot decide now, try again' };
    } finally {
      if (this.#asking === asking) this.#asking = undefined;
    }
  }

  #up(peerId: number | undefined): void {
    const { id, session, outbox, clock, onLink } = this.#options;
    if (this.#admitted === undefined) throw new Error('a session came up without admission');
    const link = new OpenvpnLink({
      id,
      principal: this.#admitted.principal,
      config: this.#admitted.config,
      session,
      outbox,
      clock,
      path: () => session.path,
      close: (why) => this.peer.close(why),
      onFault: (error) => this.peer.fail(error),
      overhead: overheadOf(peerId),
    });
    this.peer.link = link;
    onLink(link);
  }

  #over(reason: CloseReason): void {
    this.#asking?.abort();
    try {
      this.#tellEnd(reason);
    } finally {
      // Whoever is told may fail: what the peer held is given back all the same.
      this.#options.onOver(this);
      this.#resolveDone();
    }
  }

  #tellEnd(reason: CloseReason): void {
    const { id, onEvent } = this.#options;
    const admitted = this.#admitted;
    this.#admitted = undefined;
    try {
      if (this.peer.link !== undefined) return;
      if (this.#refusal === undefined) onEvent({ kind: 'failed', id, path: this.path, reason });
      else onEvent({ kind: 'refused', id, path: this.path, reason: this.#refusal });
    } finally {
      admitted?.release(reason);
    }
  }
}

function refusalOf(answer: Challenge | Refused): { readonly reason: string; readonly tell: string } {
  if (answer.kind === 'refused') return answer;
  return {
    reason: `admission wants an answer to ${JSON.stringify(answer.text)}`,
    tell: 'a challenge is not supported',
  };
}
