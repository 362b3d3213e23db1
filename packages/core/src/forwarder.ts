/** The way of a packet: between the device and links, and from link to link. */
import type { Instant, Logger, PacketBatch } from '@culvert/base';
import { PacketHeaders, Protocol } from '@culvert/wire';
import type { AttachedLink } from './attached-link.ts';
import type { DropCause, DropCounts } from './counters.ts';
import type { PacketDevice } from './device.ts';
import { type ElsewhereLink, Handed } from './elsewhere.ts';
import { FairShare } from './fair-share.ts';
import { TICK } from './flow-timeouts.ts';
import { Fragmenter } from './fragmentation.ts';
import { clamp, decrementHopLimit } from './header-edits.ts';
import { IcmpErrors, IPV6_LEAST_MTU } from './icmp-errors.ts';
import { isMartianDestination } from './inner-address-checks.ts';
import { LinkGroups } from './link-groups.ts';
import type { LinkTable } from './link-table.ts';
import type { AddressWords } from './network-words.ts';
import { finishChecksum, Train } from './train.ts';

export interface ForwarderOptions {
  readonly isClient: boolean;
  readonly isolate: boolean;
  readonly device: Pick<PacketDevice, 'writeBatch'>;
  readonly table: LinkTable;
  /** Takes the drops that belong to no link. */
  readonly dropped: DropCounts;
  /** Flows count their ticks from here. */
  readonly epoch: Instant;
  readonly log: Logger;
}

/** Chosen: a link in memory may answer within `send`, and its answer be answered; no deeper. */
const MAX_DEPTH = 4;

export class Forwarder {
  /** Client: the link that takes everything. */
  uplink: AttachedLink | undefined;
  readonly #o: ForwarderOptions;
  readonly #headers = new PacketHeaders();
  /** The packet of `#headers`, when there are several in it. */
  readonly #train = new Train();
  readonly #groups: readonly LinkGroups[] = Array.from({ length: MAX_DEPTH }, () => new LinkGroups());
  readonly #toDevice = new IcmpErrors();
  readonly #toLink = new IcmpErrors();
  readonly #fragmenter = new Fragmenter();
  readonly #share: FairShare;
  #depth = 0;
  #now: Instant;
  #tick = 0;
  #deviceFails = false;

  constructor(options: ForwarderOptions) {
    this.#o = options;
    this.#now = options.epoch;
    this.#share = new FairShare(options.epoch);
  }

