/**
 * One call of a tunnel: whose frames are whose, sequence numbers of data where they are asked for (RFC 2661, section 5.4), and the
 * frames that come before their driver knows of the session.
 *
 * Its tunnel moves it from stage to stage. Frames are never put in order: those that come late are dropped, as a gap is PPP's to bear.
 */
import type { Instant, Millis, PacketBatch } from '@culvert/base';
import { DATA_HEADER_BYTES, plainDataHeader, writeDataHeader } from './header.ts';

/** How long frames wait for ICCN and for the driver, and how many of what length. */
const HOLD: Millis = 1_000;
const MOST_HELD = 8;
const LONGEST_HELD = 2_048;

export class Session {
  readonly stats = { held: 0, late: 0, lost: 0 };
  readonly localTunnelId: number;
  readonly localId: number;
  readonly serial: number;
  peerId = 0;
  /** asked: ICRQ was sent. connecting: ICRP was sent. */
  stage: 'waiting' | 'asked' | 'connecting' | 'up' | 'closed' = 'waiting';
  /** By when it must be up. */
  deadline: Instant;
  /** Data carries sequence numbers. */
  sequencing = false;
  /** Either end said Sequencing Required: no data without numbers is sent. */
  sequencingRequired = false;
  readonly #held: { readonly frame: Uint8Array; readonly until: Instant }[] = [];
  #announced = false;
  #peerTunnelId = 0;
  #sent = 0;
  #expected: number | undefined;

  constructor(options: {
    readonly localTunnelId: number;
    readonly localId: number;
    readonly serial: number;
    readonly deadline: Instant;
  }) {
    this.localTunnelId = options.localTunnelId;
    this.localId = options.localId;
    this.serial = options.serial;
    this.deadline = options.deadline;
  }

  /** True once the driver heard of it: frames go straight to it. */
  get announced(): boolean {
    return this.#announced;
  }

  /** Ids for what we send. */
  address(peerTunnelId: number, peerId: number): void {
    this.#peerTunnelId = peerTunnelId;
    this.peerId = peerId;
  }

  /** The header of packets that we send without numbers; its length field, bytes 2 and 3, is to be filled in. */
  plainHeader(): Uint8Array {
    return plainDataHeader({ tunnelId: this.#peerTunnelId, sessionId: this.peerId }, true);
  }

  /** Such a header as the peer may send, its length field left empty, where it has one. */
  expectedHeader(withLength: boolean): Uint8Array {
    return plainDataHeader({ tunnelId: this.localTunnelId, sessionId: this.localId }, withLength);
  }

  /**
   * Writes the header of each packet in slots `from` to `batch.count - 1`. A slot comes as DATA_HEADER_BYTES that are nobody's and a frame
   * behind them; where the header is shorter the packet starts later.
   */
  wrap(batch: PacketBatch, from: number): void {
    if (this.stage !== 'up') throw new TypeError('the session is not up');
    const ids = { tunnelId: this.#peerTunnelId, sessionId: this.peerId };
    for (let slot = from; slot < batch.count; slot++) {
      const at = (batch.offsets[slot] ?? 0) + DATA_HEADER_BYTES;
      const length = (batch.lengths[slot] ?? 0) - DATA_HEADER_BYTES;
      const bytes = writeDataHeader(batch.view, at, length, ids, this.sequencing ? this.#sent : undefined);
      if (this.sequencing) this.#sent = (this.#sent + 1) & 0xffff;
      batch.offsets[slot] = at - bytes;
      batch.lengths[slot] = length + bytes;
    }
  }

  /** True: a frame with this number has its turn. `follow`: an LAC does as the LNS does. */
  accepts(ns: number | undefined, follow: boolean): boolean {
    if (follow) this.sequencing = ns !== undefined || this.sequencingRequired;
    if (ns === undefined) return true;
    const ahead = (ns - (this.#expected ?? ns)) & 0xffff;
    if (ahead >= 0x8000) {
      this.stats.late++;
      return false;
    }
    this.stats.lost += ahead;
    this.#expected = (ns + 1) & 0xffff;
    return true;
  }

  hold(frame: Uint8Array, now: Instant): void {
    if (this.#held.length >= MOST_HELD || frame.length > LONGEST_HELD) return;
    this.#held.push({ frame: frame.slice(), until: (now + HOLD) as Instant });
    this.stats.held++;
  }

  /** The driver hears of the session now: what waited, and is not too old. */
  announce(now: Instant): Uint8Array[] {
    this.#announced = true;
    const frames = this.#held.splice(0).filter(({ until }) => now <= until);
    return frames.map(({ frame }) => frame);
  }
}
