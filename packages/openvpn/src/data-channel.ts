/**
 * The data channel: keys by key id, packet ids, replay windows, and what OpenVPN itself says inside it.
 *
 *   DATA_V2   | op/key 1 | peer id 3 | packet id 4 | tag 16 | ciphertext      openvpn crypto.c, ssl.c tls_prepend_opcode_v2
 *   DATA_V1   | op/key 1 |             packet id 4 | tag 16 | ciphertext
 *
 * At most three keys live: one to come or current, and older ones that still open packets until their time is over. Sending changes to
 * a new key once the peer has shown that it has it (`confirm`), or after a while.
 */
import assert from 'node:assert/strict';
import { createPacketBatch, type Instant, type Millis, type PacketBatch, virtioBytes } from '@culvert/base';
import { createTrains, Join, OpenReport, overhead, ReplayWindow, type Trains } from '@culvert/cipher';
import type { AeadName, CreateDataKey, DataKey, SessionStats } from './face.ts';
import { type Framing, frameInto, unframe } from './framing.ts';
import { directionKey } from './key-derivation.ts';
import { type Magic, magicOf } from './magic.ts';
import { Opcode } from './opcode.ts';

// Fixed by openvpn.
/** A new key is due from here on (packet_id.h PACKET_ID_WRAP_TRIGGER). */
const WRAP_TRIGGER = 0xff00_0000;
const LAST_PACKET_ID = 0xffff_ffff;

// Chosen by us.
const MOST_KEYS = 3;
/** Room to frame packets for peers with compression framing, which are rare. */
const SCRATCH_SLOTS = 2_048;
const SCRATCH_BYTES = 256 * 1_024;

export interface DataChannelOptions {
  readonly role: 'server' | 'client';
  readonly cipher: AeadName;
  /** Undefined: DATA_V1. */
  readonly peerId: number | undefined;
  readonly framing: Framing;
  readonly createDataKey: CreateDataKey;
  readonly replayWindow: number;
  /** What the reader of opened batches takes joined: bits of cipher's `Join`. */
  readonly join: number;
  readonly stats: SessionStats;
  /** Of each key. @default 1 */
  readonly firstPacketId?: number | undefined;
}

/** What became of datagrams that were opened. */
export interface OpenedCounts {
  /** Authentic and new. */
  accepted: number;
  /** Inner packets among them, before joining, and their bytes. */
  packets: number;
  bytes: number;
}

interface KeySlot {
  readonly keyId: number;
  readonly send: DataKey;
  readonly receive: DataKey;
  readonly replay: ReplayWindow;
  readonly header: number;
  nextPacketId: number;
  /** Inner bytes and packets, both directions. */
  bytes: number;
  packets: number;
  /** When sending changes to this key without the peer's word. */
  useAt: Instant;
  /** When it opens nothing more; undefined for the newest. */
  expiresAt: Instant | undefined;
}

export class DataChannel {
  readonly #options: DataChannelOptions;
  /** Newest first. */
  #slots: KeySlot[] = [];
  #sending: KeySlot | undefined;
  #framed: Framed | undefined;
  readonly #report = new Uint32Array(OpenReport.words);
  #exitSeen = false;

  constructor(options: DataChannelOptions) {
    this.#options = options;
  }

  get cipher(): AeadName {
    return this.#options.cipher;
  }
  /** The key id in use for sending. */
  get sendingKeyId(): number | undefined {
    return this.#sending?.keyId;
  }
  /** The newest key is worn out by packet ids, or by `bytes` and `packets`. */
  isWorn(bytes: number, packets: number): boolean {
    const newest = this.#slots[0];
    if (newest === undefined) return false;
    return (
      newest.nextPacketId >= WRAP_TRIGGER ||
      newest.replay.highest >= WRAP_TRIGGER ||
      newest.bytes >= bytes ||
      newest.packets >= packets
    );
  }

