import type { PacketBatch } from '@culvert/base';
import { checkKinds, checkPlace, checkRange, checkReport, mostPackets, slotsOf } from '../check.ts';
import { CipherError } from '../errors.ts';
import { Join, type SkippedPackets } from '../trains/face.ts';
import { Joiner } from '../trains/joiner.ts';
import { cutAll } from '../trains/segments.ts';
import { bytesOf } from '../trains/trains.ts';
import { ESP_INNER_IP, type EspForm, espForm } from './algorithms.ts';
import { checkFramed, checkNextHeader, checkSequences, checkWindow, innerProtocol } from './check.ts';
import type { EspKey, EspKeyOptions } from './esp.ts';
import type { EspFraming } from './framing.ts';
import { PortableEspCipher } from './portable-cipher.ts';
import { frame, protocolOf, unframe } from './portable-framing.ts';
import type { EspReplayWindow } from './replay-window.ts';
import { EspReport } from './report.ts';

const NO_NEXT_HEADER = 59;
const TRAILER = 2;
const MOST_BYTES = 0xffff;

/** What came of one packet: the word of the report that counts it, and where it is authentic its sequence number. */
interface Opened {
  readonly word: Exclude<keyof typeof EspReport, 'bytes' | 'packets' | 'inner' | 'joined' | 'others' | 'words'>;
  readonly sequence?: number;
  /** Where it is accepted. */
  readonly payload?: Uint8Array;
}

/** ESP on node:crypto, packet by packet: the oracle of the native one, and its stand-in. */
export class PortableEspKey implements EspKey {
  readonly implementation = 'portable';
  readonly skipped: SkippedPackets = { malformed: 0, oversized: 0 };
  readonly #form: EspForm;
  readonly #cipher: PortableEspCipher;
  readonly #esn: boolean;
  #closed = false;

  constructor(options: EspKeyOptions) {
    this.#form = espForm(options.algorithms);
    this.#cipher = new PortableEspCipher(options);
    this.#esn = options.esn ?? false;
  }