  tickAt(now: Instant): number {
    return Math.floor((now - this.#o.epoch) / TICK);
  }

  handleDevicePackets(batch: PacketBatch, now: Instant, emptied: boolean): void {
    this.#share.begin(now, emptied);
    const groups = this.#enter(batch, now, this.#o.dropped);
    if (groups === undefined) return;
    this.#forAll(batch, groups, true);
  }

  handleHandedOver(batch: PacketBatch, now: Instant): void {
    this.#share.beginAside(now);
    const groups = this.#enter(batch, now, this.#o.dropped);
    if (groups === undefined) return;
    this.#forAll(batch, groups, false);
  }

  handleLinkPackets(from: AttachedLink, batch: PacketBatch, now: Instant): void {
    if (!from.attached) return;
    const groups = this.#enter(batch, now, from.counters.dropped);
    if (groups === undefined) return;
    try {
      let toDevice = 0;
      for (let i = 0; i < batch.count; i++) {
        if (batch.lengths[i] !== 0 && this.#fromLink(from, batch, i, groups)) toDevice++;
      }
      groups.send(batch);
      if (toDevice > 0) this.#writeDevice(batch, toDevice, from.counters.dropped);
    } finally {
      this.#depth--;
    }
  }

  /** A packet that a fault of our own meets is lost, and those of others are not: the fault is thrown when all is done. */
  #forAll(batch: PacketBatch, groups: LinkGroups, isFromDevice: boolean): void {
    let fault: { readonly error: unknown } | undefined;
    for (let next = 0; next < batch.count; next++) {
      try {
        for (; next < batch.count; next++) {
          if (batch.lengths[next] === 0) continue;
          if (isFromDevice) this.#fromDevice(batch, next, groups);
          else this.#fromElsewhere(batch, next, groups);
        }
      } catch (error) {
        drop(batch, next, this.#o.dropped, 'sendFailed');
        fault ??= { error };
      }
    }
    try {
      groups.send(batch);
      this.#sendErrorsToDevice();
    } finally {
      this.#depth--;
    }
    if (fault !== undefined) throw fault.error;
  }

  #enter(batch: PacketBatch, now: Instant, dropped: DropCounts): LinkGroups | undefined {
    const groups = this.#groups[this.#depth];
    if (groups === undefined) {
      dropped.sendFailed += batch.count;
      return undefined;
    }
    this.#depth++;
    this.#now = now;
    this.#tick = this.tickAt(now);
    groups.begin(batch);
    return groups;
  }

  #fromDevice(batch: PacketBatch, i: number, groups: LinkGroups): void {
    const h = this.#headers;
    const { dropped, isClient } = this.#o;
    const readable = h.read(batch.view, batch.offsets[i] as number, batch.lengths[i] as number);
    if (!readable || isMartianDestination(h)) {
      drop(batch, i, dropped, readable ? 'martian' : 'malformed');
      return;
    }
    this.#train.read(batch, batch.offsets[i] as number, h);
    const to = isClient ? this.uplink : this.#linkAtDestination();
    if (to === undefined) drop(batch, i, dropped, 'noRoute');
    else this.#fromDeviceTo(to, batch, i, groups);
  }

  #fromDeviceTo(to: AttachedLink, batch: PacketBatch, i: number, groups: LinkGroups): void {
    const h = this.#headers;
    if (to.filter !== undefined && !to.filter.passes(batch.view, h, this.#o.isClient, this.#tick)) {
      drop(batch, i, to.counters.dropped, 'filtered');
    } else if (!this.#share.admits(to.share, h.length, this.#train.segments > 1)) {
      drop(batch, i, to.counters.dropped, 'overShare');
    } else if (this.#train.segmentLength > to.mtu) this.#tooBigFromDevice(batch, i, to);
    else {
      if (this.#train.segmentLength > to.whole) this.#hintSmaller(batch, i, to);
      this.#give(batch, i, to, groups);
    }
  }

  /** What was handed over is handed no further: a link that just moved is in neither table, or in both. */
  #fromElsewhere(batch: PacketBatch, i: number, groups: LinkGroups): void {
    const h = this.#headers;
    const { dropped } = this.#o;
    const readable = h.read(batch.view, batch.offsets[i] as number, batch.lengths[i] as number);
    const to = readable ? this.#linkAtDestination() : undefined;
    if (to === undefined || to.elsewhere !== undefined) {
      drop(batch, i, dropped, readable ? 'noRoute' : 'malformed');
      return;
    }
    this.#train.read(batch, batch.offsets[i] as number, h);
    const how = batch.tags[i];
    if (how === Handed.fromDevice) {
      this.#fromDeviceTo(to, batch, i, groups);
      return;
    }
    const isAnswer = to.filter?.belongs(batch.view, h, false, this.#tick) ?? false;
    if (!isAnswer && how !== Handed.fromLink) drop(batch, i, dropped, 'filtered');
    else this.#give(batch, i, to, groups);
  }

  /** Whether the packet goes to the device; else it is with the groups, or its length is 0. */
  #fromLink(from: AttachedLink, batch: PacketBatch, i: number, groups: LinkGroups): boolean {
    const h = this.#headers;
    const { dropped } = from.counters;
    const readable = h.read(batch.view, batch.offsets[i] as number, batch.lengths[i] as number);
    const cause = readable ? this.#refusal(from, h) : 'malformed';
    if (cause !== undefined) {
      drop(batch, i, dropped, cause);
      return false;
    }
    this.#train.read(batch, batch.offsets[i] as number, h);
    const to = this.#o.isClient ? undefined : this.#linkAtDestination();
    if (to !== undefined) {
      this.#betweenLinks(from, to, batch, i, groups);
      return false;
    }
    if (from.filter !== undefined && !from.filter.passes(batch.view, h, !this.#o.isClient, this.#tick)) {
      drop(batch, i, dropped, 'filtered');
      return false;
    }
    this.#take(batch, i, from);
    return true;
  }

  #linkAtDestination(): AttachedLink | undefined {
    const h = this.#headers;
    return this.#o.table.find(h.version, h.destination0, h.destination1, h.destination2, h.destination3);
  }

  /** Why a packet of this link goes nowhere, by its addresses alone. */
  #refusal(from: AttachedLink, h: PacketHeaders): DropCause | undefined {
    const { isClient, isolate, table } = this.#o;
    if (isClient) return this.#linkAtDestination() === from ? undefined : 'notOurs';
    if (table.find(h.version, h.source0, h.source1, h.source2, h.source3) !== from) return 'spoofed';
    if (isMartianDestination(h)) return 'martian';
    const to = this.#linkAtDestination();
    if (to === undefined) return from.end(h.version)?.holdsPeer(h) ? 'noRoute' : undefined;
    if (to === from) return 'noRoute';
    return isolate ? 'isolated' : undefined;
  }

  #betweenLinks(from: AttachedLink, to: AttachedLink, batch: PacketBatch, i: number, groups: LinkGroups): void {
    const h = this.#headers;
    const { view } = batch;
    const at = batch.offsets[i] as number;
    if (to.elsewhere !== undefined) {
      this.#betweenThreads(from, to.elsewhere, batch, i);
      return;
    }
    const isAnswer = to.filter?.belongs(view, h, false, this.#tick) ?? false;
    if (!isAnswer && from.filter?.passes(view, h, true, this.#tick) === false) {
      drop(batch, i, from.counters.dropped, 'filtered');
    } else if (h.hopLimit <= 1) {
      this.#hopsOver(from, batch, i);
    } else {
      decrementHopLimit(view, at, h.version);
      if (this.#train.segmentLength > to.mtu) {
        this.#tooBigBetweenLinks(from, to, batch, i);
        return;
      }
      this.#take(batch, i, from);
      this.#give(batch, i, to, groups);
      // Last: a link may answer what it is told at once, which reads other headers.
      if (this.#train.segmentLength > to.whole) this.#hintSmaller(batch, i, to, from);
    }
  }

  /** The flows of the link that it is for are with its own core: what our link may not begin may be an answer there. */
  #betweenThreads(from: AttachedLink, to: ElsewhereLink, batch: PacketBatch, i: number): void {
    const h = this.#headers;
    const mayBegin = from.filter?.passes(batch.view, h, true, this.#tick) ?? true;
    const tooBig = this.#train.segmentLength > to.config.mtu;
    if (!mayBegin && (h.hopLimit <= 1 || tooBig)) drop(batch, i, from.counters.dropped, 'filtered');
    else if (h.hopLimit <= 1) this.#hopsOver(from, batch, i);
    else if (tooBig) this.#complainTooBig(from, to.config.mtu, batch, i);
    else {
      decrementHopLimit(batch.view, batch.offsets[i] as number, h.version);
      this.#take(batch, i, from);
      to.handOver(batch, i, mayBegin ? Handed.fromLink : Handed.answerOnly);
      batch.lengths[i] = 0;
    }
  }

  #hopsOver(from: AttachedLink, batch: PacketBatch, i: number): void {
    const gateway = this.#complaintTo(from);
    if (gateway !== undefined)
      this.#toLink.timeExceeded(batch.view, this.#headers, batch.offsets[i] as number, gateway);
    drop(batch, i, from.counters.dropped, 'ttl');
    this.#sendErrorsTo(from);
  }

  #tooBigBetweenLinks(from: AttachedLink, to: AttachedLink, batch: PacketBatch, i: number): void {
    if (this.#cut(batch, i, to.mtu)) {
      this.#take(batch, i, from);
      this.#sendFragments(batch, i, to);
      return;
    }
    this.#complainTooBig(from, to.mtu, batch, i);
  }

  #complainTooBig(from: AttachedLink, mtu: number, batch: PacketBatch, i: number): void {
    const gateway = this.#complaintTo(from);
    const at = batch.offsets[i] as number;
    if (gateway !== undefined) this.#toLink.tooBig(batch.view, this.#headers, at, mtu, gateway);
    drop(batch, i, from.counters.dropped, 'tooBig');
    this.#sendErrorsTo(from);
  }