  /**
   * Add the key of a new exchange. The first is used at once; a later one opens packets at once and is used for sending from `useAt`
   * or `confirm`. Older keys open packets for `transition` more.
   */
  addKey(
    keyId: number,
    key2: Uint8Array,
    times: { readonly now: Instant; readonly useAt: Instant; readonly transition: Millis },
  ): void {
    const { role, cipher, peerId, createDataKey, replayWindow } = this.#options;
    const peer = role === 'server' ? 'client' : 'server';
    const format = peerId === undefined ? 'v1' : 'v2';
    const slot: KeySlot = {
      keyId,
      send: createDataKey({ cipher, format, ...directionKey(key2, role, cipher) }),
      receive: createDataKey({ cipher, format, ...directionKey(key2, peer, cipher) }),
      replay: new ReplayWindow(replayWindow),
      header: dataHeader(keyId, peerId),
      nextPacketId: this.#options.firstPacketId ?? 1,
      bytes: 0,
      packets: 0,
      useAt: times.useAt,
      expiresAt: undefined,
    };
    for (const old of this.#slots) old.expiresAt ??= (times.now + times.transition) as Instant;
    this.#slots.unshift(slot);
    this.#sending ??= slot;
    this.#dropOld((old, i) => i >= MOST_KEYS || old.keyId === keyId, slot);
  }

  /** The peer has the newest key: send with it from now on. True when that changed something. */
  confirm(): boolean {
    const newest = this.#slots[0];
    if (newest === undefined || newest === this.#sending) return false;
    this.#sending = newest;
    return true;
  }

  /** Change keys whose time has come, forget keys whose time is over. True when sending changed. */
  handleTimeout(now: Instant): boolean {
    const newest = this.#slots[0];
    const changed = newest !== undefined && newest.useAt <= now && this.confirm();
    this.#dropOld((old) => old.expiresAt !== undefined && old.expiresAt <= now && old !== this.#sending);
    return changed;
  }

  get timeout(): Instant | undefined {
    let earliest: Instant | undefined;
    for (const slot of this.#slots) {
      const due =
        slot === this.#slots[0] && slot !== this.#sending
          ? slot.useAt
          : slot === this.#sending
            ? undefined
            : slot.expiresAt;
      if (due !== undefined && (earliest === undefined || due < earliest)) earliest = due;
    }
    return earliest;
  }

  /**
   * Appends a datagram for each packet of `src` from index `first` on to `dst`, and for each segment of a train. Returns the index
   * of the first packet not consumed: less than `src.count` when `dst` is out of room. Without a key or packet ids all are dropped.
   */
  seal(src: PacketBatch, first: number, dst: PacketBatch): number {
    const { stats, framing, peerId } = this.#options;
    const slot = this.#sending;
    if (slot === undefined || dst.offsets.length - dst.count > LAST_PACKET_ID - slot.nextPacketId) {
      stats.droppedOut += packetsFrom(src, first);
      return src.count;
    }
    const before = dst.count;
    const usedBefore = dst.used;
    const next = framing === 'none' ? this.#sealWith(slot, src, first, dst) : this.#sealFramed(slot, src, first, dst);
    const sealed = dst.count - before;
    stats.packetsOut += sealed;
    stats.bytesOut += dst.used - usedBefore - sealed * (peerId === undefined ? overhead.v1 : overhead.v2);
    return next;
  }

  /** One packet of our own (a ping), sealed; undefined without a key. It is not counted as traffic. */
  sealOne(packet: Uint8Array): Uint8Array | undefined {
    const slot = this.#sending;
    if (slot === undefined || slot.nextPacketId > LAST_PACKET_ID - 1) return undefined;
    const plain = createPacketBatch(1, packet.length + 8);
    plain.arena.set(packet);
    plain.lengths[0] = packet.length;
    plain.count = 1;
    plain.used = packet.length;
    const framed = createPacketBatch(1, packet.length + 8);
    if (this.#options.framing !== 'none') frameInto(this.#options.framing, plain, 0, framed);
    const out = createPacketBatch(1, packet.length + 64);
    this.#sealWith(slot, this.#options.framing === 'none' ? plain : framed, 0, out);
    return out.arena.slice(0, out.lengths[0]);
  }

  /**
   * Opens datagrams as Session.open says, and adds what became of them to `opened`. Returns the index of the first not consumed.
   */
  open(src: PacketBatch, first: number, count: number, dst: PacketBatch, opened: OpenedCounts): number {
    const end = first + count;
    for (let at = first; at < end; ) {
      const firstByte = this.#firstByte(src, at);
      let run = 1;
      while (at + run < end && this.#firstByte(src, at + run) === firstByte) run++;
      const next = this.#openRun(src, at, run, firstByte, dst, opened);
      if (next < at + run) return next;
      at = next;
    }
    return end;
  }

  /** The peer said goodbye inside the data channel. */
  get exitSeen(): boolean {
    return this.#exitSeen;
  }

  close(): void {
    this.#sending = undefined;
    this.#dropOld(() => true);
  }

  /** Returns the index of the first packet not consumed. */
  #sealWith(slot: KeySlot, src: PacketBatch, first: number, dst: PacketBatch): number {
    const before = dst.count;
    const usedBefore = dst.used;
    const skippedBefore = skippedBy(slot.send);
    const next = slot.send.seal(src, first, dst, slot.header, slot.nextPacketId);
    this.#options.stats.droppedOut += skippedBy(slot.send) - skippedBefore;
    const sealed = dst.count - before;
    slot.nextPacketId += sealed;
    slot.packets += sealed;
    slot.bytes += dst.used - usedBefore;
    return next;
  }

  /** One packet at a time, cut and framed: peers that want framing are rare, and old. */
  #sealFramed(slot: KeySlot, src: PacketBatch, first: number, dst: PacketBatch): number {
    this.#framed ??= new Framed();
    for (let i = first; i < src.count; i++) {
      const framed = this.#framed.take(this.#options.framing, src, i);
      const { count, used } = dst;
      if (dst.offsets.length - count < framed.count) return i;
      if (this.#sealWith(slot, framed, 0, dst) < framed.count) {
        // Packet ids that are left out harm nobody; half a train would.
        dst.count = count;
        dst.used = used;
        return i;
      }
    }
    return src.count;
  }

  #openRun(
    src: PacketBatch,
    first: number,
    count: number,
    firstByte: number,
    dst: PacketBatch,
    opened: OpenedCounts,
  ): number {
    const { stats, framing } = this.#options;
    const slot = this.#slots.find((candidate) => candidate.keyId === (firstByte & 7));
    if (slot === undefined || firstByte >>> 3 !== this.#opcode) {
      stats.dataNoKey += count;
      return first + count;
    }
    const start = dst.count;
    const join = framing === 'none' ? this.#options.join : Join.none;
    const report = this.#report;
    const next = slot.receive.openTrain(src, first, count, dst, slot.replay, report, join);
    this.#countReport(slot, report, opened);
    if (framing !== 'none') this.#unframe(dst, start, opened);
    else if (report[OpenReport.foreign] !== 0) this.#absorb(dst, start, opened);
    if (report[OpenReport.accepted] !== 0 && slot === this.#slots[0]) this.confirm();
    return next;
  }

  #countReport(slot: KeySlot, report: Uint32Array, opened: OpenedCounts): void {
    const { stats, framing } = this.#options;
    const accepted = report[OpenReport.accepted] ?? 0;
    const bytes = report[OpenReport.bytes] ?? 0;
    opened.accepted += accepted;
    stats.dataUnauthenticated += (report[OpenReport.failed] ?? 0) + (report[OpenReport.tooShort] ?? 0);
    stats.dataReplayed += report[OpenReport.replayed] ?? 0;
    slot.packets += accepted;
    slot.bytes += bytes;
    // What is framed is no IP packet yet: `#unframe` counts it.
    if (framing !== 'none') return;
    this.#countIn(opened, report[OpenReport.packets] ?? 0, bytes);
  }

  #countIn(opened: OpenedCounts, packets: number, bytes: number): void {
    const { stats } = this.#options;
    opened.packets += packets;
    opened.bytes += bytes;
    stats.packetsIn += packets;
    stats.bytesIn += bytes;
  }

