/**
 * L2TP over IPsec: joins an L2TP endpoint to its peers' inner ports and to an alarm, and sessions to calls.
 */
import { type CloseReason, createPacketBatch, type MonotonicClock, type PacketBatch } from '@culvert/base';
import { UDP_HEADER_BYTES } from '@culvert/ipsec';
import { L2tpEndpoint, type L2tpEvent, type PeerFacts, type Session } from '@culvert/l2tp';
import { sourceOf } from '@culvert/wire';
import { Alarm } from '../alarm.ts';
import { systemRandom } from '../clock.ts';
import { EndOfTurn } from '../end-of-turn.ts';
import { ourFault } from '../fault-log.ts';
import type { Call } from './call.ts';
import { Carrier } from './carrier.ts';
import type { L2tpIpsecDialOptions, L2tpIpsecListenOptions } from './options.ts';
import type { IpsecPeer } from './peer.ts';

const HOST_NAME = 'culvert';
/** Inner ports of one peer; its tunnels. */
const MOST_PORTS = 4;

export interface CallsOptions {
  /** UDP port of ours inside IPsec. */
  readonly port: number;
  /** Takes calls. */
  readonly answers: boolean;
  readonly halfOpen: number;
  /** Tunnels, those without a call included. */
  readonly tunnels: number;
  /** Read for each new tunnel. */
  readonly settings: Pick<L2tpIpsecListenOptions | L2tpIpsecDialOptions, 'tunnelSecret'>;
  readonly clock: MonotonicClock;
  /** Undefined: not taken. */
  createCall(session: Session, carrier: Carrier, peer: PeerFacts): Call | undefined;
  onNote(carrier: Carrier, message: string, fields: Readonly<Record<string, unknown>>): void;
  /** A tunnel of the peer was. */
  onRefused?(peer: IpsecPeer, reason: CloseReason): void;
  /** The peer's last call is over, or one that was dialled never came up. */
  onIdle(peer: IpsecPeer, reason: CloseReason): void;
  /** A mistake of our own, which cost a message or event of L2TP. */
  onFault(error: unknown): void;
}

