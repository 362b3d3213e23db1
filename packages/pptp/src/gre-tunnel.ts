/**
 * One call's packets (RFC 2637, section 4): sequence numbers, acknowledgements, order.
 *
 * Owns what goes between the frames of PPP and the packets of IP, whole batches at a time and without an allocation for a packet.
 * Leaves to its owner whose packets these are (`CallTable`) and what the frames mean.
 *
 * Packets leave in the order in which `wrap` saw them, so sealing and wrapping happen when they leave, not before: Windows throws away
 * what comes out of order, and stateless MPPE bears gaps but no way back. On the way in a frame that comes too early waits a moment for
 * those before it; one that comes too late is dropped.
 */
import type { Instant, Millis, PacketBatch } from '@culvert/base';
import { AckWindow } from './ack-window.ts';
import {
  acknowledgementOf,
  GRE_HEADER_BYTES,
  hasAcknowledgement,
  hasSequence,
  headerLength,
  isGre,
  payloadLength,
  SHORT_HEADER_BYTES,
  sequenceOf,
  writeAck,
  writeData,
  writeDataAndAck,
} from './gre-header.ts';
import { ReorderBuffer } from './reorder-buffer.ts';

export interface GreTunnelOptions {
  /** The peer's, which goes into our packets. */
  readonly peerCallId: number;
  /** Packets that the peer said to take without acknowledging: see `AckWindow`. */
  readonly peerWindow: number;
  /** How long a frame waits for those before it, at most 300. @default 40 */
  readonly reorderWait?: Millis | undefined;
  /** The longest frame that may wait. @default 1_600 */
  readonly longestFrame?: number | undefined;
  /** Where frames go: slots `first` to `first + count - 1` of `batch`, of which those of length 0 are none. Lent for the call. */
  readonly onFrames: (batch: PacketBatch, first: number, count: number) => void;
}

const DEFAULT_REORDER_WAIT: Millis = 40;
const LONGEST_REORDER_WAIT: Millis = 300;
const DEFAULT_LONGEST_FRAME = 1_600;
/** Frames that wait. At a gigabit a second that is less than a millisecond's worth. */
const REORDER_SLOTS = 64;
/**
 * A number that is so far ahead of the highest one is believed when the next packet, or one soon after it, goes on from there: otherwise
 * one forged or damaged packet would make all true ones late.
 */
const FAR = 256;
const JUMP_CONFIRMED_BY = 8;
/** A lone acknowledgement leaves so long after the packet, if no data took it along (pptp-linux: 500, the kernel: at once). */
const ACK_DELAY: Millis = 100;
/** After so many packets at once: peers that keep to a window must not wait. */
const ACK_EVERY = 32;

export class GreTunnel {
  readonly stats = {
    framesIn: 0,
    framesOut: 0,
    malformed: 0,
    /** Came out of order and was put right. */
    reordered: 0,
    /** Never came, or came too late. */
    lost: 0,
    late: 0,
    duplicates: 0,
    /** Too far ahead to be believed at once. */
    far: 0,
    /** More than the peer keeps up with: not sent. */
    windowFull: 0,
    acksOut: 0,
    /** Sent because the peer owed us an acknowledgement: see `AckWindow`. */
    nudges: 0,
  };
  readonly window: AckWindow;
  readonly #options: GreTunnelOptions;
  readonly #reorderWait: Millis;
  readonly #longestFrame: number;
  readonly #ack = new Uint8Array(SHORT_HEADER_BYTES);
  readonly #ackView = new DataView(this.#ack.buffer);
  #sequence = 0;
  /** The sequence number that comes next, an int32. */
  #next: number | undefined;
  #highest = 0;
  /** Where the latest packet that was too far ahead would have gone on from. */
  #jump: number | undefined;
  #unacknowledged = 0;
  #ackAt: Instant | undefined;
  #ackIsDue = false;
  #buffer: ReorderBuffer | undefined;
  #releaseAt: Instant | undefined;
  /** In the batch at hand: what lies from here on has not been given yet. */
  #run = 0;

