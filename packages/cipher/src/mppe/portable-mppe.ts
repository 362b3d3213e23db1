import { type PacketBatch, virtioBytes } from '@culvert/base';
import { checkJoin, checkKinds, checkPlace, checkRange, checkReport, slotsOf } from '../check.ts';
import { CipherError } from '../errors.ts';
import { Join, type SkippedPackets } from '../trains/face.ts';
import { Joiner } from '../trains/joiner.ts';
import { cutAll } from '../trains/segments.ts';
import { bytesOf } from '../trains/trains.ts';
import { type MppeFraming, type MppeKey, type MppeOptions, mppeOverhead } from './mppe.ts';
import { INNER_IPV4, INNER_IPV6, MAX_AHEAD, type MppeChain, PROTOCOL, readFrame } from './portable-chain.ts';
import { MppeReport } from './report.ts';
import { checkSkip } from './skip.ts';
import { StatefulChain } from './stateful-chain.ts';
import { StatelessChain } from './stateless-chain.ts';

// Chosen, and explained in native/mppe-batch.h.
const SPARE_PER_PACKET = 8;

/** MPPE packet by packet: the oracle of the native one, and its stand-in; with state there is no other. */
export class PortableMppeKey implements MppeKey {
  readonly implementation = 'portable';
  readonly skipped: SkippedPackets = { malformed: 0, oversized: 0 };
  readonly #framing: MppeFraming;
  readonly #chain: MppeChain;
  #closed = false;

  constructor(options: MppeOptions) {
    this.#framing = { ...options.framing };
    this.#chain = options.stateful === true ? new StatefulChain(options) : new StatelessChain(options);
  }

  seal(src: PacketBatch, first: number, dst: PacketBatch): number {
    checkRange(src, first, src.count - first, dst);
    checkKinds(src, dst, { dst: false });
    this.#checkOpen();
    const headroom = src.virtio === true ? virtioBytes : 0;
    for (let at = first; at < src.count; at++) if ((src.lengths[at] ?? 0) > 0) checkPlace(src, at);
    const overhead = mppeOverhead(this.#framing);
    const sealOne = (packet: Uint8Array, tag: number) => this.#sealInto(dst, packet, tag);
    if (headroom > 0) return cutAll(src, first, dst, overhead, this.skipped, sealOne);
    for (let at = first; at < src.count; at++) {
      const packet = packetAt(src, at);
      if (packet.length === 0) continue;
      if (dst.count >= slotsOf(dst) || packet.length + overhead > dst.arena.length - dst.used) return at;
      sealOne(packet, src.tags[at] ?? 0);
    }
    return src.count;
  }

  openTrain(
    src: PacketBatch,
    first: number,
    count: number,
    dst: PacketBatch,
    report: Uint32Array,
    join: number = Join.tcp,
  ): number {
    checkRange(src, first, count, dst);
    checkKinds(src, dst, { src: false });
    checkReport(report, MppeReport.words);
    checkJoin(join);
    this.#checkOpen();
    const last = first + count;
    for (let at = first; at < last; at++) checkPlace(src, at);
    report.fill(0, 0, MppeReport.words);
    const headroom = dst.virtio === true ? virtioBytes : 0;
    const joiner = new Joiner(dst, join, bytesOf(src, first, last) + headroom * count);
    const budget = { changes: MAX_AHEAD + SPARE_PER_PACKET * count };
    let at = first;
    for (; at < last; at++) {
      const frame = packetAt(src, at);
      joiner.pass(headroom + frame.length);
      const word = this.#open(frame, budget, joiner, src.tags[at] ?? 0, report);
      if (word === undefined) break;
      report[MppeReport[word]] = (report[MppeReport[word]] ?? 0) + 1;
    }
    joiner.finish();
    report.set([joiner.counts.packets, joiner.counts.bytes, joiner.counts.joined], MppeReport.packets);
    return at;
  }

  skip(count: number): void {
    checkSkip(count);
    this.#checkOpen();
    this.#chain.skip(count);
  }

  flush(): void {
    this.#checkOpen();
    this.#chain.flush();
  }

  close(): void {
    this.#chain.close();
    this.#closed = true;
  }

  #checkOpen(): void {
    if (this.#closed) throw new CipherError('CULVERT_CIPHER_CLOSED');
  }

  #sealInto(dst: PacketBatch, packet: Uint8Array, tag: number): void {
    const version = (packet[0] ?? 0) >> 4;
    if (version !== 4 && version !== 6) {
      this.skipped.malformed++;
      return;
    }
    const { acfc, pfc, headroom } = this.#framing;
    const inner = Uint8Array.of(0, version === 4 ? INNER_IPV4 : INNER_IPV6, ...packet);
    const header = this.#chain.seal(inner);
    const frame = [
      ...new Uint8Array(headroom),
      ...(acfc ? [] : [0xff, 0x03]),
      ...(pfc ? [PROTOCOL] : [0, PROTOCOL]),
      ...[header >>> 8, header & 0xff],
      ...inner,
    ];
    dst.arena.set(frame, dst.used);
    dst.offsets[dst.count] = dst.used;
    dst.lengths[dst.count] = frame.length;
    dst.tags[dst.count] = tag;
    dst.count++;
    dst.used += frame.length;
  }

  /** The word of the report for one frame; undefined when there is no room for its packet. */
  #open(
    frame: Uint8Array,
    budget: { changes: number },
    joiner: Joiner,
    tag: number,
    report: Uint32Array,
  ): 'accepted' | 'unencrypted' | 'late' | 'garbled' | 'waiting' | undefined {
    const frameBytes = readFrame(frame);
    if (frameBytes === undefined) return 'unencrypted';
    const opening = this.#chain.open(frameBytes.header, frameBytes.sealed, budget.changes);
    if (typeof opening === 'string') return opening;
    const { packet, spent, missing } = opening;
    if (packet !== undefined && !joiner.hasRoom(packet.length)) return undefined;
    budget.changes -= spent;
    if (packet === undefined) return 'garbled';
    opening.accept();
    report[MppeReport.missing] = (report[MppeReport.missing] ?? 0) + missing;
    joiner.add(packet, tag);
    return 'accepted';
  }
}

function packetAt(batch: PacketBatch, at: number): Uint8Array {
  const offset = batch.offsets[at] ?? 0;
  return batch.arena.subarray(offset, offset + (batch.lengths[at] ?? 0));
}
