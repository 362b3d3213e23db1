/**
 * All tunnels of one program, of both roles: whose packets these are, limits, and the data path.
 *
 * A tunnel is known by its carrier and its id: each client behind one NAT has a carrier of its own (its SA pair), so equal ids do not
 * meet, and what comes over another carrier is nobody's. What joins no tunnel is counted and never answered.
 *
 * It reads no clock and sends nothing: call an input method, then drain the outputs until each returns undefined.
 */
import type { CloseReason, Instant, Millis, PacketBatch, RandomSource } from '@culvert/base';
import { WireError } from '@culvert/wire';
import { Crowd } from './crowd.ts';
import type { Carrier, L2tpEvent } from './event.ts';
import { type ControlPacket, DataHeader, decodeControl, kindOf } from './header.ts';
import { LacTunnel } from './lac-tunnel.ts';
import { LnsTunnel } from './lns-tunnel.ts';
import { starterOf } from './message.ts';
import { CallResult, StopResult } from './result.ts';
import type { Session } from './session.ts';
import { emptyStats } from './stats.ts';
import { freeId, type Tunnel, type TunnelContext } from './tunnel.ts';

export interface EndpointOptions {
  readonly random: RandomSource;
  readonly hostName: string;
  /** Answers SCCRQ. @default true */
  readonly answers?: boolean | undefined;
  /** For tunnel authentication: each tunnel is challenged then. Read for each new tunnel. */
  readonly secret?: Uint8Array | undefined;
  /** Data carries sequence numbers. @default false: a peer may still ask for them */
  readonly sequencing?: boolean | undefined;
  /** Silence after which we ask. Infinity: never, as Android 9 and 10 may not answer (PPP and IKE ask too). @default 60_000 */
  readonly helloInterval?: Millis | undefined;
  /** Where there are so many, one without a call makes room; else more are refused. @default 4_096 */
  readonly tunnels?: number | undefined;
  /** Tunnels of one carrier. @default 4 */
  readonly tunnelsPerCarrier?: number | undefined;
  /** Tunnels that have not come up yet; one of them makes room. @default 256 */
  readonly halfOpen?: number | undefined;
  /** Whose the carrier is: who has most tunnels of those that may make room loses its oldest. @default each is somebody's of its own */
  readonly sourceOf?: ((carrier: Carrier) => string) | undefined;
  /** @default 16 */
  readonly sessionsPerTunnel?: number | undefined;
  /** Where frames go: slots `first` to `first + count - 1` of `batch`. Lent for the call. */
  readonly onFrames: (session: Session, batch: PacketBatch, first: number, count: number) => void;
}

/** A client that begins again after so much silence is not repeating itself. */
const STALE: Millis = 10_000;

export class L2tpEndpoint {
  readonly stats = emptyStats();
  readonly #options: EndpointOptions;
  readonly #context: TunnelContext;
  readonly #carriers = new Map<Carrier, Map<number, Tunnel>>();
  readonly #owners = new Map<Session, Tunnel>();
  readonly #halfOpen = new Crowd<Tunnel>();
  /** Without a call, or just ending. */
  readonly #idle = new Crowd<Tunnel>();
  /** Those that may have something to send. */
  readonly #ready = new Set<Tunnel>();
  readonly #events: L2tpEvent[] = [];
  readonly #header = new DataHeader();
  #count = 0;
  #now = 0 as Instant;
  /** No tunnel waits for an earlier time. */
  #earliest = Number.POSITIVE_INFINITY;

