/**
 * The tunnel core: moves inner packets between a device and links. A gateway's core has thousands of links, a client's one.
 *
 * Owns which link a packet is for, whether it may pass, and what is counted. Leaves sealing and sockets to the transport behind
 * `Link.send`, and routing beyond the links to the kernel behind the device.
 *
 * On the way of a packet nothing is allocated: headers are read into one object, groups are chains of indices, and batches are
 * lent. A queue is nowhere: what a link or the device does not take at once is dropped and counted. The one that forms in the device when we
 * are too slow is kept short, fairly between links (`fair-share.ts`).
 */
import type { CloseReason, Instant, Logger, PacketBatch } from '@culvert/base';
import type { AttachedLink } from './attached-link.ts';
import type { Link } from './contracts.ts';
import { createDropCounts, type DropCounts, type LinkCounters } from './counters.ts';
import type { PacketDevice } from './device.ts';
import type { ElsewhereLink } from './elsewhere.ts';
import { CoreError } from './errors.ts';
import type { FilterPolicy } from './filter-policy.ts';
import { CompiledPolicy } from './filter-rules.ts';
import { defaultFlowTimeouts, FlowClock, type FlowTimeouts } from './flow-timeouts.ts';
import { Forwarder } from './forwarder.ts';
import { FilterScratch, LinkFilter } from './link-filter.ts';
import { FlowSweeper, limitOf, limitReached } from './link-limits.ts';
import { LinkTable } from './link-table.ts';

export interface TunnelCoreOptions {
  readonly role: 'gateway' | 'client';
  /** Takes what links send. The caller reads the device and hands its packets to `handleDevicePackets`. */
  readonly device: Pick<PacketDevice, 'writeBatch'>;
  /** The time, for packets that links bring. */
  readonly now: () => Instant;
  readonly log: Logger;
  /** The device's MTU in bytes. */
  readonly mtu: number;
  /** Gateway: packets from one client to another are dropped. @default true */
  readonly clientIsolation?: boolean | undefined;
  /** @default gateway: `{ rules: [] }`, which lets clients open flows to what is pushed to them; client: no filter */
  readonly filter?: FilterPolicy | undefined;
  /** Client: destinations taken from the tunnel beside the link's own addresses. @default none */
  readonly accept?: readonly string[] | undefined;
  /** Flows remembered a link; the one nearest to its timeout makes room. @default 4096 */
  readonly flowsPerLink?: number | undefined;
  readonly flowTimeouts?: Partial<FlowTimeouts> | undefined;
}

/** A link as the core sees it, for status and metrics. */
export interface LinkView {
  readonly link: Link;
  readonly counters: Readonly<LinkCounters>;
  /** When the last packet passed, in either direction. */
  readonly lastActive: Instant;
  /** Flows in the filter's table. */
  readonly flows: number;
}

const DEFAULT_FLOWS = 4096;
/** An IP packet's. */
const LARGEST_PACKET = 65_535;

export class TunnelCore {
  /** Drops that belong to no link. */
  readonly dropped: DropCounts = createDropCounts();
  readonly #options: TunnelCoreOptions;
  readonly #table: LinkTable;
  readonly #forwarder: Forwarder;
  readonly #flowClock: FlowClock;
  readonly #scratch = new FilterScratch();
  readonly #sweeper: FlowSweeper;
  #policy: CompiledPolicy | undefined;
  #wake: Instant | undefined;

