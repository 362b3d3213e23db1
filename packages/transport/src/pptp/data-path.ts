/**
 * One call's way between inner packets and GRE: MPPE and enhanced GRE, a batch a call; control frames of PPP among them, in order.
 *
 *   out   inner packets → MppeKey.seal → GreTunnel.wrap → the port's batch          in   the mirror of it
 */
import type { Instant, PacketBatch } from '@culvert/base';
import { createPacketBatch } from '@culvert/base';
import {
  createMppeKey,
  type MppeFraming,
  type MppeKey,
  MppeReport,
  mostSkipped,
  mppeKeyLength,
  mppeOverhead,
} from '@culvert/cipher';
import type { LinkStats } from '@culvert/core';
import { isRouterMessage, type MppeDirection, type PppTerms } from '@culvert/ppp';
import { GRE_HEADER_BYTES, GreTunnel } from '@culvert/pptp';
import type { RawIpOutbox } from '../raw-ip-port.ts';
import { countOf, FAR, isEncrypted, MppePlace } from './mppe-place.ts';
import type { PptpDialOptions, PptpListenOptions } from './options.ts';

/** Room for a router message of the session's own. */
const OWN_BYTES = 2_048;

export interface DataPathOptions {
  readonly peerCallId: number;
  readonly peerWindow: number;
  readonly settings: Pick<PptpListenOptions | PptpDialOptions, 'join' | 'mru' | 'reorderWait' | 'cipherImplementation'>;
  readonly outbox: RawIpOutbox;
  /** Scratch for what was opened; in use for the length of a call. */
  readonly inner: PacketBatch;
  /** A frame of a control protocol. Lent. */
  onControlFrame(frame: Uint8Array): void;
  /** So much was lost, or forged, that nothing can be decrypted any more. */
  onLostPlace(): void;
  /** An inner packet that is PPP's own business. Lent. */
  onRouterMessage(packet: Uint8Array): void;
  /** Inner packets. Lent. */
  onPackets(batch: PacketBatch): void;
}

