/**
 * One call's way between inner packets and GRE: MPPE and enhanced GRE, a batch a call; control frames of PPP among them, in order.
 *
 *   out   inner packets → MppeKey.seal → GreTunnel.wrap → the port's batch          in   the mirror of it
 */
import type { CloseReason, Instant, PacketBatch } from '@culvert/base';
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
import type { GreOutbox } from './gre-port.ts';
import type { PptpDialOptions, PptpListenOptions } from './options.ts';

/** Room for a router message of the session's own. */
const OWN_BYTES = 2_048;

/** Coherency counts of MPPE (RFC 3078, section 3). */
const COUNTS = 4_096;
/** After so many lost packets the counts no longer tell where the key is: it takes what is further ahead than half of them for old. */
const FAR = COUNTS / 2 - 1;
/** Key changes for one gap: a tenth of a second's work. What lost more has lost its place. */
const MOST_LOST = 200_000;
/** Frames in a row that cannot be decrypted: no gap has so many. */
const MOST_MISSED = 2 * COUNTS;

export interface DataPathOptions {
  readonly peerCallId: number;
  readonly peerWindow: number;
  readonly settings: Pick<PptpListenOptions | PptpDialOptions, 'join' | 'mru' | 'reorderWait' | 'cipherImplementation'>;
  readonly outbox: GreOutbox;
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
  readonly #place = new MppePlace();
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

  /** PPP has agreed on keys and framing. */
  secure({ addressCompression, protocolCompression }: PppTerms, send: MppeDirection, receive: MppeDirection): void {
    const framing = { acfc: addressCompression, pfc: protocolCompression, headroom: GRE_HEADER_BYTES };
    this.#overhead = mppeOverhead(framing);
    this.#sealing = this.#createKey(send, framing);
    this.#opening = this.#createKey(receive, framing);
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

  close(): void {
    this.#sealing?.close();
    this.#opening?.close();
    this.#sealing = undefined;
    this.#opening = undefined;
  }

  #createKey({ strength, startKey }: MppeDirection, framing: MppeFraming): MppeKey {
    const { cipherImplementation: implementation } = this.#options.settings;
    return createMppeKey({
      strength,
      startKey: startKey.subarray(0, mppeKeyLength(strength)),
      framing,
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
    const next = key.seal(batch, first, out);
    this.stats.droppedOut += skipped.malformed + skipped.oversized - before;
    if (out.count > from) this.#commitData(from, now);
    return next;
  }

  #commitData(from: number, now: Instant): void {
    const out = this.#options.outbox.batch;
    const sealed = out.count;
    this.tunnel.limit(out, from, now);
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
      for (let left = Math.min(ahead - 1, MOST_LOST); left > 0; left -= mostSkipped) {
        this.#opening?.skip(Math.min(left, mostSkipped));
      }
      return;
    }
  }

  #open(batch: PacketBatch, first: number, end: number): void {
    const { inner, settings } = this.#options;
    for (let at = first; at < end; ) {
      if (this.#opening === undefined) {
        this.stats.droppedIn += end - at;
        return;
      }
      inner.count = 0;
      inner.used = 0;
      const next = this.#opening.openTrain(batch, at, end - at, inner, this.#report, settings.join ?? 0);
      const accepted = this.#report[MppeReport.accepted] ?? 0;
      // A frame that not even an empty batch takes is passed over.
      const taken = Math.max(1, next - at);
      this.stats.droppedIn += taken - accepted;
      at += taken;
      if (accepted > 0) this.#place.reached(countOf(batch.arena, batch.offsets[at - 1] ?? 0));
      else if (this.#place.missed(taken)) this.#options.onLostPlace();
      if (accepted > 0) this.#give(inner);
    }
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

/** Where the peer's encryption is by the frames that came. */
class MppePlace {
  #count = COUNTS - 1;
  #lost = 0;
  #missed = 0;

  /** What the tunnel lost since the last call. */
  lostSince(lost: number): number {
    const more = lost - this.#lost;
    this.#lost = lost;
    return more;
  }

  /** Frames up to `count` could be decrypted. */
  reached(count: number): void {
    this.#count = count;
    this.#missed = 0;
  }

  /** So many more could not. True: that is too many in a row. */
  missed(frames: number): boolean {
    const before = this.#missed;
    this.#missed += frames;
    return before < MOST_MISSED && this.#missed >= MOST_MISSED;
  }

  /** How far ahead of the last count `count` is, when `lost` packets are missing, most of them encrypted. */
  aheadOf(count: number, lost: number): number {
    const ahead = (count - this.#count + COUNTS) % COUNTS;
    return ahead + COUNTS * Math.max(0, Math.floor((lost + 1 - ahead) / COUNTS));
  }
}

/** Why there is no data path with these terms; undefined: there is one. Both directions are encrypted, and without state. */
export function flawOf({ mppe }: PppTerms): CloseReason | undefined {
  if (mppe.send?.stateless === true && mppe.receive?.stateless === true) return undefined;
  return { cause: 'protocol', detail: 'the peers did not agree on stateless encryption (MPPE) both ways' };
}

/** Whether the frame's protocol is 0x00fd, in any of its forms. */
function isEncrypted(arena: Uint8Array, at: number, length: number): boolean {
  const front = length >= 2 && arena[at] === 0xff && arena[at + 1] === 0x03 ? 2 : 0;
  if (length < front + 2) return false;
  return arena[at + front] === 0xfd || (arena[at + front] === 0 && arena[at + front + 1] === 0xfd);
}

/** The coherency count of an encrypted frame (RFC 3078, section 3). */
function countOf(arena: Uint8Array, at: number): number {
  let place = arena[at] === 0xff && arena[at + 1] === 0x03 ? at + 2 : at;
  if (arena[place] === 0) place++;
  return (((arena[place + 1] ?? 0) << 8) | (arena[place + 2] ?? 0)) % COUNTS;
}

function hasRoom(batch: PacketBatch, length: number): boolean {
  return batch.count < batch.offsets.length && batch.arena.length - batch.used >= GRE_HEADER_BYTES + length;
}
