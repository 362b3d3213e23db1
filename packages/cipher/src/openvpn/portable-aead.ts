import { type CipherChaCha20Poly1305Types, type CipherGCMTypes, createCipheriv, createDecipheriv } from 'node:crypto';
import type { PacketBatch } from '@culvert/base';
import {
  checkHeader,
  checkJoin,
  checkKinds,
  checkPacketIds,
  checkPlace,
  checkRange,
  checkReport,
  mostPackets,
  slotsOf,
} from '../check.ts';
import { CipherError } from '../errors.ts';
import type { ReplayWindow } from '../replay-window.ts';
import { Join, type SkippedPackets } from '../trains/face.ts';
import { Joiner } from '../trains/joiner.ts';
import { cutAll } from '../trains/segments.ts';
import { bytesOf } from '../trains/trains.ts';
import type { OpenvpnAeadKey, OpenvpnAeadOptions } from './aead.ts';
import { OpenReport } from './open-report.ts';

const TAG = 16;
const PACKET_ID = 4;

/** OpenVPN's AEAD format on node:crypto, packet by packet: the oracle of the native one, and its stand-in. */
export class PortableAeadKey implements OpenvpnAeadKey {
  readonly implementation = 'portable';
  readonly skipped: SkippedPackets = { malformed: 0, oversized: 0 };
  readonly #cipher: CipherGCMTypes;
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(12);
  readonly #headerLength: number;
  #closed = false;

  constructor(options: OpenvpnAeadOptions) {
    // Both kinds of AEAD have the same calls; node's types name them apart.
    const cipher: CipherGCMTypes | CipherChaCha20Poly1305Types = portableNames[options.cipher];
    this.#cipher = cipher as CipherGCMTypes;
    this.#key = options.key.slice();
    this.#nonce.set(options.implicitIv, PACKET_ID);
    this.#headerLength = options.format === 'v2' ? 4 : 1;
  }

