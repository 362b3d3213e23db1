import { type PacketBatch, virtioBytes } from '@culvert/base';
import { IPV4_HEADER, IPV6_HEADER } from '@culvert/wire';
import { checkJoin, checkKinds, checkPlace, checkRange, checkReport, slotsOf } from '../check.ts';
import { CipherError } from '../errors.ts';
import { Join, type SkippedPackets } from '../trains/face.ts';
import { Joiner } from '../trains/joiner.ts';
import { cutAll } from '../trains/segments.ts';
import { bytesOf } from '../trains/trains.ts';
import { type MppeFraming, type MppeKey, type MppeOptions, type MppeStrength, mppeOverhead } from './mppe.ts';
import { Rc4 } from './portable-rc4.ts';
import { initialSessionKey, nextSessionKey } from './portable-session-key.ts';
import { MppeReport } from './report.ts';
import { checkSkip } from './skip.ts';

// RFC 3078, section 3.
const FLUSHED = 0x8000;
const ENCRYPTED = 0x1000;
const COUNTS = 4096;
const PROTOCOL = 0xfd;
const INNER_IPV4 = 0x21;
const INNER_IPV6 = 0x57;

// Chosen, and explained in native/mppe-batch.h.
const MAX_AHEAD = COUNTS / 2;
const SPARE_PER_PACKET = 8;

/** MPPE packet by packet: the oracle of the native one, and its stand-in. */
export class PortableMppeKey implements MppeKey {
  readonly implementation = 'portable';
  readonly skipped: SkippedPackets = { malformed: 0, oversized: 0 };
  readonly #strength: MppeStrength;
  readonly #framing: MppeFraming;
  readonly #startKey: Uint8Array;
  #sessionKey: Uint8Array;
  #count = COUNTS - 1;
  #closed = false;

  constructor({ strength, startKey, framing }: MppeOptions) {
    this.#strength = strength;
    this.#framing = { ...framing };
    this.#startKey = startKey.slice();
    this.#sessionKey = initialSessionKey(startKey, strength);
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
    for (let step = 0; step < count; step++) {
      this.#sessionKey = nextSessionKey(this.#startKey, this.#sessionKey, this.#strength);
    }
    this.#count = (this.#count + count) % COUNTS;
  }

  close(): void {
    this.#startKey.fill(0);
    this.#sessionKey.fill(0);
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
    this.#sessionKey = nextSessionKey(this.#startKey, this.#sessionKey, this.#strength);
    this.#count = (this.#count + 1) % COUNTS;
    const { acfc, pfc, headroom } = this.#framing;
    const header = FLUSHED | ENCRYPTED | this.#count;
    const inner = Uint8Array.of(0, version === 4 ? INNER_IPV4 : INNER_IPV6, ...packet);
    new Rc4(this.#sessionKey).crypt(inner);
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
  ): 'accepted' | 'unencrypted' | 'late' | 'garbled' | undefined {
    const sealed = readFrame(frame);
    if (sealed === undefined) return 'unencrypted';
    const ahead = (sealed.count - this.#count + COUNTS) % COUNTS;
    if (ahead === 0 || ahead > MAX_AHEAD || ahead > budget.changes) return 'late';
    let key = this.#sessionKey;
    for (let step = 0; step < ahead; step++) key = nextSessionKey(this.#startKey, key, this.#strength);
    const plain = sealed.bytes.slice();
    new Rc4(key).crypt(plain);
    const packet = innerPacket(plain);
    if (packet !== undefined && !joiner.hasRoom(packet.length)) return undefined;
    budget.changes -= ahead;
    if (packet === undefined) return 'garbled';
    this.#sessionKey = key;
    this.#count = sealed.count;
    report[MppeReport.missing] = (report[MppeReport.missing] ?? 0) + ahead - 1;
    joiner.add(packet, tag);
    return 'accepted';
  }
}

function readFrame(frame: Uint8Array): { readonly count: number; readonly bytes: Uint8Array } | undefined {
  let at = frame[0] === 0xff && frame[1] === 0x03 ? 2 : 0;
  if (frame[at] === 0) at++;
  if (frame[at] !== PROTOCOL || frame.length - at < 4) return undefined;
  const header = ((frame[at + 1] ?? 0) << 8) | (frame[at + 2] ?? 0);
  if ((header & FLUSHED) === 0 || (header & ENCRYPTED) === 0) return undefined;
  return { count: header % COUNTS, bytes: frame.subarray(at + 3) };
}

/** The IP packet behind its protocol field of one or two bytes. RC4 authenticates nothing: this is all that tells a wrong key. */
function innerPacket(plain: Uint8Array): Uint8Array | undefined {
  const first = plain[0] ?? 0;
  const at = (first & 1) === 1 ? 1 : 2;
  if (plain.length <= at || (at === 2 && first !== 0)) return undefined;
  const packet = plain.subarray(at);
  const version = (packet[0] ?? 0) >> 4;
  const word = (offset: number) => ((packet[offset] ?? 0) << 8) | (packet[offset + 1] ?? 0);
  if (plain[at - 1] === INNER_IPV4) {
    if (packet.length < IPV4_HEADER || version !== 4) return undefined;
    const header = 4 * ((packet[0] ?? 0) & 15);
    const total = word(2);
    return header >= IPV4_HEADER && total >= header && total <= packet.length ? packet : undefined;
  }
  if (plain[at - 1] !== INNER_IPV6 || packet.length < IPV6_HEADER || version !== 6) return undefined;
  return IPV6_HEADER + word(4) <= packet.length ? packet : undefined;
}

function packetAt(batch: PacketBatch, at: number): Uint8Array {
  const offset = batch.offsets[at] ?? 0;
  return batch.arena.subarray(offset, offset + (batch.lengths[at] ?? 0));
}
