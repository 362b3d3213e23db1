import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import type { PacketBatch } from '@culvert/base';
import { checkKinds, checkPlace, checkRange, checkReport, slotsOf } from '../check.ts';
import { CipherError } from '../errors.ts';
import { type EspAlgorithms, type EspForm, espForm, integrityForms } from './algorithms.ts';
import { checkNextHeader, checkSequences, checkWindow } from './check.ts';
import type { EspKey, EspKeyOptions } from './esp.ts';
import type { EspReplayWindow } from './replay-window.ts';
import { EspReport } from './report.ts';

const HALF = 2 ** 32;
const NO_NEXT_HEADER = 59;

/** ESP on node:crypto, packet by packet: the oracle of the native one, and its stand-in. */
export class PortableEspKey implements EspKey {
  readonly implementation = 'portable';
  readonly #algorithms: EspAlgorithms;
  readonly #form: EspForm;
  readonly #spi: number;
  readonly #encryptionKey: Uint8Array;
  readonly #integrityKey: Uint8Array;
  readonly #salt: Uint8Array;
  readonly #esn: boolean;
  #closed = false;

  constructor({ algorithms, keys, esn = false }: EspKeyOptions) {
    this.#algorithms = algorithms;
    this.#form = espForm(algorithms);
    this.#spi = keys.spi;
    this.#encryptionKey = keys.encryptionKey.slice(0, algorithms.keyBytes);
    this.#salt = keys.encryptionKey.slice(algorithms.keyBytes);
    this.#integrityKey = keys.integrityKey.slice();
    this.#esn = esn;
  }

