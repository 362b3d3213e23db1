import type { PacketBatch } from '@culvert/base';
import { BoundBatches } from '../bound-batch.ts';
import { checkHeader, checkJoin, checkKinds, checkPacketIds, checkRange, checkReport, mostPackets } from '../check.ts';
import { Engine } from '../engines.ts';
import type { Native, NativeKey } from '../native.ts';
import type { ReplayWindow } from '../replay-window.ts';
import { Join, type SkippedPackets } from '../trains/face.ts';
import type { OpenvpnAeadKey, OpenvpnAeadOptions } from './aead.ts';
import { OpenReport } from './open-report.ts';

/** The numbers by which the binary knows the ciphers. */
const cipherNumbers = { 'AES-256-GCM': 0, 'AES-128-GCM': 1, 'CHACHA20-POLY1305': 2 } as const;

/** OpenVPN's AEAD format by one native call a batch. */
export class NativeAeadKey implements OpenvpnAeadKey {
  readonly implementation = 'native';
  readonly #native: Native;
  readonly #key: NativeKey;
  readonly #headerLength: number;
  readonly #batches: BoundBatches;

  /** @param engine that of `Engine`, for tests and measurements */
  constructor(native: Native, options: OpenvpnAeadOptions, engine: number = Engine.best) {
    this.#native = native;
    this.#batches = new BoundBatches(native);
    this.#headerLength = options.format === 'v2' ? 4 : 1;
    const cipher = cipherNumbers[options.cipher];
    this.#key = native.openvpnAeadCreate(cipher, options.key, options.implicitIv, this.#headerLength, engine);
  }

  get skipped(): SkippedPackets {
    return this.#batches.skipped;
  }

  seal(src: PacketBatch, first: number, dst: PacketBatch, header: number, packetId: number): number {
    const count = src.count - first;
    checkRange(src, first, count, dst);
    checkKinds(src, dst, { dst: false });
    checkHeader(header, this.#headerLength);
    checkPacketIds(packetId, mostPackets(src, first, dst));
    const next = this.#native.openvpnAeadSeal(
      this.#key,
      this.#batches.handleOf(src),
      this.#batches.begin(dst),
      first,
      count,
      src.virtio === true ? 1 : 0,
      header,
      packetId,
    );
    return this.#batches.finish(next, dst);
  }

  open(src: PacketBatch, first: number, count: number, dst: PacketBatch): number {
    checkRange(src, first, count, dst);
    checkKinds(src, dst, { src: false, dst: false });
    const next = this.#native.openvpnAeadOpen(
      this.#key,
      this.#batches.handleOf(src),
      this.#batches.begin(dst),
      first,
      count,
    );
    return this.#batches.finish(next, dst);
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
    const next = this.#native.openvpnAeadOpenTrain(
      this.#key,
      this.#batches.handleOf(src),
      this.#batches.begin(dst),
      first,
      count,
      dst.virtio === true ? 1 : 0,
      join,
      replay.state,
      report,
    );
    return this.#batches.finish(next, dst);
  }

  close(): void {
    this.#native.openvpnAeadClose(this.#key);
  }
}