  /** In whose name a link is told about its packet; undefined: it is told nothing now. */
  #complaintTo(from: AttachedLink): AddressWords | undefined {
    return from.mayComplain(this.#now) ? from.end(this.#headers.version)?.gateway : undefined;
  }

  /** The packet came from this link and may pass. */
  #take(batch: PacketBatch, i: number, from: AttachedLink): void {
    const h = this.#headers;
    batch.lengths[i] = h.length;
    from.lastActive = this.#now;
    from.counters.packetsIn += this.#train.segments;
    from.counters.bytesIn += this.#train.bytes;
    clamp(batch.view, h, from, this.#train.partialChecksum);
  }

  /** The packet goes to this link. */
  #give(batch: PacketBatch, i: number, to: AttachedLink, groups: LinkGroups): void {
    const h = this.#headers;
    batch.lengths[i] = h.length;
    to.lastActive = this.#now;
    to.counters.packetsOut += this.#train.segments;
    to.counters.bytesOut += this.#train.bytes;
    clamp(batch.view, h, to, this.#train.partialChecksum);
    groups.add(to, i);
  }

  #tooBigFromDevice(batch: PacketBatch, i: number, to: AttachedLink): void {
    const h = this.#headers;
    const at = batch.offsets[i] as number;
    if (this.#cut(batch, i, to.mtu)) {
      this.#sendFragments(batch, i, to);
      return;
    }
    const source = this.#complaintSource(to);
    if (source !== undefined && to.mayComplain(this.#now)) this.#toDevice.tooBig(batch.view, h, at, to.mtu, source);
    drop(batch, i, to.counters.dropped, 'tooBig');
  }

  /**
   * TCP whose segments leave in fragments outside passes, and its sender is told what would leave whole: a flow that was up before the path
   * took less, or whose SYN was not seen: a host behind the device, or the peer of the link `from`. Of UDP and others the sender is told nothing: a program that makes its datagrams so may know no smaller ones.
   */
  #hintSmaller(batch: PacketBatch, i: number, to: AttachedLink, from?: AttachedLink): void {
    const h = this.#headers;
    if (h.protocol !== Protocol.tcp || (h.version === 4 && !h.dontFragment)) return;
    const mtu = h.version === 4 ? to.whole : Math.max(to.whole, IPV6_LEAST_MTU);
    if (this.#train.segmentLength <= mtu) return;
    const source = from === undefined ? this.#complaintSource(to) : from.end(h.version)?.gateway;
    if (source === undefined || !(from ?? to).mayHint(this.#now)) return;
    const errors = from === undefined ? this.#toDevice : this.#toLink;
    errors.tooBig(batch.view, h, batch.offsets[i] as number, mtu, source);
    if (from !== undefined) this.#sendErrorsTo(from);
  }

  /**
   * In whose name the device is told about a packet for this link. The kernel takes no packet from the device whose source is an address of this
   * machine: a gateway complains in the name of the link's own address, a client in that of its gateway.
   */
  #complaintSource(to: AttachedLink): AddressWords | undefined {
    const end = to.end(this.#headers.version);
    return this.#o.isClient ? end?.gateway : end?.address;
  }

  /** Cuts a packet that allows it into fragments for `mtu`. A train of segments that are too large is not cut: its sender is told. */
  #cut(batch: PacketBatch, i: number, mtu: number): boolean {
    const h = this.#headers;
    const at = batch.offsets[i] as number;
    if (this.#train.segments > 1) return false;
    if (this.#train.partialChecksum) finishChecksum(batch.view, at, h.length);
    return this.#fragmenter.cut(batch.view, h, at, mtu);
  }

  /** The packet was cut: its fragments go to this link, each as its own packet. */
  #sendFragments(batch: PacketBatch, i: number, to: AttachedLink): void {
    batch.lengths[i] = 0;
    to.lastActive = this.#now;
    to.counters.packetsOut++;
    to.counters.bytesOut += this.#headers.length;
    to.send(this.#fragmenter.batch);
  }

  #sendErrorsTo(link: AttachedLink): void {
    if (this.#toLink.batch.count === 0) return;
    link.send(this.#toLink.batch);
    this.#toLink.clear();
  }

  #sendErrorsToDevice(): void {
    const { batch } = this.#toDevice;
    if (batch.count === 0) return;
    this.#writeDevice(batch, batch.count, this.#o.dropped);
    this.#toDevice.clear();
  }

  /** One write: what the device does not take at once is lost, as on any full wire. */
  #writeDevice(batch: PacketBatch, count: number, dropped: DropCounts): void {
    try {
      dropped.deviceFull += count - this.#o.device.writeBatch(batch);
      this.#deviceFails = false;
    } catch (error) {
      dropped.deviceFull += count;
      if (!this.#deviceFails) this.#o.log.error('the device takes no packets', { error });
      this.#deviceFails = true;
    }
  }
}

function drop(batch: PacketBatch, i: number, counts: DropCounts, cause: DropCause): void {
  batch.lengths[i] = 0;
  counts[cause]++;
}
