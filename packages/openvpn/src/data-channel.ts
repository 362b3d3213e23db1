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
import { createPacketBatch, type Instant, type Millis, type PacketBatch } from '@culvert/base';
import type { AeadName, CreateDataKey, DataKey, SessionStats } from './face.ts';
import { type Framing, frameInto, unframe } from './framing.ts';
import { directionKey } from './key-derivation.ts';
import { type Magic, magicOf } from './magic.ts';
import { Opcode } from './opcode.ts';
import { ReplayWindow } from './replay-window.ts';

// Fixed by openvpn.
/** A new key is due from here on (packet_id.h PACKET_ID_WRAP_TRIGGER). */
const WRAP_TRIGGER = 0xff00_0000;
const LAST_PACKET_ID = 0xffff_ffff;

// Chosen by us.
const MOST_KEYS = 3;
/** Room to frame packets for peers with compression framing, which are rare. */
const SCRATCH_SLOTS = 64;
const SCRATCH_BYTES = 128 * 1_024;

export interface DataChannelOptions {
  readonly role: 'server' | 'client';
  readonly cipher: AeadName;
  /** Undefined: DATA_V1. */
  readonly peerId: number | undefined;
  readonly framing: Framing;
  readonly createDataKey: CreateDataKey;
  readonly replayWindow: number;
  readonly stats: SessionStats;
  /** Of each key. @default 1 */
  readonly firstPacketId?: number | undefined;
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
  #scratch: PacketBatch | undefined;
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

  /** Appends a datagram for each packet of `src` to `dst`. Returns how many were dropped: no key, no packet ids, no room. */
  seal(src: PacketBatch, dst: PacketBatch): number {
    const { stats, framing } = this.#options;
    const slot = this.#sending;
    let consumed = 0;
    if (slot !== undefined && src.count <= LAST_PACKET_ID - slot.nextPacketId) {
      consumed = framing === 'none' ? this.#sealWith(slot, src, dst) : this.#sealFramed(slot, src, dst);
    }
    let dropped = 0;
    for (let i = 0; i < src.count; i++) {
      const length = src.lengths[i] ?? 0;
      if (length === 0) continue;
      if (i < consumed) {
        stats.packetsOut++;
        stats.bytesOut += length;
      } else dropped++;
    }
    stats.droppedOut += dropped;
    return dropped;
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
    this.#sealWith(slot, this.#options.framing === 'none' ? plain : framed, out);
    return out.arena.slice(0, out.lengths[0]);
  }

  /**
   * Opens datagrams as Session.open says. The result is how many were authentic and new; `exitSeen` tells more.
   */
  open(src: PacketBatch, first: number, count: number, dst: PacketBatch): number {
    let authentic = 0;
    const end = first + count;
    for (let at = first; at < end; ) {
      const firstByte = this.#firstByte(src, at);
      let run = 1;
      while (at + run < end && this.#firstByte(src, at + run) === firstByte) run++;
      authentic += this.#openRun(src, at, run, firstByte, dst);
      at += run;
    }
    return authentic;
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
  #sealWith(slot: KeySlot, src: PacketBatch, dst: PacketBatch): number {
    const before = dst.count;
    const usedBefore = dst.used;
    const consumed = slot.send.seal(src, 0, dst, slot.header, slot.nextPacketId);
    const sealed = dst.count - before;
    slot.nextPacketId += sealed;
    slot.packets += sealed;
    slot.bytes += dst.used - usedBefore;
    return consumed;
  }

  #sealFramed(slot: KeySlot, src: PacketBatch, dst: PacketBatch): number {
    this.#scratch ??= createPacketBatch(SCRATCH_SLOTS, SCRATCH_BYTES);
    const scratch = this.#scratch;
    let i = 0;
    while (i < src.count) {
      scratch.count = 0;
      scratch.used = 0;
      const start = i;
      while (i < src.count && ((src.lengths[i] ?? 0) === 0 || frameInto(this.#options.framing, src, i, scratch))) i++;
      if (i === start || this.#sealWith(slot, scratch, dst) < scratch.count) return start;
    }
    return i;
  }

  #openRun(src: PacketBatch, first: number, count: number, firstByte: number, dst: PacketBatch): number {
    const { stats } = this.#options;
    const slot = this.#slots.find((candidate) => candidate.keyId === (firstByte & 7));
    if (slot === undefined || firstByte >>> 3 !== this.#opcode) {
      stats.dataNoKey += count;
      appendEmpty(dst, count);
      return 0;
    }
    const start = dst.count;
    const consumed = slot.receive.open(src, first, count, dst) - first;
    stats.dataRefused += count - consumed;
    let authentic = 0;
    for (let i = start; i < dst.count; i++) if (this.#judge(slot, dst, i)) authentic++;
    if (authentic > 0 && slot === this.#slots[0]) this.confirm();
    return authentic;
  }

  /** Replay check, framing and magic for a slot of `dst` that was just opened. */
  #judge(slot: KeySlot, dst: PacketBatch, i: number): boolean {
    const { stats, framing } = this.#options;
    const packetId = dst.tags[i] ?? 0;
    if (packetId === 0) {
      stats.dataUnauthenticated++;
      return false;
    }
    if (!slot.replay.accept(packetId)) {
      stats.dataReplayed++;
      dst.lengths[i] = 0;
      dst.tags[i] = 0;
      return false;
    }
    slot.packets++;
    slot.bytes += dst.lengths[i] ?? 0;
    if (!unframe(framing, dst, i)) {
      stats.dataRefused++;
      dst.lengths[i] = 0;
      return true;
    }
    this.#absorb(dst, i);
    return true;
  }

  #absorb(dst: PacketBatch, i: number): void {
    const length = dst.lengths[i] ?? 0;
    const magic: Magic | undefined = magicOf(dst.arena, dst.offsets[i] ?? 0, length);
    if (magic === undefined) {
      if (length > 0) this.#options.stats.packetsIn++;
      this.#options.stats.bytesIn += length;
      return;
    }
    if (magic === 'exit') this.#exitSeen = true;
    dst.lengths[i] = 0;
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

function appendEmpty(dst: PacketBatch, count: number): void {
  for (let i = 0; i < count && dst.count < dst.offsets.length; i++) {
    dst.offsets[dst.count] = dst.used;
    dst.lengths[dst.count] = 0;
    dst.tags[dst.count] = 0;
    dst.count++;
  }
}
