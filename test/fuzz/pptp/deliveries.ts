/**
 * What may come out of a data path: packets that lie in frames which were sent to it, each once, in the order of GRE's sequence numbers.
 * MPPE authenticates nothing, so a spoiled frame may be taken for another packet; but for no other than what its bytes say under the key
 * of its count.
 */
import type { MppePeer } from '../../../packages/cipher/test/mppe-peer.ts';

const COUNTS = 0x1000;

interface Pending {
  readonly sequence: number;
  /** The number that it was sealed with, where nobody changed it. */
  readonly number: number | undefined;
  readonly count: number;
  readonly sealed: Uint8Array;
  /** What lies in it, where that is known. */
  readonly plain: Buffer | undefined;
}

/** A frame as it was sealed. */
export interface Sealed {
  readonly number: number;
  /** Protocol and packet. */
  readonly plain: Buffer;
}

export class Deliveries {
  /** Undefined: with state, where only what is as it was sealed can be known. */
  readonly #mppe: MppePeer | undefined;
  #pending: Pending[] = [];
  #delivered: Uint8Array[] = [];
  /** Of the last packet that came out: its sequence number, and the number of its key. */
  #sequence: number | undefined;
  #number: number;
  /** With state: something was spoiled, so that keystreams are not known any more. */
  isBlind = false;

  /** @param number of the key that was used last */
  constructor(mppe: MppePeer | undefined, number: number) {
    this.#mppe = mppe;
    this.#number = number;
  }

  /** A frame goes to the data path; `sealed` where nobody changed it since. */
  sent(frame: Uint8Array, sequence: number, sealed: Sealed | undefined): void {
    const at = countAt(frame);
    if (at === undefined) return;
    const count = (((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0)) % COUNTS;
    const { number, plain } = sealed ?? { number: undefined, plain: undefined };
    this.#pending.push({ sequence, number, count, plain, sealed: frame.subarray(at + 2) });
  }

  /** A packet came out. */
  take(packet: Uint8Array): void {
    this.#delivered.push(packet);
  }

  /** After each call of the data path. Returns how many packets came out; throws where one had no right to. */
  settle(): number {
    const delivered = this.#delivered;
    if (delivered.length === 0) return 0;
    this.#delivered = [];
    if (this.#mppe === undefined && this.isBlind) return delivered.length;
    // Router messages come before others of their batch, so order is held from call to call.
    const found = delivered.map((packet) => this.#find(packet));
    const before = this.#sequence;
    for (const { sequence, number } of found) {
      if (before !== undefined && ((sequence - before) | 0) <= 0) throw new Error('a packet came out of its place');
      if (this.#sequence === undefined || ((sequence - this.#sequence) | 0) > 0) this.#sequence = sequence;
      this.#number = Math.max(this.#number, number);
    }
    // Those before it have missed their turn.
    const last = this.#sequence ?? 0;
    this.#pending = this.#pending.filter(({ sequence }) => ((sequence - last) | 0) > 0);
    return delivered.length;
  }

  #find(packet: Uint8Array): { sequence: number; number: number } {
    const plain = this.#pending.findIndex((one) => one.plain !== undefined && lies(packet, one.plain));
    if (plain >= 0) return this.#takeOut(plain, this.#pending[plain]?.number ?? 0);
    for (const [index, pending] of this.#pending.entries()) {
      for (const number of this.#numbersOf(pending)) {
        if (this.#mppe !== undefined && lies(packet, this.#mppe.crypt(number, pending.sealed)))
          return this.#takeOut(index, number);
      }
    }
    throw new Error(`a packet came out that nobody sent: ${Buffer.from(packet).toString('hex')}`);
  }

  #takeOut(index: number, number: number): { sequence: number; number: number } {
    const [{ sequence } = { sequence: 0 }] = this.#pending.splice(index, 1);
    return { sequence, number };
  }

  #numbersOf({ number, count }: Pending): number[] {
    const next = this.#number + 1;
    const ahead = (count - (next % COUNTS) + COUNTS) % COUNTS;
    return number === undefined ? [next + ahead] : [number, next + ahead];
  }
}

/** The protocol field has two bytes, or one, which is odd then. What is longer than the packet says is no part of it. */
function lies(packet: Uint8Array, plain: Buffer): boolean {
  const front = ((plain[0] ?? 0) & 1) === 1 ? 1 : 2;
  return (
    packet.length >= 20 &&
    plain.length >= front + packet.length &&
    plain.compare(packet, 0, packet.length, front, front + packet.length) === 0
  );
}

/** Where the count of a frame of MPPE is; undefined: the frame is another one. */
export function countAt(frame: Uint8Array): number | undefined {
  let at = frame[0] === 0xff && frame[1] === 0x03 ? 2 : 0;
  if (frame[at] === 0) at++;
  return frame[at] === 0xfd ? at + 1 : undefined;
}
