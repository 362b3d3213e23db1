/**
 * Appends packets to a batch and joins those that follow each other in a flow to trains, as the kernel's GRO does: the
 * portable twin of native/joiner.cc, with the same rules and the same places in the arena.
 */
import { type PacketBatch, virtioBytes } from '@culvert/base';
import { checksum, foldChecksum, IPV4_HEADER, IPV6_HEADER, sumWords } from '@culvert/wire';
import { slotsOf } from '../check.ts';
import { Join } from './face.ts';
import { continues, isSameFlow } from './flow.ts';
import { Flag, type Layout, MAX_HEADERS, pseudoSum, readLayout, Tcp, Udp, upperSum } from './layout.ts';
import { viewOf } from './segments.ts';
import { Gso, VirtioFlag, writeVirtioHeader } from './virtio-header.ts';

// Chosen by us, or the kernel's (as in native/joiner.h).
const MAX_TRAINS = 8;
const MAX_BYTES = 0xffff;
const MAX_UDP_SEGMENTS = 64;

/** Of IPv4's flags, in byte 6 (RFC 791, section 3.1). */
const RESERVED_BIT = 0x80;

/** Places are offsets in the arena. */
export interface Train {
  readonly start: number;
  end: number;
  /** It may grow up to here. */
  limit: number;
  readonly slot: number;
  readonly layout: Layout;
  readonly gsoSize: number;
  segments: number;
  nextSeq: number;
  /** All packets have one IPv4 identification. */
  fixedId: boolean;
  stamp: number;
}

export class Joiner {
  readonly counts = { packets: 0, bytes: 0, joined: 0, foreign: 0 };
  readonly #dst: PacketBatch;
  readonly #slots: number;
  readonly #headroom: number;
  readonly #join: number;
  #remaining: number;
  /** End of all that is placed or reserved. */
  #top: number;
  #trains: Train[] = [];
  /** Its reservation ends at `#top`. */
  #owner: Train | undefined;
  #stamp = 0;

  /**
   * @param remaining an upper bound of the bytes to come, with a virtio header for each packet: no train is given more room
   * than that, and that much stays free
   */
  constructor(dst: PacketBatch, join: number, remaining: number) {
    this.#dst = dst;
    this.#slots = slotsOf(dst);
    this.#headroom = dst.virtio === true ? virtioBytes : 0;
    this.#join = dst.virtio === true ? join : Join.none;
    this.#remaining = remaining;
    this.#top = dst.used;
  }

  /** Whether a packet of `size` bytes is sure to find a place. */
  hasRoom(size: number): boolean {
    return this.#place(size) !== undefined;
  }

  /** So many bytes of what remained are the next packet's, or nobody's. */
  pass(bytes: number): void {
    this.#remaining -= bytes;
  }