export class DataPath {
  readonly tunnel: GreTunnel;
  /** Of inner packets; the session's own are not among them. */
  readonly stats: LinkStats = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, droppedIn: 0, droppedOut: 0 };
  readonly #options: DataPathOptions;
  readonly #report = new Uint32Array(MppeReport.words);
  readonly #own = createPacketBatch(1, OWN_BYTES);
  #sealing: MppeKey | undefined;
  #opening: MppeKey | undefined;
  #overhead = 0;
  /** Our direction, the peer's: a lost packet costs those behind it. */
  #sealsWithState = false;
  #opensWithState = false;
  /** Frames came that cannot be read before the peer has flushed one. */
  #waits = false;
  readonly #place = new MppePlace();
  #keyChanges = 0;
  /** Of the input under way. */
  #now = 0 as Instant;
  /** Something that decrypted came since `takeHeard`. */
  #heard = false;

  constructor(options: DataPathOptions) {
    this.#options = options;
    const { peerCallId, peerWindow, settings } = options;
    this.tunnel = new GreTunnel({
      peerCallId,
      peerWindow,
      reorderWait: settings.reorderWait,
      onFrames: (batch, first, count) => this.#handleFrames(batch, first, count),
    });
  }

  /** "native" or "portable"; undefined before there are keys. */
  get implementation(): 'native' | 'portable' | undefined {
    return this.#sealing?.implementation;
  }

  /** Bytes that an inner packet grows by, from the outer IP header (excluded) on, at the most. */
  get overhead(): number {
    return this.#overhead;
  }

  /** What gaps cost so far: the key went past so many packets that never came. */
  get keyChanges(): number {
    return this.#keyChanges;
  }

  /** GRE packets `first` to `first + count - 1` of `batch`, all of this call. Their offsets and lengths are used up. */
  handleBatch(batch: PacketBatch, first: number, count: number, now: Instant): void {
    this.#now = now;
    this.tunnel.handleBatch(batch, first, count, now);
  }

  handleTimeout(now: Instant): void {
    this.#now = now;
    this.tunnel.handleTimeout(now);
  }

  /** PPP has agreed on keys and framing. */
  secure({ addressCompression, protocolCompression }: PppTerms, send: MppeDirection, receive: MppeDirection): void {
    const framing = { acfc: addressCompression, pfc: protocolCompression, headroom: GRE_HEADER_BYTES };
    this.#overhead = mppeOverhead(framing);
    this.#sealsWithState = !send.stateless;
    this.#opensWithState = !receive.stateless;
    this.#sealing = this.#createKey(send, framing);
    this.#opening = this.#createKey(receive, framing);
    // With state the gap has to stay one, for it to be seen.
    this.#goPast(this.#place.passed - (this.#opensWithState ? 1 : 0));
  }

  /** Seals the packets of `batch`; what the port does not take is dropped and counted. */
  send(batch: PacketBatch, now: Instant): void {
    const { outbox } = this.#options;
    let first = 0;
    for (let room = this.#sealing !== undefined; room && first < batch.count; ) {
      const next = this.#seal(batch, first, now);
      // A packet that not even an empty batch takes is passed over.
      const passedOver = next === first && outbox.batch.count === 0;
      if (passedOver) this.stats.droppedOut++;
      first = passedOver ? next + 1 : next;
      if (first < batch.count) room = outbox.makeRoom();
    }
    for (; first < batch.count; first++) if ((batch.lengths[first] ?? 0) > 0) this.stats.droppedOut++;
  }

  /** An inner packet of our own. */
  sendPacket(packet: Uint8Array, now: Instant): void {
    if (packet.length > OWN_BYTES) return;
    const batch = this.#own;
    batch.arena.set(packet);
    batch.offsets[0] = 0;
    batch.lengths[0] = packet.length;
    batch.count = 1;
    const { packetsOut, bytesOut } = this.stats;
    this.send(batch, now);
    Object.assign(this.stats, { packetsOut, bytesOut });
  }

  /** A frame of a control protocol, in its place among the data. */
  sendFrame(frame: Uint8Array, now: Instant): void {
    const { outbox } = this.#options;
    const { batch } = outbox;
    if (!hasRoom(batch, frame.length) && !outbox.makeRoom()) {
      this.stats.droppedOut++;
      return;
    }
    const from = batch.count;
    batch.arena.set(frame, batch.used + GRE_HEADER_BYTES);
    batch.offsets[from] = batch.used;
    batch.lengths[from] = GRE_HEADER_BYTES + frame.length;
    batch.used += GRE_HEADER_BYTES + frame.length;
    batch.count++;
    this.#commit(from, now);
  }

  /** What the tunnel itself has to say. */
  sendAcknowledgement(): void {
    const packet = this.tunnel.pollTransmit();
    if (packet === undefined) return;
    const { outbox } = this.#options;
    const { batch } = outbox;
    if (!hasRoom(batch, packet.length) && !outbox.makeRoom()) return;
    batch.arena.set(packet, batch.used);
    batch.offsets[batch.count] = batch.used;
    batch.lengths[batch.count] = packet.length;
    batch.used += packet.length;
    batch.count++;
    outbox.commit(batch.count - 1);
  }

  /** Whether data of the peer came since the last call. */
  takeHeard(): boolean {
    const heard = this.#heard;
    this.#heard = false;
    return heard;
  }

  /** Whether, since the last call, frames came for which the peer must flush one (RFC 3078, section 7.2). */
  takeWaits(): boolean {
    const waits = this.#waits;
    this.#waits = false;
    return waits;
  }

  /** The peer cannot read what comes: the next packet to it is flushed. */
  flush(): void {
    this.#sealing?.flush();
  }

  close(): void {
    this.#sealing?.close();
    this.#opening?.close();
    this.#sealing = undefined;
    this.#opening = undefined;
  }

  #createKey({ strength, stateless, startKey }: MppeDirection, framing: MppeFraming): MppeKey {
    const { cipherImplementation: implementation } = this.#options.settings;
    return createMppeKey({
      strength,
      startKey: startKey.subarray(0, mppeKeyLength(strength)),
      framing,
      stateful: !stateless,
      ...(implementation !== undefined && { implementation }),
    });
  }

  /** Seals what fits. Returns the index of the first packet that did not. */
  #seal(batch: PacketBatch, first: number, now: Instant): number {
    const key = this.#sealing;
    if (key === undefined) return first;
    const out = this.#options.outbox.batch;
    const { skipped } = key;
    const before = skipped.malformed + skipped.oversized;
    const from = out.count;
    const next = this.#sealsWithState ? this.#sealSome(key, batch, first, now) : key.seal(batch, first, out);
    this.stats.droppedOut += skipped.malformed + skipped.oversized - before;
    if (out.count > from) this.#commitData(from, now);
    return next;
  }

  /** What the peer does not keep up with is dropped before it is sealed, as behind that it would cost all that follows. */
  #sealSome(key: MppeKey, batch: PacketBatch, first: number, now: Instant): number {
    const out = this.#options.outbox.batch;
    const { count } = batch;
    let room = this.tunnel.window.room(now);
    let at = first;
    for (; at < count; at++) {
      if (room <= 0) {
        if ((batch.lengths[at] ?? 0) === 0) continue;
        this.tunnel.stats.windowFull++;
        this.stats.droppedOut++;
        continue;
      }
      const before = out.count;
      batch.count = at + 1;
      if (key.seal(batch, at, out) === at) break;
      room -= out.count - before;
    }
    batch.count = count;
    return at;
  }

  #commitData(from: number, now: Instant): void {
    const out = this.#options.outbox.batch;
    const sealed = out.count;
    if (!this.#sealsWithState) this.tunnel.limit(out, from, now);
    this.stats.droppedOut += sealed - out.count;
    this.stats.packetsOut += out.count - from;
    for (let slot = from; slot < out.count; slot++) this.stats.bytesOut += (out.lengths[slot] ?? 0) - this.#overhead;
    if (out.count > from) this.#commit(from, now);
  }

  #commit(from: number, now: Instant): void {
    const { outbox } = this.#options;
    this.tunnel.wrap(outbox.batch, from, now);
    outbox.commit(from);
  }

  /** Data in runs to MPPE, control frames one by one to PPP, all in their order. Slots of length 0 are none. */
  #handleFrames(batch: PacketBatch, first: number, count: number): void {
    const { arena, offsets, lengths } = batch;
    const end = first + count;
    const lost = this.#place.lostSince(this.tunnel.stats.lost);
    if (lost >= FAR) this.#catchUp(batch, first, end, lost);
    let run = first;
    for (let slot = first; slot < end; slot++) {
      const [at = 0, length = 0] = [offsets[slot], lengths[slot]];
      if (isEncrypted(arena, at, length)) continue;
      this.#open(batch, run, slot);
      run = slot + 1;
      if (length > 0) this.#options.onControlFrame(arena.subarray(at, at + length));
    }
    this.#open(batch, run, end);
  }

  /** Counts of MPPE have 12 bits, sequence numbers of GRE 32: after a long gap these tell how far the key has to go. */
  #catchUp({ arena, offsets, lengths }: PacketBatch, first: number, end: number, lost: number): void {
    for (let slot = first; slot < end; slot++) {
      const [at = 0, length = 0] = [offsets[slot], lengths[slot]];
      if (!isEncrypted(arena, at, length)) continue;
      const ahead = this.#place.aheadOf(countOf(arena, at), lost);
      // With state the gap has to stay one, for it to be seen.
      const before = this.#opensWithState ? ahead - 2 : ahead - 1;
      this.#goPast(before);
      return;
    }
  }

  /** The key goes past so many packets, as far as the link may spend that. */
  #goPast(packets: number): void {
    if (this.#opening === undefined || packets <= 0) return;
    if (!this.#place.spend(packets, this.#now)) {
      this.#loseKey();
      return;
    }
    this.#keyChanges += packets;
    for (let left = packets; left > 0; left -= mostSkipped) this.#opening.skip(Math.min(left, mostSkipped));
  }

  /** Nothing more is decrypted. */
  #loseKey(): void {
    this.#opening?.close();
    this.#opening = undefined;
    this.#options.onLostPlace();
  }

  #open(batch: PacketBatch, first: number, end: number): void {
    const { inner, settings } = this.#options;
    for (let at = first; at < end; ) {
      if (this.#opening === undefined) {
        this.#pass(batch, at, end);
        return;
      }
      inner.count = 0;
      inner.used = 0;
      // With state one by one: where the key stands is then where the last one was that could be read.
      const most = this.#opensWithState ? 1 : end - at;
      const next = this.#opening.openTrain(batch, at, most, inner, this.#report, settings.join ?? 0);
      const accepted = this.#report[MppeReport.accepted] ?? 0;
      const waiting = this.#report[MppeReport.waiting] ?? 0;
      this.#waits ||= waiting > 0;
      // A frame that not even an empty batch takes is passed over.
      const taken = Math.max(1, next - at);
      this.stats.droppedIn += taken - accepted;
      at += taken;
      if (accepted > 0) {
        this.#place.reached(countOf(batch.arena, batch.offsets[at - 1] ?? 0), accepted);
        this.#give(inner);
      } else if (this.#place.missed(taken - waiting, this.#now)) this.#loseKey();
    }
  }

  /** There is no key yet, or no longer. */
  #pass({ arena, offsets }: PacketBatch, first: number, end: number): void {
    this.stats.droppedIn += end - first;
    for (let at = first; at < end; at++) this.#place.pass(countOf(arena, offsets[at] ?? 0));
  }

  #give(inner: PacketBatch): void {
    this.#heard = true;
    let packets = this.#report[MppeReport.packets] ?? 0;
    this.stats.bytesIn += this.#report[MppeReport.bytes] ?? 0;
    for (let slot = 0; slot < inner.count; slot++) {
      const [at = 0, length = 0] = [inner.offsets[slot], inner.lengths[slot]];
      if (!isRouterMessage(inner.arena, at, length)) continue;
      this.#options.onRouterMessage(inner.arena.subarray(at, at + length));
      inner.lengths[slot] = 0;
      packets--;
      this.stats.bytesIn -= length;
    }
    this.stats.packetsIn += packets;
    if (packets > 0) this.#options.onPackets(inner);
  }
}

function hasRoom(batch: PacketBatch, length: number): boolean {
  return batch.count < batch.offsets.length && batch.arena.length - batch.used >= GRE_HEADER_BYTES + length;
}