  seal(src: PacketBatch, first: number, dst: PacketBatch, sequence: number, nextHeader: number): number {
    checkRange(src, first, src.count - first, dst);
    checkKinds(src, dst, { src: false, dst: false });
    checkSequences(sequence, src.count - first, this.#esn);
    checkNextHeader(nextHeader);
    this.#checkOpen();
    let next = sequence;
    for (let at = first; at < src.count; at++) {
      const payload = packetAt(src, at);
      if (payload.length === 0) continue;
      const padded = Math.ceil((payload.length + 2) / this.#form.block) * this.#form.block;
      if (!fits(dst, this.#form.head + padded + this.#form.icv)) return at;
      const plain = new Uint8Array(padded);
      plain.set(payload);
      const padLength = padded - payload.length - 2;
      for (let i = 1; i <= padLength; i++) plain[payload.length + i - 1] = i;
      plain.set([padLength, nextHeader], padded - 2);
      const packet = this.#seal(plain, next++);
      dst.arena.set(packet, dst.used);
      append(dst, packet.length, src.tags[at] ?? 0);
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
    checkNextHeader(nextHeader);
    checkWindow(replay, this.#esn);
    this.#checkOpen();
    for (let at = first; at < first + count; at++) checkPlace(src, at);
    report.fill(0, 0, EspReport.words);
    for (let at = first; at < first + count; at++) {
      const packet = packetAt(src, at);
      const size = packet.length - this.#form.head - this.#form.icv;
      if (!fits(dst, Math.max(0, size))) return at;
      const opened = this.#openOne(packet, size, replay, nextHeader);
      const word = typeof opened === 'string' ? opened : 'accepted';
      report[EspReport[word]] = (report[EspReport[word]] ?? 0) + 1;
      if (typeof opened === 'string') continue;
      report[EspReport.bytes] = (report[EspReport.bytes] ?? 0) + opened.length;
      dst.arena.set(opened, dst.used);
      append(dst, opened.length, src.tags[at] ?? 0);
    }
    return first + count;
  }

  close(): void {
    for (const secret of [this.#encryptionKey, this.#integrityKey, this.#salt]) secret.fill(0);
    this.#closed = true;
  }

  #checkOpen(): void {
    if (this.#closed) throw new CipherError('CULVERT_CIPHER_CLOSED');
  }

  #openOne(
    packet: Uint8Array,
    size: number,
    replay: EspReplayWindow,
    nextHeader: number,
  ): Uint8Array | Exclude<keyof typeof EspReport, 'accepted' | 'bytes' | 'words'> {
    if (size < this.#form.block || size % this.#form.block !== 0) return 'malformed';
    const view = new DataView(packet.buffer, packet.byteOffset);
    if (view.getUint32(0) !== this.#spi) return 'failed';
    const sequence = replay.sequenceOf(view.getUint32(4));
    if (!replay.isFresh(sequence)) return 'replayed';
    const plain = this.#open(packet, size, sequence);
    if (plain === undefined) return 'failed';
    replay.mark(sequence);
    const padLength = plain[size - 2] ?? 0;
    const length = size - 2 - padLength;
    if (length < 0) return 'padding';
    for (let i = 1; i <= padLength; i++) if (plain[length + i - 1] !== i) return 'padding';
    const found = plain[size - 1];
    if (found === NO_NEXT_HEADER) return 'dummy';
    return found === nextHeader ? plain.subarray(0, length) : 'nextHeader';
  }

  #seal(plain: Uint8Array, sequence: number): Uint8Array {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(this.#spi, 0);
    head.writeUInt32BE(sequence % HALF, 4);
    if (this.#algorithms.encryption === 'aes-gcm-16') {
      const iv = numberBytes(sequence, 8);
      const options = { authTagLength: this.#form.icv };
      const cipher = createCipheriv(this.#gcmName, this.#encryptionKey, Buffer.concat([this.#salt, iv]), options);
      cipher.setAAD(this.#additionalData(sequence));
      const sealed = cipher.update(plain);
      cipher.final();
      return Buffer.concat([head, iv, sealed, cipher.getAuthTag()]);
    }
    // The first block enciphered under an IV of zeros is the IV of those behind it.
    const { block } = this.#form;
    const cipher = createCipheriv(this.#cbcName, this.#encryptionKey, new Uint8Array(block)).setAutoPadding(false);
    const sealed = Buffer.concat([head, cipher.update(numberBytes(sequence, block)), cipher.update(plain)]);
    cipher.final();
    return Buffer.concat([sealed, this.#icv(sealed, sequence)]);
  }

  /** The plaintext with its trailer; undefined when the packet is not authentic. */
  #open(packet: Uint8Array, size: number, sequence: number): Uint8Array | undefined {
    const { head, icv } = this.#form;
    const end = head + size;
    const [iv, sealed, given] = [packet.subarray(8, head), packet.subarray(head, end), packet.subarray(end)];
    if (this.#algorithms.encryption === 'aes-gcm-16') {
      const nonce = Buffer.concat([this.#salt, iv]);
      const decipher = createDecipheriv(this.#gcmName, this.#encryptionKey, nonce, { authTagLength: icv });
      decipher.setAAD(this.#additionalData(sequence)).setAuthTag(given);
      const plain = decipher.update(sealed);
      try {
        decipher.final();
        return plain;
      } catch {
        return undefined;
      }
    }
    if (!timingSafeEqual(this.#icv(packet.subarray(0, end), sequence), given)) return undefined;
    const decipher = createDecipheriv(this.#cbcName, this.#encryptionKey, iv).setAutoPadding(false);
    return Buffer.concat([decipher.update(sealed), decipher.final()]);
  }

  /** SPI and sequence number, with ESN all 64 bits of it (RFC 4106, section 5). */
  #additionalData(sequence: number): Uint8Array {
    return Buffer.concat([numberBytes(this.#spi, 4), numberBytes(sequence, this.#esn ? 8 : 4)]);
  }

  #icv(authenticated: Uint8Array, sequence: number): Uint8Array {
    if (this.#algorithms.encryption === 'aes-gcm-16') throw new TypeError('GCM has a tag of its own');
    const { hash, icvBytes } = integrityForms[this.#algorithms.integrity];
    const hmac = createHmac(hash, this.#integrityKey).update(authenticated);
    if (this.#esn) hmac.update(numberBytes(Math.floor(sequence / HALF), 4));
    return hmac.digest().subarray(0, icvBytes);
  }

  get #gcmName(): CipherGCMTypes {
    return `aes-${(8 * this.#algorithms.keyBytes) as 128 | 192 | 256}-gcm`;
  }

  get #cbcName(): string {
    return this.#algorithms.encryption === '3des-cbc' ? 'des-ede3-cbc' : `aes-${8 * this.#algorithms.keyBytes}-cbc`;
  }
}

/** In network order, zeros in front. */
function numberBytes(value: number, bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  out.writeUInt32BE(value % HALF, bytes - 4);
  if (bytes >= 8) out.writeUInt32BE(Math.floor(value / HALF), bytes - 8);
  return out;
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
