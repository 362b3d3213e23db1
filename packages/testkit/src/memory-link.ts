/** One end of a link in memory: packets are copied to the other end at the end of the turn, through a bounded queue. */
import type { CloseReason, Endpoint, Instant, Millis, PacketBatch, Path } from '@culvert/base';
import type { Admitted, Link, LinkConfig, LinkStats, Principal, TransportEvent } from '@culvert/core';
import { batchOf, packetsOf } from './compliance/packets.ts';
import type { MemoryNetwork } from './memory-transport.ts';

/** Packets that wait for the end of the turn; more are dropped and counted. */
const QUEUE_PACKETS = 1_024;

interface PairOptions {
  readonly id: number;
  /** As the listening end sees it. */
  readonly path: Path;
  readonly admitted: Admitted;
  readonly network: MemoryNetwork;
  readonly rekeyAfter: Millis | undefined;
  /** The listening end's and the dialling end's. */
  readonly onEvents: readonly [(event: TransportEvent) => void, (event: TransportEvent) => void];
}

/** The two ends of a new link: the listening one and the dialling one. */
export function pairLinks(options: PairOptions): [MemoryLink, MemoryLink] {
  const { path } = options;
  const ours = new MemoryLink(options, true, path, options.onEvents[0]);
  const back = { ...path, local: path.remote, remote: path.local };
  const theirs = new MemoryLink(options, false, back, options.onEvents[1]);
  ours.peer = theirs;
  theirs.peer = ours;
  return [ours, theirs];
}

export class MemoryLink implements Link {
  readonly id: number;
  readonly transport = 'memory';
  readonly principal: Principal;
  readonly since = performance.now() as Instant;
  readonly facts = { cipher: 'none' };
  readonly closed: Promise<CloseReason>;
  readonly stats: LinkStats = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, droppedIn: 0, droppedOut: 0 };
  /** The listening end of the pair. */
  readonly listening: boolean;
  /** Set by `pairLinks`. */
  peer: MemoryLink = this;
  /** Where this end's peer will be seen next. */
  roamed: Endpoint | undefined;
  config: LinkConfig;
  path: Path;

  readonly #network: MemoryNetwork;
  readonly #onEvent: (event: TransportEvent) => void;
  readonly #resolveClosed: (why: CloseReason) => void;
  readonly #rekey: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;
  #sink: ((batch: PacketBatch) => void) | undefined;
  #queue: Uint8Array[] = [];
  #ended = false;

  constructor(options: PairOptions, listening: boolean, path: Path, onEvent: (event: TransportEvent) => void) {
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.id = options.id;
    this.principal = options.admitted.principal;
    this.config = options.admitted.config;
    this.listening = listening;
    this.path = path;
    this.#network = options.network;
    this.#onEvent = onEvent;
    const { rekeyAfter } = options;
    if (rekeyAfter !== undefined) {
      this.#rekey = setInterval(() => onEvent({ kind: 'rekeyed', id: this.id }), rekeyAfter);
    }
    options.network.links.add(this);
  }

  send(batch: PacketBatch): void {
    if (this.#ended) return;
    for (const packet of packetsOf(batch)) {
      if (packet.length > this.config.mtu || this.#queue.length >= QUEUE_PACKETS) {
        this.stats.droppedOut++;
        continue;
      }
      if (this.#queue.length === 0) setImmediate(() => this.#flush());
      this.#queue.push(packet);
      this.stats.packetsOut++;
      this.stats.bytesOut += packet.length;
    }
  }

  onPackets(sink: (batch: PacketBatch) => void): void {
    this.#sink = sink;
  }

  update(config: LinkConfig): void {
    this.config = config;
    this.peer.config = config;
  }

  close(why: CloseReason): Promise<void> {
    const { peer } = this;
    if (!this.#ended && !this.#network.cut) {
      setImmediate(() => peer.#end({ cause: 'peer', detail: `the peer said goodbye: ${why.detail}` }));
    }
    this.#end(why);
    return this.closed.then(() => undefined);
  }

  /** The wire is cut: this end gives up after its keepalive's timeout. */
  handleSilence(): void {
    const detail = `nothing was heard for ${this.config.keepalive.timeout} ms`;
    this.#silence ??= setTimeout(() => this.#end({ cause: 'lost', detail }), this.config.keepalive.timeout);
  }

  handleVoice(): void {
    clearTimeout(this.#silence);
    this.#silence = undefined;
  }

  #flush(): void {
    const packets = this.#queue;
    this.#queue = [];
    if (!this.#network.cut && !this.peer.#ended) this.peer.#receive(packets);
  }

  #receive(packets: readonly Uint8Array[]): void {
    if (this.roamed !== undefined) {
      const from = this.path;
      this.path = { ...from, remote: this.roamed };
      this.roamed = undefined;
      this.#onEvent({ kind: 'roamed', id: this.id, from, to: this.path });
    }
    this.stats.packetsIn += packets.length;
    for (const packet of packets) this.stats.bytesIn += packet.length;
    this.#sink?.(batchOf(packets));
  }

  #end(why: CloseReason): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#silence);
    clearInterval(this.#rekey);
    this.#network.links.delete(this);
    this.#resolveClosed(why);
  }
}
