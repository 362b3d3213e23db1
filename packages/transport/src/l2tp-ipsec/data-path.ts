/**
 * One call's way between inner packets and ESP, a batch a call; frames of PPP's own among them.
 *
 * The straight way is one call of the cipher, which cuts trains, writes all headers and seals, or the mirror of it. Where data has
 * numbers, and until the peer's headers are known, packets go through L2TP:
 *
 *   out   inner packets → cut → PPP, L2TP, UDP headers → sealed into the port's batch          in   the mirror of it
 */
import { createPacketBatch, type PacketBatch } from '@culvert/base';
import { createTrains, type EspFraming, type Trains } from '@culvert/cipher';
import type { LinkStats } from '@culvert/core';
import { UDP_HEADER_BYTES } from '@culvert/ipsec';
import { DATA_HEADER_BYTES, type Session } from '@culvert/l2tp';
import { isRouterMessage } from '@culvert/ppp';
import { resetBatch } from '../outbox.ts';
import type { Carrier } from './carrier.ts';
import { type Framing, headerBytes, MOST_HEADER_BYTES, takePacket, writeFrameHeader } from './frames.ts';
import { headersIn, headersOut } from './headers.ts';
import type { InnerReceiver } from './peer.ts';

/** Before each inner packet, at most. */
const HEADROOM = UDP_HEADER_BYTES + DATA_HEADER_BYTES + MOST_HEADER_BYTES;
const SLOTS = 512;
/** Packets of a call that are looked at for headers which hold for the next ones: a peer writes all of its alike. */
const LOOKS = 32;
/** Room for several trains of 64 KiB, cut. */
const BYTES = 1_024 * 1_024;

/** What all calls of a thread share: each is in use for the length of a call. */
export interface Scratch {
  /** Cut trains. */
  readonly cut: PacketBatch;
  /** Packets with their headers. */
  readonly framed: PacketBatch;
  /** Joined trains. */
  readonly joined: PacketBatch;
}

export function createScratch(): Scratch {
  return {
    cut: createPacketBatch(SLOTS, BYTES),
    framed: createPacketBatch(SLOTS, BYTES + SLOTS * HEADROOM),
    joined: createPacketBatch(SLOTS, BYTES + BYTES / 2, { virtio: true }),
  };
}

export interface DataPathOptions {
  readonly session: Pick<Session, 'stage' | 'sequencing' | 'plainHeader' | 'expectedHeader' | 'wrap'>;
  readonly carrier: Carrier;
  readonly scratch: Scratch;
  readonly join: number;
  readonly implementation: 'native' | 'portable' | undefined;
  /** A frame of a control protocol. Lent. */
  onControlFrame(frame: Uint8Array): void;
  /** An inner packet that is PPP's own business. Lent. */
  onRouterMessage(packet: Uint8Array): void;
  /** Inner packets. Lent. */
  onPackets(batch: PacketBatch): void;
  /** Packets came the straight way, as if `handleFrames` had been called. */
  onReceived(): void;
  /** A mistake of our own in what packets lead to that came the straight way. */
  onFault(error: unknown): void;
}