  constructor(options: EndpointOptions) {
    this.#options = options;
    const { random, hostName, sessionsPerTunnel = 16, helloInterval = 60_000, sequencing = false } = options;
    const { sourceOf = (carrier: Carrier) => carrier } = options;
    const emit = (event: L2tpEvent) => this.#emit(event);
    const adopt = (session: Session, tunnel: Tunnel) => void this.#owners.set(session, tunnel);
    this.#context = {
      random,
      hostName,
      get secret() {
        return options.secret;
      },
      sessionsPerTunnel,
      helloInterval,
      sequencing,
      sourceOf,
      emit,
      adopt,
      stats: this.stats,
    };
  }

  get tunnelCount(): number {
    return this.#count;
  }

  /** Whether a tunnel of this carrier is there, one that is just ending included. */
  isUsed(carrier: Carrier): boolean {
    return this.#carriers.has(carrier);
  }

  // In: what happened.

  /** A call over this carrier, in a tunnel of ours that stands, or a new one. Undefined: a limit was reached. */
  dial(carrier: Carrier, now: Instant): Session | undefined {
    this.#now = now;
    const standing = [...(this.#carriers.get(carrier)?.values() ?? [])].find((t) => t instanceof LacTunnel && t.live);
    const tunnel = standing ?? this.#add(carrier, (id) => new LacTunnel(this.#context, carrier, id, now));
    const session = tunnel instanceof LacTunnel ? tunnel.call(now) : undefined;
    if (tunnel === undefined || session === undefined) return undefined;
    this.#touch(tunnel);
    return session;
  }

  /** Packets `first` to `first + count - 1` of `batch`, all of this carrier; those of length 0 are none. Their offsets and lengths are used up. */
  handleBatch(batch: PacketBatch, first: number, count: number, carrier: Carrier, now: Instant): void {
    this.#now = now;
    let run: Session | undefined;
    let start = first;
    for (let slot = first; slot < first + count; slot++) {
      const session = this.#handle(batch, slot, carrier, now);
      if (session === run) continue;
      this.#give(run, batch, start, slot);
      run = session;
      start = slot;
    }
    this.#give(run, batch, start, first + count);
  }

  handleTimeout(now: Instant): void {
    this.#now = now;
    this.#earliest = Number.POSITIVE_INFINITY;
    for (const tunnels of this.#carriers.values()) {
      for (const tunnel of tunnels.values()) {
        const at = tunnel.pollTimeout();
        if (at !== undefined && now >= at) tunnel.handleTimeout(now);
        this.#touch(tunnel);
      }
    }
  }

  /** Hangs up: CDN, and StopCCN where we dialled. */
  close(session: Session, reason: CloseReason, now: Instant): void {
    this.#now = now;
    const tunnel = this.#owners.get(session);
    if (tunnel === undefined) return;
    tunnel.now = now;
    tunnel.closeSession(session, CallResult.administrative, reason);
    this.#touch(tunnel);
  }

  /** Ends all: StopCCN to each peer. */
  shutdown(reason: CloseReason, now: Instant): void {
    this.#now = now;
    for (const tunnel of this.#all()) {
      tunnel.now = now;
      tunnel.close(StopResult.shutdown, reason);
      this.#touch(tunnel);
    }
  }

  /** The carrier is gone: its tunnels end without a word. */
  carrierLost(carrier: Carrier, reason: CloseReason): void {
    for (const tunnel of [...(this.#carriers.get(carrier)?.values() ?? [])]) {
      tunnel.abandon(reason);
      this.#touch(tunnel);
    }
  }

  // Out: what to do next. Drain in this order.

  pollTransmit(): { readonly datagram: Uint8Array; readonly carrier: Carrier } | undefined {
    for (const tunnel of this.#ready) {
      const datagram = tunnel.pollTransmit(this.#now);
      if (datagram !== undefined) return { datagram, carrier: tunnel.carrier };
      this.#ready.delete(tunnel);
      this.#settle(tunnel);
    }
    return undefined;
  }

  pollEvent(): L2tpEvent | undefined {
    const event = this.#events.shift();
    if (event?.kind === 'session') {
      const frames = event.session.announce(this.#now);
      if (frames.length > 0) this.#events.unshift({ kind: 'frames', session: event.session, frames });
    }
    return event;
  }

  /** When to call `handleTimeout`. Early is harmless; late costs quality, not correctness. */
  pollTimeout(): Instant | undefined {
    return this.#earliest === Number.POSITIVE_INFINITY ? undefined : (this.#earliest as Instant);
  }

  /** The session whose frame is in the slot now, if any. */
  #handle(batch: PacketBatch, slot: number, carrier: Carrier, now: Instant): Session | undefined {
    const { view, arena, offsets, lengths } = batch;
    const [at = 0, length = 0] = [offsets[slot], lengths[slot]];
    if (length === 0) return undefined;
    const kind = kindOf(view, at, length);
    if (kind === 'data') return this.#handleData(batch, slot, carrier, now);
    lengths[slot] = 0;
    if (kind === 'control') this.#handleControl(arena.slice(at, at + length), carrier, now);
    else if (kind === 'short') this.stats.malformed++;
    else if (this.stats.otherVersion++ === 0) {
      const fields = { version: view.getUint16(at) & 15 };
      this.#emit({ kind: 'note', carrier, message: 'a packet of another version than 2 of L2TP was dropped', fields });
    }
    return undefined;
  }

  #handleData(batch: PacketBatch, slot: number, carrier: Carrier, now: Instant): Session | undefined {
    const { view, arena, offsets, lengths } = batch;
    const read = this.#header.read(view, offsets[slot] ?? 0, lengths[slot] ?? 0);
    lengths[slot] = 0;
    if (!read) {
      this.stats.malformed++;
      return undefined;
    }
    const { tunnelId, sessionId, frameAt, frameLength, ns } = this.#header;
    const tunnel = this.#carriers.get(carrier)?.get(tunnelId);
    const session = tunnel?.sessions.get(sessionId);
    if (tunnel === undefined) this.stats.unknownTunnel++;
    else if (session === undefined || session.peerId === 0) this.stats.unknownSession++;
    else if (frameLength > 0 && session.accepts(ns, tunnel.role === 'lac')) {
      tunnel.lastHeard = now;
      if (!session.announced) session.hold(arena.subarray(frameAt, frameAt + frameLength), now);
      else {
        offsets[slot] = frameAt;
        lengths[slot] = frameLength;
        return session;
      }
    }
    return undefined;
  }

  #handleControl(datagram: Uint8Array, carrier: Carrier, now: Instant): void {
    let packet: ControlPacket;
    try {
      packet = decodeControl(datagram);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.stats.malformed++;
      return;
    }
    this.stats.controlIn++;
    const known = this.#carriers.get(carrier)?.get(packet.tunnelId);
    const tunnel = packet.tunnelId === 0 ? this.#begin(packet, carrier, now) : known;
    if (tunnel === undefined) {
      if (packet.tunnelId !== 0) this.stats.unknownTunnel++;
      return;
    }
    tunnel.handleControl(packet, now);
    this.#touch(tunnel);
  }

  /** The tunnel for a packet to tunnel 0: an SCCRQ, new or repeated. */
  #begin(packet: ControlPacket, carrier: Carrier, now: Instant): Tunnel | undefined {
    const peerId = this.#options.answers === false ? undefined : starterOf(packet.body, this.#options.secret);
    if (peerId === undefined) {
      this.stats.unknownTunnel++;
      return undefined;
    }
    const tunnels = [...(this.#carriers.get(carrier)?.values() ?? [])];
    const same = tunnels.find((t) => t instanceof LnsTunnel && t.live && t.peerTunnelId === peerId);
    if (same !== undefined && (same.stage !== 'up' || now - same.lastHeard < STALE)) return same;
    same?.abandon({ cause: 'replaced', detail: 'the peer began again' });
    if (same !== undefined) this.#settle(same);
    // A client that lost its memory begins anew on its old carrier: what it had there before would wait for nobody.
    for (const other of tunnels) {
      other.ask(now);
      this.#touch(other);
    }
    return this.#add(carrier, (id) => new LnsTunnel(this.#context, carrier, id, now));
  }

  #add<T extends Tunnel>(carrier: Carrier, create: (id: number) => T): T | undefined {
    const { tunnels: most = 4_096, tunnelsPerCarrier = 4, halfOpen = 256 } = this.#options;
    const tunnels = this.#carriers.get(carrier) ?? new Map<number, Tunnel>();
    const live = [...tunnels.values()].filter((t) => t.live).length;
    const full = live >= tunnelsPerCarrier || tunnels.size >= 4 * tunnelsPerCarrier;
    const hasRoom =
      !full &&
      (this.#halfOpen.size < halfOpen || this.#giveUp(this.#halfOpen.surplus)) &&
      (this.#count < most || this.#giveUp(this.#idle.surplus ?? this.#halfOpen.surplus));
    if (!hasRoom) {
      this.stats.refused++;
      return undefined;
    }
    const tunnel = create(freeId(this.#context.random, tunnels));
    tunnels.set(tunnel.localId, tunnel);
    this.#carriers.set(carrier, tunnels);
    this.#halfOpen.add(tunnel);
    this.#count++;
    return tunnel;
  }

  /** Of those that dial us and carry no call: who opens many and uses none shuts nobody out. */
  #giveUp(tunnel: Tunnel | undefined): boolean {
    if (!(tunnel instanceof LnsTunnel)) return false;
    this.stats.refused++;
    tunnel.abandon({ cause: 'refused', detail: 'it has no call, and others want its place' });
    // What it still has to say is said by nobody: it would take its place until then.
    this.#ready.delete(tunnel);
    this.#settle(tunnel);
    return true;
  }

  #give(session: Session | undefined, batch: PacketBatch, first: number, end: number): void {
    if (session !== undefined && end > first) this.#options.onFrames(session, batch, first, end - first);
  }

  #emit(event: L2tpEvent): void {
    if (event.kind === 'closed') this.#owners.delete(event.session);
    this.#events.push(event);
  }

  #all(): Tunnel[] {
    return [...this.#carriers.values()].flatMap((tunnels) => [...tunnels.values()]);
  }

  #touch(tunnel: Tunnel): void {
    this.#ready.add(tunnel);
    this.#settle(tunnel);
  }

  /** Takes note of its next deadline, or forgets it. */
  #settle(tunnel: Tunnel): void {
    const { stage } = tunnel;
    if (stage !== 'starting' && stage !== 'connecting') this.#halfOpen.delete(tunnel);
    const isIdle = stage === 'closing' || stage === 'lingering' || (stage === 'up' && tunnel.sessions.size === 0);
    if (isIdle) this.#idle.add(tunnel);
    else this.#idle.delete(tunnel);
    this.#earliest = Math.min(this.#earliest, tunnel.pollTimeout() ?? Number.POSITIVE_INFINITY);
    if (stage !== 'closed' || this.#ready.has(tunnel)) return;
    const tunnels = this.#carriers.get(tunnel.carrier);
    if (tunnels?.get(tunnel.localId) !== tunnel) return;
    tunnels.delete(tunnel.localId);
    this.#count--;
    if (tunnels.size === 0) this.#carriers.delete(tunnel.carrier);
  }
}
