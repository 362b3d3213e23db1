import type { PacketBatch } from '@culvert/base';
import { CipherError } from '../errors.ts';
import type { Native, NativeKey } from '../native.ts';
import type { ReplayWindow } from '../replay-window.ts';
import { Join, type SkippedPackets } from '../trains.ts';
import type { OpenvpnAeadKey, OpenvpnAeadOptions } from './aead.ts';
import { checkHeader, checkPacketIds, checkRange } from './check.ts';

/** The numbers by which the binary knows the ciphers. */
const cipherNumbers = { 'AES-256-GCM': 0, 'AES-128-GCM': 1, 'CHACHA20-POLY1305': 2 } as const;

const OUT_OF_BOUNDS = -1;
const CLOSED = -2;

/** OpenVPN's AEAD format by one native call a batch. */
export class NativeAeadKey implements OpenvpnAeadKey {
  readonly implementation = 'native';
  readonly skipped: SkippedPackets = { malformed: 0, oversized: 0 };
  readonly #native: Native;
  readonly #key: NativeKey;
  readonly #headerLength: number;
  /** dst.count and dst.used, as the binary reads and writes them. */
  readonly #cursor = new Uint32Array(2);

  constructor(native: Native, options: OpenvpnAeadOptions) {
    this.#native = native;
    this.#headerLength = options.format === 'v2' ? 4 : 1;
    const cipher = cipherNumbers[options.cipher];
    this.#key = native.openvpnAeadCreate(cipher, options.key, options.implicitIv, this.#headerLength);
  }

  seal(src: PacketBatch, first: number, dst: PacketBatch, header: number, packetId: number): number {
    const count = src.count - first;
    checkRange(src, first, count, dst);
    checkHeader(header, this.#headerLength);
    checkPacketIds(packetId, count);
    this.#begin(dst);
    const next = this.#native.openvpnAeadSeal(
      this.#key,
      this.#cursor,
      first,
      count,
      header,
      packetId,
      src.arena,
      src.offsets,
      src.lengths,
      src.tags,
      dst.arena,
      dst.offsets,
      dst.lengths,
      dst.tags,
    );
    return this.#finish(next, dst);
  }

  open(src: PacketBatch, first: number, count: number, dst: PacketBatch): number {
    checkRange(src, first, count, dst);
    this.#begin(dst);
    const next = this.#native.openvpnAeadOpen(
      this.#key,
      this.#cursor,
      first,
      count,
      src.arena,
      src.offsets,
      src.lengths,
      src.tags,
      dst.arena,
      dst.offsets,
      dst.lengths,
      dst.tags,
    );
    return this.#finish(next, dst);
  }

  openTrain(
    _src: PacketBatch,
    _first: number,
    _count: number,
    _dst: PacketBatch,
    _replay: ReplayWindow,
    _report: Uint32Array,
    _join: number = Join.tcp,
  ): number {
    throw new CipherError('CULVERT_CIPHER_FAILED', 'openTrain is not there yet');
  }

  close(): void {
    this.#native.openvpnAeadClose(this.#key);
  }

  #begin(dst: PacketBatch): void {
    this.#cursor[0] = dst.count;
    this.#cursor[1] = dst.used;
  }

  #finish(next: number, dst: PacketBatch): number {
    if (next < 0) throw failure(next);
    const [count = 0, used = 0] = this.#cursor;
    dst.count = count;
    dst.used = used;
    return next;
  }
}

function failure(code: number): Error {
  if (code === OUT_OF_BOUNDS) return new RangeError('a packet lies outside of its arena');
  return new CipherError(code === CLOSED ? 'CULVERT_CIPHER_CLOSED' : 'CULVERT_CIPHER_FAILED');
}