export class Calls {
  readonly #options: CallsOptions;
  readonly #endpoint: L2tpEndpoint;
  readonly #alarm: Alarm;
  readonly #turn = new EndOfTurn(() => this.#drain());
  readonly #carriers = new Map<IpsecPeer, Map<number, Carrier>>();
  readonly #calls = new Map<Session, { readonly call: Call; readonly peer: IpsecPeer }>();
  #closed = false;
  /** Packets that no port of ours was meant by, or from too many of a peer. */
  strange = 0;

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#endpoint = new L2tpEndpoint({
      random: systemRandom,
      hostName: HOST_NAME,
      answers: options.answers,
      get secret() {
        return options.settings.tunnelSecret;
      },
      halfOpen: options.halfOpen,
      tunnels: options.tunnels,
      sourceOf: (carrier) => sourceOf(carrierIn(carrier).peer.path.remote.address),
      tunnelsPerCarrier: MOST_PORTS,
      // PPP asks, and IKE does; some Androids do not answer here.
      helloInterval: Number.POSITIVE_INFINITY,
      onFrames: (session, batch, first, count) => this.#calls.get(session)?.call.handleFrames(batch, first, count),
    });
    this.#alarm = new Alarm(options.clock, (now) => {
      this.#guard(() => this.#endpoint.handleTimeout(now));
      this.#drain();
    });
  }

  get stats(): Readonly<Record<string, number>> {
    const { malformed, unknownTunnel, unknownSession, refused, otherVersion } = this.#endpoint.stats;
    return {
      l2tpStrange: this.strange,
      l2tpMalformed: malformed + otherVersion,
      l2tpUnknown: unknownTunnel + unknownSession,
      l2tpRefused: refused,
    };
  }

  get size(): number {
    return this.#calls.size;
  }

  /** A call to that port of the peer. False: a limit was reached. */
  dial(peer: IpsecPeer, port: number): boolean {
    const carrier = this.#carrierOf(peer, port);
    const session = carrier && this.#endpoint.dial(carrier, this.#options.clock.now());
    this.#turn.ask();
    return session !== undefined;
  }

  /** UDP that came out of IPsec. Offsets and lengths are used up. */
  handlePackets(peer: IpsecPeer, batch: PacketBatch): void {
    const { view, offsets, lengths, count } = batch;
    let run: Carrier | undefined;
    let first = 0;
    for (let slot = 0; slot < count; slot++) {
      if ((lengths[slot] ?? 0) === 0) continue;
      const at = offsets[slot] ?? 0;
      const isOurs = view.getUint16(at + 2) === this.#options.port;
      const carrier = isOurs ? this.#carrierOf(peer, view.getUint16(at)) : undefined;
      if (carrier === undefined) {
        this.strange++;
        lengths[slot] = 0;
        continue;
      }
      offsets[slot] = at + UDP_HEADER_BYTES;
      lengths[slot] = (lengths[slot] ?? 0) - UDP_HEADER_BYTES;
      if (carrier === run) continue;
      this.#hand(run, batch, first, slot);
      run = carrier;
      first = slot;
    }
    this.#hand(run, batch, first, count);
    this.#turn.ask();
  }

  /** Ends the session; its call hears of it. */
  hangUp(session: Session, reason: CloseReason): void {
    this.#guard(() => this.#endpoint.close(session, reason, this.#options.clock.now()));
    this.#drain();
  }

  /** Nothing can be said to the peer any more. */
  handleGone(peer: IpsecPeer, reason: CloseReason): void {
    for (const carrier of this.#carriers.get(peer)?.values() ?? []) this.#endpoint.carrierLost(carrier, reason);
    this.#carriers.delete(peer);
    this.#drain();
  }

  /** Says goodbye to every peer, and ends. */
  close(reason: CloseReason): void {
    this.#endpoint.shutdown(reason, this.#options.clock.now());
    this.#drain();
    this.#closed = true;
    this.#alarm.cancel();
  }

  #carrierOf(peer: IpsecPeer, port: number): Carrier | undefined {
    const ports = this.#carriers.get(peer) ?? new Map<number, Carrier>();
    const known = ports.get(port);
    if (known !== undefined) return known;
    // Whoever left a port makes room for who comes from another.
    for (const [left, carrier] of ports) if (!this.#endpoint.isUsed(carrier)) ports.delete(left);
    if (ports.size >= MOST_PORTS) return undefined;
    const carrier = new Carrier(peer, { local: this.#options.port, remote: port });
    ports.set(port, carrier);
    this.#carriers.set(peer, ports);
    return carrier;
  }

  #hand(carrier: Carrier | undefined, batch: PacketBatch, first: number, end: number): void {
    if (carrier === undefined) return;
    this.#endpoint.handleBatch(batch, first, end - first, carrier, this.#options.clock.now());
  }

  #drain(): void {
    if (this.#closed) return;
    this.#transmit();
    for (let e = this.#endpoint.pollEvent(); e !== undefined; e = this.#endpoint.pollEvent()) {
      const event = e;
      this.#guard(() => this.#handle(event));
    }
    this.#transmit();
    this.#alarm.set(this.#endpoint.pollTimeout());
  }

  /** Above here is the event loop: what it is given ends the process, with the links of everybody. */
  #guard(body: () => void): void {
    try {
      body();
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  #handle(event: L2tpEvent): void {
    const { onNote, onRefused } = this.#options;
    switch (event.kind) {
      case 'session':
        this.#begin(event.session, carrierIn(event.carrier), event.peer);
        break;
      case 'frames':
        this.#handleHeld(event.session, event.frames);
        break;
      case 'closed':
        this.#end(event.session, carrierIn(event.carrier), event.reason);
        break;
      case 'refused':
        onRefused?.(carrierIn(event.carrier).peer, event.reason);
        break;
      case 'note':
        onNote(carrierIn(event.carrier), event.message, event.fields);
        break;
    }
  }

  #begin(session: Session, carrier: Carrier, facts: PeerFacts): void {
    const call = this.#create(session, carrier, facts);
    if (call === undefined) return;
    this.#calls.set(session, { call, peer: carrier.peer });
    call.start();
  }

  #create(session: Session, carrier: Carrier, facts: PeerFacts): Call | undefined {
    let why: CloseReason = { cause: 'refused', detail: 'there is no room' };
    try {
      const call = this.#options.createCall(session, carrier, facts);
      if (call !== undefined) return call;
    } catch (error) {
      this.#options.onFault(error);
      why = ourFault;
    }
    this.#endpoint.close(session, why, this.#options.clock.now());
    return undefined;
  }

  #handleHeld(session: Session, frames: readonly Uint8Array[]): void {
    const bytes = frames.reduce((sum, { length }) => sum + length, 0);
    const batch = createPacketBatch(frames.length, bytes);
    for (const frame of frames) {
      batch.arena.set(frame, batch.used);
      batch.offsets[batch.count] = batch.used;
      batch.lengths[batch.count] = frame.length;
      batch.used += frame.length;
      batch.count++;
    }
    this.#calls.get(session)?.call.handleFrames(batch, 0, batch.count);
  }

  #end(session: Session, { peer }: Carrier, reason: CloseReason): void {
    const ended = this.#calls.get(session);
    this.#calls.delete(session);
    this.#guard(() => ended?.call.handleClosed(reason));
    for (const other of this.#calls.values()) if (other.peer === peer) return;
    this.#options.onIdle(peer, reason);
  }

  #transmit(): void {
    for (let t = this.#endpoint.pollTransmit(); t !== undefined; t = this.#endpoint.pollTransmit()) {
      const { carrier, datagram } = t;
      this.#guard(() => carrierIn(carrier).sendMessage(datagram));
    }
  }
}

function carrierIn(carrier: unknown): Carrier {
  if (carrier instanceof Carrier) return carrier;
  throw new TypeError('a carrier of nobody');
}