export class DataPath {
  /** Of inner packets; PPP's own are not among them. */
  readonly stats: LinkStats = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, droppedIn: 0, droppedOut: 0 };
  readonly #options: DataPathOptions;
  readonly #trains: Trains;
  #framing: Framing | undefined;
  #headersOut: EspFraming | undefined;
  #receiver: InnerReceiver | undefined;
  #looks = LOOKS;
  #heard = false;

  constructor(options: DataPathOptions) {
    this.#options = options;
    this.#trains = createTrains(options.implementation);
  }

  /** PPP is up: inner packets may pass. */
  open(framing: Framing): void {
    this.#framing = framing;
  }

  /** Nothing may come any more. */
  close(): void {
    const { peer } = this.#options.carrier;
    if (peer.receiver === this.#receiver) peer.receiver = undefined;
  }

  /** What the link was given. What the port does not take is dropped and counted. */
  send(batch: PacketBatch): void {
    const { session, carrier } = this.#options;
    if (this.#framing !== undefined && session.stage === 'up' && !session.sequencing && !carrier.needsChecksum) {
      this.#headersOut ??= headersOut(session, carrier.ports, this.#framing);
      carrier.peer.sendInner(batch, this.#headersOut, this.stats);
      return;
    }
    if (batch.virtio !== true) {
      this.#sendSingle(batch, true);
      return;
    }
    const { cut } = this.#options.scratch;
    for (let first = 0; first < batch.count; ) {
      resetBatch(cut);
      first = Math.max(first + 1, this.#trains.segment(batch, first, cut));
      this.#sendSingle(cut, true);
    }
  }

  /** An inner packet of PPP's own. */
  sendPacket(packet: Uint8Array): void {
    const batch = createPacketBatch(1, packet.length);
    batch.arena.set(packet);
    batch.lengths[0] = packet.length;
    batch.count = 1;
    this.#sendSingle(batch, false);
  }

  /** A frame of PPP, with its header. */
  sendFrame(frame: Uint8Array): void {
    const { framed } = this.#options.scratch;
    resetBatch(framed);
    framed.arena.set(frame, HEADROOM);
    framed.offsets[0] = HEADROOM - DATA_HEADER_BYTES;
    framed.lengths[0] = DATA_HEADER_BYTES + frame.length;
    framed.count = 1;
    this.#flush(false);
  }

  /** L2TP frames of slots `first` to `first + count - 1`. */
  handleFrames(batch: PacketBatch, first: number, count: number): void {
    const { arena, offsets, lengths } = batch;
    let packets = 0;
    for (let slot = first; slot < first + count; slot++) {
      if ((lengths[slot] ?? 0) === 0) continue;
      const frameAt = offsets[slot] ?? 0;
      const isPacket = takePacket(batch, slot);
      const [at = 0, length = 0] = [offsets[slot], lengths[slot]];
      if (isPacket && this.#framing !== undefined && !isRouterMessage(arena, at, length)) {
        packets++;
        this.stats.bytesIn += length;
        if (this.#receiver === undefined && this.#looks-- > 0)
          this.#shorten(arena, { frameAt, packetAt: at, end: at + length });
        continue;
      }
      lengths[slot] = 0;
      const bytes = arena.subarray(at, at + length);
      if (!isPacket) this.#options.onControlFrame(bytes);
      else if (this.#framing === undefined) this.stats.droppedIn++;
      else this.#options.onRouterMessage(bytes);
    }
    if (packets === 0) return;
    this.#heard = true;
    this.stats.packetsIn += packets;
    this.#give(batch, first, count);
  }

  /** Whether data of the peer came since the last call. */
  takeHeard(): boolean {
    const heard = this.#heard;
    this.#heard = false;
    return heard;
  }

  /** The peer's packets begin like this one: they need not come through L2TP any more. */
  #shorten(arena: Uint8Array, place: Parameters<typeof headersIn>[1]): void {
    const { session, carrier, join, scratch } = this.#options;
    const { peer, ports } = carrier;
    if (peer.receiver !== undefined) return;
    const headers = headersIn(arena, place, session, ports);
    if (headers === undefined) return;
    const batch = join === 0 ? scratch.cut : scratch.joined;
    this.#receiver = {
      headers,
      batch,
      join,
      receive: (packets, bytes) => this.#tryReceive(batch, packets, bytes),
      lose: (packets) => {
        this.stats.droppedIn += packets;
      },
    };
    peer.receiver = this.#receiver;
  }

  #tryReceive(batch: PacketBatch, packets: number, bytes: number): void {
    try {
      this.#receive(batch, packets, bytes);
    } catch (error) {
      this.#options.onFault(error);
    }
  }

  /** Inner packets of the straight way. */
  #receive(batch: PacketBatch, packets: number, bytes: number): void {
    const { arena, offsets, lengths } = batch;
    this.#heard = true;
    this.stats.packetsIn += packets;
    this.stats.bytesIn += bytes;
    for (let slot = 0; slot < batch.count; slot++) {
      const [at = 0, length = 0] = [offsets[slot], lengths[slot]];
      if (!isRouterMessage(arena, at, length)) continue;
      this.stats.packetsIn--;
      this.stats.bytesIn -= length;
      lengths[slot] = 0;
      this.#options.onRouterMessage(arena.subarray(at, at + length));
    }
    this.#options.onPackets(batch);
    this.#options.onReceived();
  }

  #sendSingle(batch: PacketBatch, counted: boolean): void {
    const { framed } = this.#options.scratch;
    const framing = this.#framing;
    resetBatch(framed);
    for (let slot = 0; slot < batch.count; slot++) {
      const length = batch.lengths[slot] ?? 0;
      if (length === 0) continue;
      if (!hasRoom(framed, length)) this.#flush(counted);
      if (framing === undefined || !hasRoom(framed, length)) {
        if (counted) this.stats.droppedOut++;
        continue;
      }
      const from = batch.offsets[slot] ?? 0;
      const at = framed.used + HEADROOM;
      framed.arena.set(batch.arena.subarray(from, from + length), at);
      writeFrameHeader(framed.arena, at, framing);
      const before = DATA_HEADER_BYTES + headerBytes(framing);
      framed.offsets[framed.count] = at - before;
      framed.lengths[framed.count] = before + length;
      // For the count of bytes: the slot is used up by then.
      framed.tags[framed.count] = length;
      framed.used = at + length;
      framed.count++;
    }
    if (framed.count > 0) this.#flush(counted);
  }

  #flush(counted: boolean): void {
    const { session, carrier, scratch } = this.#options;
    const { framed } = scratch;
    let sent = 0;
    if (session.stage === 'up') {
      session.wrap(framed, 0);
      sent = carrier.send(framed);
    }
    if (counted) {
      this.stats.packetsOut += sent;
      this.stats.droppedOut += framed.count - sent;
      for (let slot = 0; slot < sent; slot++) this.stats.bytesOut += framed.tags[slot] ?? 0;
    }
    resetBatch(framed);
  }

  #give(batch: PacketBatch, first: number, count: number): void {
    const { join, scratch, onPackets } = this.#options;
    if (join === 0) {
      onPackets(first === 0 && count === batch.count ? batch : partOf(batch, first, count));
      return;
    }
    const { joined } = scratch;
    for (let at = first; at < first + count; ) {
      resetBatch(joined);
      at = Math.max(at + 1, this.#trains.join(batch, at, first + count - at, joined, join));
      onPackets(joined);
    }
  }
}

function hasRoom({ count, offsets, arena, used }: PacketBatch, length: number): boolean {
  return count < offsets.length && arena.length - used >= HEADROOM + length;
}

/** Where one read brought frames of several calls. */
function partOf(batch: PacketBatch, first: number, count: number): PacketBatch {
  const part = (words: Uint32Array): Uint32Array => words.subarray(first, first + count);
  const { arena, view, offsets, lengths, tags, used } = batch;
  return { arena, view, offsets: part(offsets), lengths: part(lengths), tags: part(tags), used, count };
}