  seal(src: PacketBatch, first: number, dst: PacketBatch, header: number, packetId: number): number {
    checkRange(src, first, src.count - first, dst);
    checkKinds(src, dst, { dst: false });
    checkHeader(header, this.#headerLength);
    checkPacketIds(packetId, mostPackets(src, first, dst));
    this.#checkOpen();
    const overhead = this.#prefix + TAG;
    let id = packetId;
    const sealOne = (plain: Uint8Array, tag: number) => {
      this.#sealInto(dst, plain, header, id++);
      append(dst, plain.length + overhead, tag);
    };
    if (src.virtio === true) return cutAll(src, first, dst, overhead, this.skipped, sealOne);
    for (let at = first; at < src.count; at++) {
      const plain = packetAt(src, at);
      if (plain.length === 0) continue;
      if (!fits(dst, plain.length + overhead)) return at;
      sealOne(plain, src.tags[at] ?? 0);
    }
    return src.count;
  }

  open(src: PacketBatch, first: number, count: number, dst: PacketBatch): number {
    checkRange(src, first, count, dst);
    checkKinds(src, dst, { src: false, dst: false });
    this.#checkOpen();
    for (let at = first; at < first + count; at++) {
      const datagram = packetAt(src, at);
      const size = Math.max(0, datagram.length - this.#prefix - TAG);
      if (!fits(dst, size)) return at;
      const plain = this.#openPacket(datagram);
      dst.arena.set(plain ?? new Uint8Array(size), dst.used);
      append(dst, plain?.length ?? 0, plain === undefined ? 0 : this.#packetIdOf(datagram));
    }
    return first + count;
  }

  openTrain(
    src: PacketBatch,
    first: number,
    count: number,
    dst: PacketBatch,
    replay: ReplayWindow,
    report: Uint32Array,
    join: number = Join.tcp,
  ): number {
    checkRange(src, first, count, dst);
    checkKinds(src, dst, { src: false });
    checkReport(report, OpenReport.words);
    checkJoin(join);
    this.#checkOpen();
    const last = first + count;
    for (let at = first; at < last; at++) checkPlace(src, at);
    report.fill(0, 0, OpenReport.words);
    const joiner = new Joiner(dst, join, bytesOf(src, first, last));
    let at = first;
    for (; at < last && this.#openInto(joiner, packetAt(src, at), src.tags[at] ?? 0, replay, report); at++);
    joiner.finish();
    const { packets, bytes, joined, foreign } = joiner.counts;
    report.set([packets, bytes, joined, foreign], OpenReport.packets);
    return at;
  }

  /** One datagram of `openTrain`. False: there is no room for it. */
  #openInto(joiner: Joiner, datagram: Uint8Array, tag: number, replay: ReplayWindow, report: Uint32Array): boolean {
    const size = datagram.length - this.#prefix - TAG;
    joiner.pass(datagram.length);
    if (size > 0 && !joiner.hasRoom(size)) return false;
    const plain = this.#openPacket(datagram);
    const accepted = plain !== undefined && replay.accept(this.#packetIdOf(datagram));
    const word = size < 0 ? 'tooShort' : plain === undefined ? 'failed' : accepted ? ('accepted' as const) : 'replayed';
    report[OpenReport[word]] = (report[OpenReport[word]] ?? 0) + 1;
    if (accepted && size > 0) joiner.add(plain, tag);
    return true;
  }

  close(): void {
    this.#key.fill(0);
    this.#nonce.fill(0);
    this.#closed = true;
  }

  get #prefix(): number {
    return this.#headerLength + PACKET_ID;
  }

  #checkOpen(): void {
    if (this.#closed) throw new CipherError('CULVERT_CIPHER_CLOSED');
  }

  #sealInto(dst: PacketBatch, plain: Uint8Array, header: number, packetId: number): void {
    const at = dst.used;
    if (this.#headerLength === 4) dst.view.setUint32(at, header);
    else dst.view.setUint8(at, header);
    dst.view.setUint32(at + this.#headerLength, packetId);
    const start = dst.arena.subarray(at, at + this.#prefix);
    const cipher = createCipheriv(this.#cipher, this.#key, this.#nonceOf(start), { authTagLength: TAG });
    cipher.setAAD(this.#authenticated(start));
    dst.arena.set(cipher.update(plain), at + this.#prefix + TAG);
    cipher.final();
    dst.arena.set(cipher.getAuthTag(), at + this.#prefix);
  }

  #openPacket(datagram: Uint8Array): Uint8Array | undefined {
    const sealed = this.#prefix + TAG;
    if (datagram.length < sealed) return undefined;
    const nonce = this.#nonceOf(datagram);
    const decipher = createDecipheriv(this.#cipher, this.#key, nonce, { authTagLength: TAG });
    decipher.setAAD(this.#authenticated(datagram));
    decipher.setAuthTag(datagram.subarray(this.#prefix, sealed));
    const plain = decipher.update(datagram.subarray(sealed));
    try {
      decipher.final();
      return plain;
    } catch {
      return undefined;
    }
  }

  #nonceOf(datagram: Uint8Array): Uint8Array {
    this.#nonce.set(datagram.subarray(this.#headerLength, this.#prefix));
    return this.#nonce;
  }

  /** v2 authenticates its whole header, v1 the packet id alone. */
  #authenticated(datagram: Uint8Array): Uint8Array {
    return datagram.subarray(this.#headerLength === 4 ? 0 : this.#headerLength, this.#prefix);
  }

  #packetIdOf(datagram: Uint8Array): number {
    return new DataView(datagram.buffer, datagram.byteOffset).getUint32(this.#headerLength);
  }
}

const portableNames = {
  'AES-256-GCM': 'aes-256-gcm',
  'AES-128-GCM': 'aes-128-gcm',
  'CHACHA20-POLY1305': 'chacha20-poly1305',
} as const;

function packetAt(batch: PacketBatch, at: number): Uint8Array {
  checkPlace(batch, at);
  const offset = batch.offsets[at] ?? 0;
  return batch.arena.subarray(offset, offset + (batch.lengths[at] ?? 0));
}

function fits(batch: PacketBatch, size: number): boolean {
  return batch.count < slotsOf(batch) && size <= batch.arena.length - batch.used;
}

/** A slot of length 0 takes no bytes of the arena. */
function append(batch: PacketBatch, size: number, tag: number): void {
  batch.offsets[batch.count] = batch.used;
  batch.lengths[batch.count] = size;
  batch.tags[batch.count] = tag;
  batch.count++;
  batch.used += size;
}
