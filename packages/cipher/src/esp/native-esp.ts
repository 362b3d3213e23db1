import type { PacketBatch } from '@culvert/base';
import { BoundBatches } from '../bound-batch.ts';
import { checkKinds, checkRange, checkReport, mostPackets } from '../check.ts';
import { Engine } from '../engines.ts';
import type { Native, NativeEsp } from '../native.ts';
import { Join, type SkippedPackets } from '../trains/face.ts';
import { ESP_INNER_IP } from './algorithms.ts';
import { checkFramed, checkNextHeader, checkSequences, checkWindow } from './check.ts';
import type { EspKey, EspKeyOptions } from './esp.ts';
import type { EspFraming } from './framing.ts';
import type { EspReplayWindow } from './replay-window.ts';
import { EspReport } from './report.ts';

const HALF = 2 ** 32;
/** The numbers by which the binary knows the algorithms. */
const encryptionNumbers = { 'aes-gcm-16': 0, 'aes-cbc': 1, '3des-cbc': 2 } as const;
const integrityNumbers = {
  'hmac-sha1-96': 0,
  'hmac-sha2-256-128': 1,
  'hmac-sha2-256-96': 2,
  'hmac-sha2-384-192': 3,
  'hmac-sha2-512-256': 4,
} as const;

/** ESP by one native call a batch. */
export class NativeEspKey implements EspKey {
  readonly implementation = 'native';
  readonly #native: Native;
  readonly #key: NativeEsp;
  readonly #esn: boolean;
  readonly #batches: BoundBatches;
  /** Remembers the second batch that a call fills. */
  readonly #beside: BoundBatches;

  constructor(native: Native, { algorithms, keys, esn = false }: EspKeyOptions) {
    this.#native = native;
    this.#batches = new BoundBatches(native);
    this.#beside = new BoundBatches(native);
    this.#esn = esn;
    this.#key = native.espCreate(
      encryptionNumbers[algorithms.encryption],
      algorithms.encryption === 'aes-gcm-16' ? 0 : integrityNumbers[algorithms.integrity],
      keys.spi,
      keys.encryptionKey,
      keys.integrityKey,
      esn ? 1 : 0,
      Engine.best,
    );
  }

  get skipped(): SkippedPackets {
    return this.#batches.skipped;
  }

  seal(src: PacketBatch, first: number, dst: PacketBatch, sequence: number, nextHeader: number): number {
    const count = src.count - first;
    checkRange(src, first, count, dst);
    checkKinds(src, dst, { src: false, dst: false });
    checkSequences(sequence, count, this.#esn);
    checkNextHeader(nextHeader, ESP_INNER_IP);
    const next = this.#native.espSeal(
      this.#key,
      this.#batches.handleOf(src),
      this.#batches.begin(dst),
      first,
      count,
      sequence % HALF,
      Math.floor(sequence / HALF),
      nextHeader,
    );
    return this.#batches.finish(next, dst);
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
    const next = this.#native.espOpen(
      this.#key,
      this.#batches.handleOf(src),
      this.#batches.begin(dst),
      first,
      count,
      replay.state,
      nextHeader,
      report,
    );
    return this.#batches.finish(next, dst);
  }

  sealFramed(
    src: PacketBatch,
    first: number,
    dst: PacketBatch,
    sequence: number,
    nextHeader: number,
    framing: EspFraming,
  ): number {
    const count = src.count - first;
    checkRange(src, first, count, dst);
    checkKinds(src, dst, { dst: false });
    checkSequences(sequence, mostPackets(src, first, dst), this.#esn);
    checkNextHeader(nextHeader);
    const next = this.#native.espSealFramed(
      this.#key,
      this.#batches.handleOf(src),
      this.#batches.begin(dst),
      first,
      count,
      src.virtio === true ? 1 : 0,
      sequence % HALF,
      Math.floor(sequence / HALF),
      nextHeader,
      framing.form,
    );
    return this.#batches.finish(next, dst);
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
    const beside = this.#beside.begin(others);
    const next = this.#native.espOpenFramed(
      this.#key,
      this.#batches.handleOf(src),
      this.#batches.begin(dst),
      first,
      count,
      dst.virtio === true ? 1 : 0,
      join,
      beside,
      replay.state,
      nextHeader,
      report,
      framing.form,
    );
    this.#beside.finish(next, others);
    return this.#batches.finish(next, dst);
  }

  close(): void {
    this.#native.espClose(this.#key);
  }
}