  #unframe(dst: PacketBatch, start: number, opened: OpenedCounts): void {
    for (let i = start; i < dst.count; i++) {
      if (!unframe(this.#options.framing, dst, i)) {
        this.#options.stats.dataRefused++;
        dst.lengths[i] = 0;
        continue;
      }
      const at = dst.offsets[i] ?? 0;
      if (dst.virtio === true) dst.arena.fill(0, at - virtioBytes, at);
      if (this.#isMagic(dst, i)) dst.lengths[i] = 0;
      else this.#countIn(opened, 1, dst.lengths[i] ?? 0);
    }
  }

  /** Looks through what was no IP packet. */
  #absorb(dst: PacketBatch, start: number, opened: OpenedCounts): void {
    for (let i = start; i < dst.count; i++) {
      if (isIp(dst.arena[dst.offsets[i] ?? 0] ?? 0)) continue;
      if (!this.#isMagic(dst, i)) this.#countIn(opened, 1, dst.lengths[i] ?? 0);
      dst.lengths[i] = 0;
    }
  }

  #isMagic(dst: PacketBatch, i: number): boolean {
    const magic: Magic | undefined = magicOf(dst.arena, dst.offsets[i] ?? 0, dst.lengths[i] ?? 0);
    if (magic === 'exit') this.#exitSeen = true;
    return magic !== undefined;
  }

