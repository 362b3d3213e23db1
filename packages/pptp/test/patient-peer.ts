/**
 * A peer as pptp-linux and poptop are at the end of a call, after what was seen of them: a packet that is missing is waited for 0.3 s, and
 * until then neither is anything given that came behind it nor acknowledged. pptp-linux goes on when the time is over, poptop when a packet
 * comes after that, of which it takes a look at the queue first. Of the window that they are told they make no use.
 */
import type { Instant } from '@culvert/base';
import {
  GRE_HEADER_BYTES,
  hasSequence,
  headerLength,
  sequenceOf,
  writeAck,
  writeData,
  writeDataAndAck,
} from '../src/gre-header.ts';

const PATIENCE = 300;
const LONE_ACK = { 'pptp-linux': 500, poptop: 50 } as const;

export class PatientPeer {
  readonly #kind: keyof typeof LONE_ACK;
  readonly #peerCallId: number;
  readonly #onFrame: (frame: Uint8Array) => void;
  readonly #out: Uint8Array[] = [];
  /** What came too early, by number, and until when it waits. */
  readonly #early = new Map<number, { readonly frame: Uint8Array; readonly until: number }>();
  #received = -1;
  #acknowledged = -1;
  #ackAt: number | undefined;
  #sequence = 0;

  constructor(kind: keyof typeof LONE_ACK, peerCallId: number, onFrame: (frame: Uint8Array) => void) {
    this.#kind = kind;
    this.#peerCallId = peerCallId;
    this.#onFrame = onFrame;
  }

  send(frame: Uint8Array): void {
    const packet = new Uint8Array(GRE_HEADER_BYTES + frame.length);
    packet.set(frame, GRE_HEADER_BYTES);
    const view = new DataView(packet.buffer);
    const numbers = [GRE_HEADER_BYTES, frame.length, this.#peerCallId, this.#sequence++] as const;
    if (this.#received === this.#acknowledged) {
      writeData(view, ...numbers);
      this.#out.push(packet.subarray(4));
    } else {
      writeDataAndAck(view, ...numbers, this.#received);
      this.#out.push(packet);
      this.#acknowledge();
    }
  }

  handlePacket(packet: Uint8Array, now: Instant): void {
    this.#release(now);
    const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
    const sequence = hasSequence(view, 0) ? sequenceOf(view, 0) : this.#received;
    if (sequence > this.#received) {
      this.#early.set(sequence, { frame: packet.subarray(headerLength(view, 0)), until: now + PATIENCE });
      if (this.#kind === 'pptp-linux') this.#release(now);
      else if (sequence === this.#received + 1) this.#give(sequence);
    }
    if (this.#received === this.#acknowledged) return;
    if (this.#kind === 'pptp-linux' && this.#received > this.#acknowledged + 1) this.#sendAck();
    else this.#ackAt ??= now + LONE_ACK[this.#kind];
  }

  handleTimeout(now: Instant): void {
    if (this.#kind === 'pptp-linux') this.#release(now);
    if (this.#ackAt !== undefined && now >= this.#ackAt) this.#sendAck();
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#out.shift();
  }

  pollTimeout(): Instant | undefined {
    const next = this.#next();
    const until = next === undefined || this.#kind === 'poptop' ? undefined : this.#early.get(next)?.until;
    if (until === undefined) return this.#ackAt as Instant | undefined;
    return Math.min(until, this.#ackAt ?? until) as Instant;
  }

  /** What has its turn, or waited long enough. */
  #release(now: Instant): void {
    for (let at = this.#next(); at !== undefined; at = this.#next()) {
      if (at !== this.#received + 1 && (this.#early.get(at)?.until ?? 0) > now) return;
      this.#give(at);
    }
  }

  #give(sequence: number): void {
    const frame = this.#early.get(sequence)?.frame;
    this.#early.delete(sequence);
    this.#received = sequence;
    if (frame !== undefined) this.#onFrame(frame);
  }

  #next(): number | undefined {
    return this.#early.size === 0 ? undefined : Math.min(...this.#early.keys());
  }

  #sendAck(): void {
    const packet = new Uint8Array(12);
    writeAck(new DataView(packet.buffer), 0, this.#peerCallId, this.#received);
    this.#out.push(packet);
    this.#acknowledge();
  }

  #acknowledge(): void {
    this.#acknowledged = this.#received;
    this.#ackAt = undefined;
  }
}