  seal(src: PacketBatch, first: number, dst: PacketBatch, sequence: number, nextHeader: number): number {
    checkRange(src, first, src.count - first, dst);
    checkKinds(src, dst, { src: false, dst: false });
    checkSequences(sequence, src.count - first, this.#esn);
    checkNextHeader(nextHeader, ESP_INNER_IP);
    this.#checkOpen();
    let next = sequence;
    for (let at = first; at < src.count; at++) {
      const payload = packetAt(src, at);
      if (payload.length === 0) continue;
      if (!fits(dst, this.#form.head + this.#padded(payload.length) + this.#form.icv)) return at;
      const header = nextHeader === ESP_INNER_IP ? innerProtocol(payload) : nextHeader;
      if (header === undefined) this.skipped.malformed++;
      else this.#sealInto(dst, payload, next++, header, src.tags[at] ?? 0);
    }
    return src.count;
  }

  sealFramed(
    src: PacketBatch,
    first: number,
    dst: PacketBatch,
    sequence: number,
    nextHeader: number,
    framing: EspFraming,
  ): number {
    checkRange(src, first, src.count - first, dst);
    checkKinds(src, dst, { dst: false });
    checkSequences(sequence, mostPackets(src, first, dst), this.#esn);
    checkNextHeader(nextHeader);
    this.#checkOpen();
    const { head, block, icv } = this.#form;
    // An upper bound: how much padding there is depends on the packet.
    const overhead = head + framing.bytes + TRAILER + block - 1 + icv;
    let next = sequence;
    const seal = (packet: Uint8Array) => {
      const protocol = protocolOf(packet);
      if (protocol === 0 || framing.bytes + packet.length > MOST_BYTES) this.skipped.malformed++;
      else this.#sealInto(dst, frame(framing, packet, protocol), next++, nextHeader, packet.length);
    };
    if (src.virtio === true) return cutAll(src, first, dst, overhead, this.skipped, seal);
    for (let at = first; at < src.count; at++) {
      const packet = packetAt(src, at);
      if (packet.length === 0) continue;
      if (!fits(dst, packet.length + overhead)) return at;
      seal(packet);
    }
    return src.count;
  }

  open(
    src: PacketBatch,
    first: number,
    count: number,
    dst: PacketBatch,
    replay: EspReplayWindow,
    nextHeader: number,
    report: Uint32Array,
  ): number {
    checkRange(src, first, count, dst);
    checkKinds(src, dst, { src: false, dst: false });
    checkReport(report, EspReport.words);
    checkNextHeader(nextHeader, ESP_INNER_IP);
    checkWindow(replay, this.#esn);
    this.#checkOpen();
    for (let at = first; at < first + count; at++) checkPlace(src, at);
    report.fill(0, 0, EspReport.words);
    for (let at = first; at < first + count; at++) {
      const packet = packetAt(src, at);
      const size = packet.length - this.#form.head - this.#form.icv;
      if (!fits(dst, Math.max(0, size))) return at;
      const { word, sequence, payload } = this.#openOne(packet, size, replay, nextHeader);
      if (sequence !== undefined) replay.mark(sequence);
      countOne(report, word);
      if (payload === undefined) continue;
      report[EspReport.bytes] = (report[EspReport.bytes] ?? 0) + payload.length;
      dst.arena.set(payload, dst.used);
      append(dst, payload.length, src.tags[at] ?? 0);
    }
    return first + count;
  }

  openFramed(
    src: PacketBatch,
    first: number,
    count: number,
    dst: PacketBatch,
    others: PacketBatch,
    replay: EspReplayWindow,
    nextHeader: number,
    report: Uint32Array,
    framing: EspFraming,
    join: number = Join.tcp,
  ): number {
    checkFramed(src, first, count, dst, others, report, join);
    checkNextHeader(nextHeader);
    checkWindow(replay, this.#esn);
    this.#checkOpen();
    const last = first + count;
    for (let at = first; at < last; at++) checkPlace(src, at);
    report.fill(0, 0, EspReport.words);
    const joiner = new Joiner(dst, join, bytesOf(src, first, last));
    let at = first;
    for (; at < last; at++) {
      const packet = packetAt(src, at);
      joiner.pass(packet.length);
      const size = packet.length - this.#form.head - this.#form.icv;
      const { word, sequence, payload } = this.#openOne(packet, size, replay, nextHeader);
      if (payload !== undefined && !place(payload, src.tags[at] ?? 0, { framing, joiner, others, report })) break;
      if (sequence !== undefined) replay.mark(sequence);
      countOne(report, word);
      report[EspReport.bytes] = (report[EspReport.bytes] ?? 0) + (payload?.length ?? 0);
    }
    joiner.finish();
    const { packets, bytes, joined } = joiner.counts;
    report.set([packets, bytes, joined], EspReport.packets);
    return at;
  }

  close(): void {
    this.#cipher.close();
    this.#closed = true;
  }

  #checkOpen(): void {
    if (this.#closed) throw new CipherError('CULVERT_CIPHER_CLOSED');
  }

  #padded(length: number): number {
    return Math.ceil((length + TRAILER) / this.#form.block) * this.#form.block;
  }

  #sealInto(dst: PacketBatch, payload: Uint8Array, sequence: number, nextHeader: number, tag: number): void {
    const padded = this.#padded(payload.length);
    const plain = new Uint8Array(padded);
    plain.set(payload);
    const padLength = padded - payload.length - TRAILER;
    for (let i = 1; i <= padLength; i++) plain[payload.length + i - 1] = i;
    plain.set([padLength, nextHeader], padded - TRAILER);
    const packet = this.#cipher.seal(plain, sequence);
    dst.arena.set(packet, dst.used);
    append(dst, packet.length, tag);
  }

  /** The window is not marked yet. */
  #openOne(packet: Uint8Array, size: number, replay: EspReplayWindow, nextHeader: number): Opened {
    if (size < this.#form.block || size % this.#form.block !== 0) return { word: 'malformed' };
    const view = new DataView(packet.buffer, packet.byteOffset);
    if (view.getUint32(0) !== this.#cipher.spi) return { word: 'failed' };
    const sequence = replay.sequenceOf(view.getUint32(4));
    if (!replay.isFresh(sequence)) return { word: 'replayed' };
    const plain = this.#cipher.open(packet, size, sequence);
    if (plain === undefined) return { word: 'failed' };
    const padLength = plain[size - 2] ?? 0;
    const length = size - TRAILER - padLength;
    if (length < 0) return { word: 'padding', sequence };
    for (let i = 1; i <= padLength; i++) if (plain[length + i - 1] !== i) return { word: 'padding', sequence };
    const found = plain[size - 1];
    if (found === NO_NEXT_HEADER) return { word: 'dummy', sequence };
    const payload = plain.subarray(0, length);
    const wanted = nextHeader === ESP_INNER_IP ? innerProtocol(payload) : nextHeader;
    return found === wanted ? { word: 'accepted', sequence, payload } : { word: 'nextHeader', sequence };
  }
}

interface Places {
  readonly framing: EspFraming;
  readonly joiner: Joiner;
  readonly others: PacketBatch;
  readonly report: Uint32Array;
}

/** Gives a payload to where it belongs. False: there is no room. */
function place(payload: Uint8Array, tag: number, { framing, joiner, others, report }: Places): boolean {
  const packet = unframe(framing, payload);
  if (packet !== undefined) {
    if (!joiner.hasRoom(packet.length)) return false;
    joiner.add(packet, tag);
    return true;
  }
  if (!fits(others, payload.length)) return false;
  others.arena.set(payload, others.used);
  append(others, payload.length, tag);
  countOne(report, 'others');
  return true;
}

function countOne(report: Uint32Array, word: Exclude<keyof typeof EspReport, 'words'>): void {
  report[EspReport[word]] = (report[EspReport[word]] ?? 0) + 1;
}

function packetAt(batch: PacketBatch, at: number): Uint8Array {
  checkPlace(batch, at);
  const offset = batch.offsets[at] ?? 0;
  return batch.arena.subarray(offset, offset + (batch.lengths[at] ?? 0));
}

function fits(batch: PacketBatch, size: number): boolean {
  return batch.count < slotsOf(batch) && size <= batch.arena.length - batch.used;
}

function append(batch: PacketBatch, size: number, tag: number): void {
  batch.offsets[batch.count] = batch.used;
  batch.lengths[batch.count] = size;
  batch.tags[batch.count] = tag;
  batch.count++;
  batch.used += size;
}