  /** Takes a packet for which there is room. */
  add(packet: Uint8Array, tag: number): void {
    const view = viewOf(packet);
    const layout = readLayout(view, 0, packet.length, true);
    if (layout === 'foreign') {
      this.counts.foreign++;
      this.#emit(packet, tag, 0);
      return;
    }
    this.counts.packets++;
    this.counts.bytes += packet.length;
    if (layout === 'opaque') {
      this.#closeAll();
      this.#emit(packet, tag, 0);
      return;
    }
    const candidate = this.#isCandidate(view, layout);
    const train = this.#trains.find((one) => isSameFlow(one, this.#dst.view, view, layout));
    if (
      train !== undefined &&
      candidate &&
      this.#fits(train, packet.length, layout) &&
      continues(train, this.#dst.view, view, layout)
    ) {
      this.#append(train, packet, layout);
      return;
    }
    if (train !== undefined) this.#close(train);
    this.#emit(packet, tag, candidate ? VirtioFlag.dataValid : 0);
    const ends = !layout.udp && (view.getUint8(layout.transport + Tcp.flags) & (Flag.fin | Flag.psh | Flag.cwr)) !== 0;
    if (candidate && !ends) this.#openTrain(view, layout);
  }

  /** Completes all trains. */
  finish(): void {
    this.#closeAll();
    this.#dst.used = this.#top;
  }

  /**
   * Behind everything, but for the reservation of the last train when the arena is short. What is still to come must find room
   * behind it.
   */
  #place(size: number): number | undefined {
    const { count, arena } = this.#dst;
    const room = arena.length - this.#headroom - size;
    const lowest = this.#owner?.end ?? this.#top;
    if (count >= this.#slots || room < lowest) return undefined;
    return Math.min(this.#top, Math.max(lowest, room - this.#remaining)) + this.#headroom;
  }

  #emit(packet: Uint8Array, tag: number, flags: number): void {
    const dst = this.#dst;
    const at = this.#place(packet.length) ?? 0;
    if (this.#owner !== undefined) this.#owner.limit = Math.min(this.#owner.limit, at - this.#headroom);
    this.#owner = undefined;
    this.#top = at + packet.length;
    dst.arena.set(packet, at);
    if (this.#headroom > 0) writeVirtioHeader(dst.view, at, { flags });
    dst.offsets[dst.count] = at;
    dst.lengths[dst.count] = packet.length;
    dst.tags[dst.count] = tag;
    dst.count++;
  }

  /** Right in every respect, and such that cutting the train gives these very bytes (a checksum has two ways to write zero). */
  #isCandidate(view: DataView, layout: Layout): boolean {
    const allowed = layout.udp
      ? layout.version === 4
        ? Join.udp4
        : Join.udp6
      : layout.version === 4
        ? Join.tcp4
        : Join.tcp6;
    if ((this.#join & allowed) === 0 || layout.header >= view.byteLength || layout.header > MAX_HEADERS / 2)
      return false;
    const flags = layout.udp ? 0 : view.getUint8(layout.transport + Tcp.flags);
    if ((flags & (Flag.syn | Flag.rst | Flag.urg)) !== 0) return false;
    if (view.getUint16(layout.checksum) === (layout.udp ? 0 : 0xffff)) return false;
    if (layout.version === 4) {
      const isReserved = (view.getUint8(6) & RESERVED_BIT) !== 0;
      const isPlain = layout.transport === IPV4_HEADER && !isReserved && view.getUint16(10) !== 0xffff;
      if (!isPlain || checksum(view, 0, IPV4_HEADER) !== 0) return false;
    }
    return foldChecksum(upperSum(view, 0, view.byteLength, layout)) === 0;
  }

  #fits(train: Train, size: number, layout: Layout): boolean {
    const payload = size - layout.header;
    if (payload > train.gsoSize || payload > train.limit - train.end) return false;
    return !layout.udp || train.segments < MAX_UDP_SEGMENTS;
  }

  #append(train: Train, packet: Uint8Array, layout: Layout): void {
    const { view, arena } = this.#dst;
    const payload = packet.subarray(layout.header);
    if (train.segments === 1 && layout.version === 4)
      train.fixedId = view.getUint16(train.start + 4) === viewOf(packet).getUint16(4);
    let ends = payload.length < train.gsoSize;
    if (!layout.udp) {
      const last = (packet[layout.transport + Tcp.flags] ?? 0) & (Flag.fin | Flag.psh);
      const flags = train.start + layout.transport + Tcp.flags;
      arena[flags] = (arena[flags] ?? 0) | last;
      ends ||= last !== 0;
    }
    arena.set(payload, train.end);
    train.end += payload.length;
    train.nextSeq = (train.nextSeq + payload.length) >>> 0;
    train.segments++;
    train.stamp = this.#stamp++;
    this.counts.joined++;
    if (ends) this.#close(train);
  }

  /** The packet that was just given a slot becomes the first of a train. */
  #openTrain(packet: DataView, layout: Layout): void {
    if (this.#trains.length === MAX_TRAINS) {
      this.#close(this.#trains.reduce((oldest, one) => (one.stamp < oldest.stamp ? one : oldest)));
    }
    const dst = this.#dst;
    const slot = dst.count - 1;
    const size = packet.byteLength;
    const start = dst.offsets[slot] ?? 0;
    const end = start + size;
    const gsoSize = size - layout.header;
    const train: Train = {
      start,
      end,
      limit: end + Math.min(Math.max(0, MAX_BYTES - size), this.#remaining, dst.arena.length - end),
      slot,
      layout,
      gsoSize,
      segments: 1,
      nextSeq: layout.udp ? 0 : (packet.getUint32(layout.transport + Tcp.seq) + gsoSize) >>> 0,
      fixedId: false,
      stamp: this.#stamp++,
    };
    this.#trains.push(train);
    this.#owner = train;
    this.#top = train.limit;
  }

  #close(train: Train): void {
    if (train.segments > 1) this.#complete(train);
    if (this.#owner === train) {
      this.#top = train.end;
      this.#owner = undefined;
    }
    this.#trains = this.#trains.filter((one) => one !== train);
  }

  #closeAll(): void {
    for (const train of this.#trains) this.#close(train);
  }

  /** Writes the headers of several segments as one, as the kernel wants them: with the pseudo-header's sum as checksum. */
  #complete({ start, end, layout, slot, gsoSize }: Train): void {
    const { view, lengths } = this.#dst;
    const size = end - start;
    const upper = start + layout.transport;
    writeVirtioHeader(view, start, {
      flags: VirtioFlag.needsCsum,
      gsoType: layout.udp ? Gso.udp : layout.version === 4 ? Gso.tcp4 : Gso.tcp6,
      headerLength: layout.header,
      gsoSize,
      csumStart: layout.transport,
      csumOffset: layout.checksum - layout.transport,
    });
    if (layout.version === 4) {
      view.setUint16(start + 2, size);
      view.setUint16(start + 10, 0);
      view.setUint16(start + 10, foldChecksum(sumWords(view, start, IPV4_HEADER)));
    } else view.setUint16(start + 4, size - IPV6_HEADER);
    if (layout.udp) view.setUint16(upper + Udp.length, size - layout.transport);
    const sum = foldChecksum(pseudoSum(view, start, layout, size - layout.transport));
    view.setUint16(start + layout.checksum, ~sum & 0xffff);
    lengths[slot] = size;
  }
}