  constructor(options: GreTunnelOptions) {
    const wait = options.reorderWait ?? DEFAULT_REORDER_WAIT;
    if (!(wait >= 0 && wait <= LONGEST_REORDER_WAIT)) throw new RangeError(`a frame cannot wait ${wait} ms`);
    this.#options = options;
    this.#reorderWait = wait;
    this.#longestFrame = options.longestFrame ?? DEFAULT_LONGEST_FRAME;
    this.window = new AckWindow(options.peerWindow);
  }

  // In: what happened.

  /** Drops, from the end of slots `from` to `batch.count - 1`, what the peer does not keep up with. For frames of data, before `wrap`. */
  limit(batch: PacketBatch, from: number, now: Instant): void {
    const most = from + this.window.room(now);
    if (batch.count <= most) return;
    this.stats.windowFull += batch.count - most;
    batch.count = most;
  }

  /**
   * Writes the header of each packet in slots `from` to `batch.count - 1`. A slot comes as GRE_HEADER_BYTES that are nobody's and a
   * frame behind them, as sealing leaves it; where the header is shorter the packet starts later.
   */
  wrap(batch: PacketBatch, from: number, now: Instant): void {
    const count = batch.count - from;
    if (count <= 0) return;
    this.window.sent(this.#sequence, count, now);
    for (let slot = from; slot < batch.count; slot++) this.#wrapOne(batch, slot);
    this.stats.framesOut += count;
  }

  /** Packets `first` to `first + count - 1` of `batch`, all of this call. Their offsets and lengths are used up. */
  handleBatch(batch: PacketBatch, first: number, count: number, now: Instant): void {
    const end = first + count;
    this.#run = first;
    for (let slot = first; slot < end; slot++) this.#handle(batch, slot, now);
    this.#give(batch, end);
    if (this.#unacknowledged >= ACK_EVERY) this.#askForAck();
    else if (this.#unacknowledged > 0 && !this.#ackIsDue) this.#ackAt ??= (now + ACK_DELAY) as Instant;
  }

  handleTimeout(now: Instant): void {
    if (this.#releaseAt !== undefined && now >= this.#releaseAt) this.#release();
    if (this.#ackAt !== undefined && now >= this.#ackAt) this.#askForAck();
    if (this.#next === undefined) return;
    const { nudgeAt } = this.window;
    if (nudgeAt === undefined || now < nudgeAt) return;
    this.window.nudged(now);
    this.stats.nudges++;
    this.#askForAck();
  }

  // Out.

  /** A packet that acknowledges and nothing else, of 12 bytes; lent until the next call. Its order among others does not matter. */
  pollTransmit(): Uint8Array | undefined {
    if (!this.#ackIsDue) return undefined;
    writeAck(this.#ackView, 0, this.#options.peerCallId, this.#highest);
    this.#acknowledge();
    this.stats.acksOut++;
    return this.#ack;
  }

  pollTimeout(): Instant | undefined {
    const nudgeAt = this.#next === undefined ? undefined : this.window.nudgeAt;
    return earlier(nudgeAt, earlier(this.#ackAt, this.#releaseAt));
  }

  #wrapOne({ view, offsets, lengths }: PacketBatch, slot: number): void {
    const [at = 0, length = 0] = [offsets[slot], lengths[slot]];
    const frame = at + GRE_HEADER_BYTES;
    const frameLength = length - GRE_HEADER_BYTES;
    const { peerCallId } = this.#options;
    if (this.#unacknowledged > 0) {
      writeDataAndAck(view, frame, frameLength, peerCallId, this.#sequence, this.#highest);
      this.#acknowledge();
    } else {
      writeData(view, frame, frameLength, peerCallId, this.#sequence);
      offsets[slot] = frame - SHORT_HEADER_BYTES;
      lengths[slot] = frameLength + SHORT_HEADER_BYTES;
    }
    this.#sequence = (this.#sequence + 1) | 0;
  }

  /** Leaves in the slot the frame that is to be given in its turn, or length 0. */
  #handle(batch: PacketBatch, slot: number, now: Instant): void {
    const { view, offsets, lengths } = batch;
    const [at = 0, length = 0] = [offsets[slot], lengths[slot]];
    lengths[slot] = 0;
    if (!isGre(view, at, length)) {
      this.stats.malformed++;
      return;
    }
    if (hasAcknowledgement(view, at)) this.window.acknowledged(acknowledgementOf(view, at), now);
    if (!hasSequence(view, at)) return;
    const frameLength = payloadLength(view, at);
    if (frameLength === 0) {
      this.stats.malformed++;
      return;
    }
    offsets[slot] = at + headerLength(view, at);
    const sequence = sequenceOf(view, at);
    this.#next ??= this.#highest = sequence;
    const ahead = (sequence - this.#next) | 0;
    if (ahead < 0) this.stats.late++;
    else if (ahead === 0) this.#inOrder(batch, slot, frameLength, sequence);
    else this.#early(batch, slot, frameLength, sequence, now);
  }

  #inOrder(batch: PacketBatch, slot: number, length: number, sequence: number): void {
    batch.lengths[slot] = length;
    this.#next = (sequence + 1) | 0;
    this.stats.framesIn++;
    this.#received(sequence);
    if (this.#buffer === undefined || this.#buffer.held === 0) return;
    this.#give(batch, slot + 1);
    this.#giveHeld();
  }

  #early(batch: PacketBatch, slot: number, length: number, sequence: number, now: Instant): void {
    if (((sequence - this.#highest) | 0) >= FAR && !this.#confirmsJump(sequence)) {
      this.stats.far++;
      return;
    }
    const mayWait = this.#reorderWait > 0 && length <= this.#longestFrame;
    if (!mayWait || this.#ahead(sequence) >= REORDER_SLOTS) {
      this.#give(batch, slot);
      this.#release();
    }
    const ahead = this.#ahead(sequence);
    if (ahead > 0 && ahead < REORDER_SLOTS && mayWait) {
      this.#hold(batch, slot, length, sequence, now);
      return;
    }
    this.stats.lost += ahead;
    this.#inOrder(batch, slot, length, sequence);
  }

  #confirmsJump(sequence: number): boolean {
    const beyond = this.#jump === undefined ? 0 : (sequence - this.#jump) | 0;
    this.#jump = sequence;
    return beyond > 0 && beyond <= JUMP_CONFIRMED_BY;
  }

  #hold(batch: PacketBatch, slot: number, length: number, sequence: number, now: Instant): void {
    this.#buffer ??= new ReorderBuffer(REORDER_SLOTS, this.#longestFrame);
    if (!this.#buffer.put(sequence, batch, batch.offsets[slot] ?? 0, length)) {
      this.stats.duplicates++;
      return;
    }
    this.#received(sequence);
    this.#releaseAt ??= (now + this.#reorderWait) as Instant;
  }

  /** Gives what lies in its place from the run's start up to `end`. */
  #give(batch: PacketBatch, end: number): void {
    const first = this.#run;
    this.#run = end;
    if (end > first) this.#options.onFrames(batch, first, end - first);
  }

  /** Gives what waited and has its turn now. */
  #giveHeld(): void {
    const buffer = this.#buffer;
    while (buffer !== undefined && buffer.held > 0 && this.#next !== undefined) {
      const count = buffer.runFrom(this.#next);
      if (count === 0) return;
      const first = buffer.firstSlot(this.#next);
      this.#next = (this.#next + count) | 0;
      this.stats.framesIn += count;
      this.stats.reordered += count;
      this.#options.onFrames(buffer.batch, first, count);
      buffer.free(first, count);
    }
    this.#releaseAt = undefined;
  }

  /** Gives all that waited; what was missing among them is lost. */
  #release(): void {
    this.#releaseAt = undefined;
    while (this.#buffer !== undefined && this.#buffer.held > 0 && this.#next !== undefined) {
      while (!this.#buffer.has(this.#next)) {
        this.#next = (this.#next + 1) | 0;
        this.stats.lost++;
      }
      this.#giveHeld();
    }
  }

  #ahead(sequence: number): number {
    return (sequence - (this.#next ?? sequence)) | 0;
  }

  #received(sequence: number): void {
    if (((sequence - this.#highest) | 0) > 0) this.#highest = sequence;
    this.#unacknowledged++;
  }

  #askForAck(): void {
    this.#ackIsDue = true;
    this.#ackAt = undefined;
  }

  /** The acknowledgement that was due has left. */
  #acknowledge(): void {
    this.#unacknowledged = 0;
    this.#ackAt = undefined;
    this.#ackIsDue = false;
  }
}

function earlier(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  return b === undefined || a < b ? a : b;
}
