import type { PacketBatch } from '@culvert/base';
import { CipherError } from './errors.ts';
import type { SkippedPackets } from './trains/face.ts';

const OUT_OF_BOUNDS = -1;
const CLOSED = -2;

/** Where a destination stands, and what was skipped, as the binary reads and writes them. */
export class NativeCursor {
  readonly words = new Uint32Array(4);
  readonly skipped: SkippedPackets = { malformed: 0, oversized: 0 };

  begin(dst: PacketBatch): Uint32Array {
    this.words[0] = dst.count;
    this.words[1] = dst.used;
    this.words[2] = this.words[3] = 0;
    return this.words;
  }

  /** `next` is what the binary returned. Throws when that is a failure. */
  finish(next: number, dst: PacketBatch): number {
    if (next < 0) throw failure(next);
    dst.count = this.words[0] ?? 0;
    dst.used = this.words[1] ?? 0;
    this.skipped.malformed += this.words[2] ?? 0;
    this.skipped.oversized += this.words[3] ?? 0;
    return next;
  }
}

function failure(code: number): Error {
  if (code === OUT_OF_BOUNDS) return new RangeError('a packet lies outside of its arena');
  return new CipherError(code === CLOSED ? 'CULVERT_CIPHER_CLOSED' : 'CULVERT_CIPHER_FAILED');
}
