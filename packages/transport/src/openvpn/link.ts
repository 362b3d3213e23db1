/** One OpenVPN peer that is up, as the core sees it. */
import type { CloseReason, Instant, MonotonicClock, PacketBatch, Path } from '@culvert/base';
import type { Link, LinkConfig, LinkStats, Principal } from '@culvert/core';
import type { Outbox } from '../outbox.ts';
import { UdpPath } from '../udp-port.ts';

/** The part of a session that carries packets. */
export interface DataSession {
  seal(src: PacketBatch, first: number, dst: PacketBatch, now: Instant): number;
  readonly facts: Readonly<Record<string, string>>;
  /** Packets that could not be sent are counted in `droppedOut`. */
  readonly stats: { readonly droppedOut: number };
}

export interface LinkOptions {
  readonly id: number;
  readonly principal: Principal;
  readonly config: LinkConfig;
  readonly session: DataSession;
  readonly outbox: Outbox;
  readonly clock: MonotonicClock;
  readonly path: () => Path;
  /** Counters of the socket, where the link has one of its own. */
  readonly wire?: (() => Readonly<Record<string, number>>) | undefined;
  readonly close: (why: CloseReason) => void;
  /** A mistake of our own while packets were sealed, which ends the link. */
  readonly onFault: (error: unknown) => void;
  /** Bytes that sealing adds to a packet. */
  readonly overhead: number;
}

/** Of the outer packet: IP and UDP. */
const HEADERS = { 4: 28, 6: 48 } as const;

export class OpenvpnLink implements Link {
  readonly id: number;
  readonly transport = 'openvpn';
  readonly principal: Principal;
  readonly since: Instant;
  readonly stats: LinkStats = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, droppedIn: 0, droppedOut: 0 };
  readonly closed: Promise<CloseReason>;
  readonly #options: LinkOptions;
  readonly #resolveClosed: (why: CloseReason) => void;
  #config: LinkConfig;
  #sink: ((batch: PacketBatch) => void) | undefined;
  #over = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.id = options.id;
    this.principal = options.principal;
    this.#config = options.config;
    this.since = options.clock.now();
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  get config(): LinkConfig {
    return this.#config;
  }

  get path(): Path {
    return this.#options.path();
  }

  get unfragmented(): number | undefined {
    const { path } = this;
    if (!(path instanceof UdpPath)) return undefined;
    return path.outerMtu - HEADERS[path.port.socket.family] - this.#options.overhead;
  }

  get facts(): Readonly<Record<string, string>> {
    return this.#options.session.facts;
  }

  get wire(): Readonly<Record<string, number>> | undefined {
    return this.#options.wire?.();
  }

  send(batch: PacketBatch): void {
    if (this.#over) return;
    try {
      this.#send(batch);
    } catch (error) {
      this.stats.droppedOut += batch.count;
      this.#options.onFault(error);
    }
  }

  onPackets(sink: (batch: PacketBatch) => void): void {
    this.#sink = sink;
  }

  /** What the next rekey or reconnect tells the peer; a live OpenVPN peer cannot be told before. */
  update(config: LinkConfig): void {
    this.#config = config;
  }

  close(why: CloseReason): Promise<void> {
    if (!this.#over) this.#options.close(why);
    return this.closed.then(() => undefined);
  }

  /** Inner packets from the peer, and what they stand for: a slot may be a train, and one of length 0 was absorbed by the session. Called by the driver. */
  receive(batch: PacketBatch, packets: number, bytes: number): void {
    this.stats.packetsIn += packets;
    this.stats.bytesIn += bytes;
    if (packets > 0) this.#sink?.(batch);
  }

  /** The session is gone. Called by the driver, once. */
  end(why: CloseReason): void {
    this.#over = true;
    this.#resolveClosed(why);
  }

  #send(batch: PacketBatch): void {
    const { outbox, session, clock, overhead } = this.#options;
    const droppedBefore = session.stats.droppedOut;
    const now = clock.now();
    let first = 0;
    let out = outbox.open();
    while (out !== undefined) {
      const from = out.count;
      const used = out.used;
      const next = session.seal(batch, first, out, now);
      const sealed = out.count - from;
      this.stats.packetsOut += sealed;
      this.stats.bytesOut += out.used - used - sealed * overhead;
      if (sealed > 0) outbox.commit(from);
      // A packet that not even an empty batch takes is passed over.
      const passedOver = next === first && from === 0;
      if (passedOver) this.stats.droppedOut++;
      first = passedOver ? next + 1 : next;
      if (first >= batch.count) break;
      out = outbox.makeRoom() ? outbox.open() : undefined;
    }
    this.stats.droppedOut += session.stats.droppedOut - droppedBefore;
    this.#drop(batch, first);
  }

  #drop(batch: PacketBatch, first: number): void {
    for (let i = first; i < batch.count; i++) if ((batch.lengths[i] ?? 0) > 0) this.stats.droppedOut++;
  }
}