  get #opcode(): number {
    return this.#options.peerId === undefined ? Opcode.dataV1 : Opcode.dataV2;
  }

  #firstByte(src: PacketBatch, at: number): number {
    return (src.lengths[at] ?? 0) === 0 ? 0 : (src.arena[src.offsets[at] ?? 0] ?? 0);
  }

  #dropOld(which: (slot: KeySlot, i: number) => boolean, except?: KeySlot): void {
    this.#slots = this.#slots.filter((slot, i) => {
      if (slot === except || !which(slot, i)) return true;
      slot.send.close();
      slot.receive.close();
      if (slot === this.#sending) this.#sending = except;
      return false;
    });
  }
}

/** The first four bytes of a DATA_V2, or the first of a DATA_V1, as a number. */
function dataHeader(keyId: number, peerId: number | undefined): number {
  assert(keyId >= 0 && keyId <= 7, 'a key id has three bits');
  if (peerId === undefined) return (Opcode.dataV1 << 3) | keyId;
  return ((((Opcode.dataV2 << 3) | keyId) << 24) | peerId) >>> 0;
}

function isIp(firstByte: number): boolean {
  return firstByte >>> 4 === 4 || firstByte >>> 4 === 6;
}

/** Trains that contradict themselves, or are too large for any batch. */
function skippedBy({ skipped }: DataKey): number {
  return skipped.malformed + skipped.oversized;
}

function packetsFrom(src: PacketBatch, first: number): number {
  let packets = 0;
  for (let i = first; i < src.count; i++) if ((src.lengths[i] ?? 0) > 0) packets++;
  return packets;
}

/** Cuts a packet and frames its parts, for peers with compression framing. */
class Framed {
  readonly #trains: Trains = createTrains();
  readonly #one = createPacketBatch(1, 0);
  readonly #cut = createPacketBatch(SCRATCH_SLOTS, SCRATCH_BYTES);
  readonly #out = createPacketBatch(SCRATCH_SLOTS, SCRATCH_BYTES);

  /** Packet `i` of `src` in frames; none where it is empty or too large. */
  take(framing: Framing, src: PacketBatch, i: number): PacketBatch {
    const out = this.#out;
    out.count = 0;
    out.used = 0;
    if (src.virtio !== true) {
      if ((src.lengths[i] ?? 0) > 0) frameInto(framing, src, i, out);
      return out;
    }
    const one = { ...this.#one, arena: src.arena, view: src.view, virtio: true, count: 1, used: src.used };
    one.offsets[0] = src.offsets[i] ?? 0;
    one.lengths[0] = src.lengths[i] ?? 0;
    const cut = this.#cut;
    cut.count = 0;
    cut.used = 0;
    this.#trains.segment(one, 0, cut);
    for (let n = 0; n < cut.count; n++) frameInto(framing, cut, n, out);
    return out;
  }
}
