import type { PacketBatch } from '@culvert/base';
import { BoundBatches } from '../bound-batch.ts';
import { checkJoin, checkKinds, checkRange, checkReport } from '../check.ts';
import { CipherError } from '../errors.ts';
import type { Native, NativeMppe } from '../native.ts';
import { Join, type SkippedPackets } from '../trains/face.ts';
import type { MppeKey, MppeOptions } from './mppe.ts';
import { MppeReport } from './report.ts';
import { checkSkip } from './skip.ts';

/** The bits of `mppeCreate`. */
const ACFC = 1;
const PFC = 2;

/** MPPE without state, by one native call a batch. */
export class NativeMppeKey implements MppeKey {
  readonly implementation = 'native';
  readonly #native: Native;
  readonly #key: NativeMppe;
  readonly #batches: BoundBatches;

  constructor(native: Native, { strength, startKey, framing }: MppeOptions) {
    this.#native = native;
    this.#batches = new BoundBatches(native);
    const bits = (framing.acfc ? ACFC : 0) | (framing.pfc ? PFC : 0);
    this.#key = native.mppeCreate(strength, startKey, bits, framing.headroom);
  }

  get skipped(): SkippedPackets {
    return this.#batches.skipped;
  }

  seal(src: PacketBatch, first: number, dst: PacketBatch): number {
    const count = src.count - first;
    checkRange(src, first, count, dst);
    checkKinds(src, dst, { dst: false });
    const next = this.#native.mppeSeal(
      this.#key,
      this.#batches.handleOf(src),
      this.#batches.begin(dst),
      first,
      count,
      src.virtio === true ? 1 : 0,
    );
    return this.#batches.finish(next, dst);
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
    report[MppeReport.waiting] = 0;
    const next = this.#native.mppeOpenTrain(
      this.#key,
      this.#batches.handleOf(src),
      this.#batches.begin(dst),
      first,
      count,
      dst.virtio === true ? 1 : 0,
      join,
      report,
    );
    return this.#batches.finish(next, dst);
  }

  skip(count: number): void {
    checkSkip(count);
    if (!this.#native.mppeSkip(this.#key, count)) throw new CipherError('CULVERT_CIPHER_CLOSED');
  }

  /** Every packet has a key of its own. */
  flush(): void {}

  close(): void {
    this.#native.mppeClose(this.#key);
  }
}