  /** Throws CoreError for a filter rule that is wrong, WireError for an `accept` that is no network. */
  constructor(options: TunnelCoreOptions) {
    this.#options = options;
    this.#table = new LinkTable(options.role === 'client' ? options.accept : []);
    this.#flowClock = new FlowClock({ ...defaultFlowTimeouts, ...options.flowTimeouts });
    this.#policy = this.#compile(options.filter);
    const now = options.now();
    this.#sweeper = new FlowSweeper(now);
    this.#forwarder = new Forwarder({
      isClient: options.role === 'client',
      isolate: options.clientIsolation ?? true,
      device: options.device,
      table: this.#table,
      dropped: this.dropped,
      epoch: now,
      log: options.log,
    });
  }

  // In: what happened.

  /**
   * Takes the link: its addresses and networks lead to it until it is closed. Throws CoreError when another link has one of them.
   * A client has one link: attaching another replaces it.
   */
  attach(link: Link): void {
    if (this.#table.get(link) !== undefined) throw new TypeError(`link ${link.id} is attached already`);
    if (this.#options.role === 'client') for (const entry of [...this.#table]) this.#detach(entry);
    const entry = this.#table.add(link, this.#options.now());
    this.#configure(entry);
    if (this.#options.role === 'client') this.#forwarder.uplink = entry;
    link.onPackets((batch) => this.#forwarder.handleLinkPackets(entry, batch, this.#options.now()));
    link.onReconfigured?.(() => this.#handleReconfigured(entry));
    const gone = () => this.#detach(entry);
    link.closed.then(gone, gone);
  }

  /** Another thread has this link: packets to its addresses and networks are handed over. Throws as `attach` does. */
  attachElsewhere(link: ElsewhereLink): void {
    const entry = this.#table.add(link, this.#options.now());
    entry.elsewhere = link;
    entry.setMtu(LARGEST_PACKET);
  }

  detachElsewhere(link: ElsewhereLink): void {
    const entry = this.#table.get(link);
    if (entry !== undefined) this.#detach(entry);
  }

  /** Reads `link.config` again after `link.update`. Throws CoreError, and changes nothing, when another link has one of its addresses. */
  refresh(link: Link): void {
    const entry = this.#table.get(link);
    if (entry === undefined) return;
    this.#table.refresh(entry);
    this.#configure(entry);
  }

  /**
   * Packets that the device gave: each goes to the link that has its destination. May patch the packets and set their length to 0.
   * `emptied` tells whether the batch left nothing waiting in the device; where something waits for long, links are held to their share.
   * Throws what went wrong with a packet (a fault of ours), when all others are with their links.
   */
  handleDevicePackets(batch: PacketBatch, now: Instant, emptied = true): void {
    this.#forwarder.handleDevicePackets(batch, now, emptied);
  }

  /** Packets that another thread handed over, for links here; their `tags` are `Handed`. May patch them and set their length to 0. */
  handleHandedOver(batch: PacketBatch, now: Instant): void {
    this.#forwarder.handleHandedOver(batch, now);
  }

  /** Takes effect at once, on known flows too. Undefined is the role's default. Throws CoreError, and changes nothing, for a rule that is wrong. */
  setFilter(policy: FilterPolicy | undefined): void {
    this.#policy = this.#compile(policy);
    for (const entry of this.#table) if (entry.elsewhere === undefined) this.#setRules(entry);
  }

  /** Closes the links here that `which` chooses. Returns how many. */
  closeLinks(which: (link: Link) => boolean, why: CloseReason): number {
    let closed = 0;
    for (const entry of [...this.#table]) {
      if (entry.closing || entry.elsewhere !== undefined || !which(entry.link)) continue;
      this.#close(entry, why);
      closed++;
    }
    return closed;
  }

  /** Ends links whose idle or session limit is reached, and forgets flows whose time is over. */
  handleTimeout(now: Instant): void {
    this.#sweeper.handleTimeout(now, this.#table, this.#forwarder.tickAt(now));
    this.#wake = undefined;
    for (const entry of [...this.#table]) {
      if (entry.closing || entry.elsewhere !== undefined) continue;
      const why = limitReached(entry, now);
      if (why === undefined) this.#wakeAt(limitOf(entry));
      else this.#close(entry, why);
    }
  }

  // Out: what to do next.

  /** When to call `handleTimeout`. Early is harmless; late lets a link live longer than its limit. */
  pollTimeout(): Instant | undefined {
    if (this.#table.size === 0) return undefined;
    const sweep = this.#sweeper.pollTimeout();
    return this.#wake === undefined || sweep < this.#wake ? sweep : this.#wake;
  }

  *links(): IterableIterator<LinkView> {
    for (const { link, counters, lastActive, filter, elsewhere } of this.#table) {
      if (elsewhere === undefined) yield { link, counters, lastActive, flows: filter?.flows.size ?? 0 };
    }
  }

  /** What the core has in its table for the link; undefined once it is gone. */
  view(link: Link): LinkView | undefined {
    const entry = this.#table.get(link);
    if (entry === undefined) return undefined;
    return { link, counters: entry.counters, lastActive: entry.lastActive, flows: entry.filter?.flows.size ?? 0 };
  }

  #compile(policy: FilterPolicy | undefined): CompiledPolicy | undefined {
    if (policy === undefined && this.#options.role === 'client') return undefined;
    return new CompiledPolicy(policy ?? { rules: [] });
  }

  #handleReconfigured(entry: AttachedLink): void {
    try {
      this.refresh(entry.link);
    } catch (error) {
      if (!(error instanceof CoreError)) throw error;
      this.#close(entry, { cause: 'error', detail: error.message });
    }
  }

  #configure(entry: AttachedLink): void {
    entry.setMtu(Math.min(entry.link.config.mtu, this.#options.mtu));
    this.#setRules(entry);
    this.#wakeAt(limitOf(entry));
  }

  #setRules(entry: AttachedLink): void {
    const { principal, config } = entry.link;
    const clientsMayMeet = this.#options.clientIsolation === false;
    const rules = this.#policy?.forLink(principal.groups, config, clientsMayMeet);
    if (rules === undefined) entry.filter = undefined;
    else if (entry.filter !== undefined) entry.filter.setRules(rules);
    else {
      const flows = this.#options.flowsPerLink ?? DEFAULT_FLOWS;
      entry.filter = new LinkFilter(rules, { flows, clock: this.#flowClock, scratch: this.#scratch });
    }
  }

  #wakeAt(limit: Instant | undefined): void {
    if (limit !== undefined && (this.#wake === undefined || limit < this.#wake)) this.#wake = limit;
  }

  #close(entry: AttachedLink, why: CloseReason): void {
    entry.closing = true;
    this.#options.log.debug('closing a link', { link: entry.link.id, cause: why.cause, detail: why.detail });
    entry.link.close(why).catch((error: unknown) => {
      this.#options.log.error('a link failed to close', { link: entry.link.id, error });
    });
  }

  #detach(entry: AttachedLink): void {
    if (this.#forwarder.uplink === entry) this.#forwarder.uplink = undefined;
    this.#table.remove(entry);
  }
}
