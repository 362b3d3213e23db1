/**
 * Microsoft's IKE fragmentation (MS-IKEE 2.2.3.1), which racoon and strongSwan speak too.
 *
 *   | next payload = 0 | 0 | length (2) | fragment id (2) | number, from 1 | flags: 1 last | a piece of the whole message ...
 */
import { Reader, WireError, Writer } from '@culvert/wire';
import { decodeMessage, encodeMessage, PayloadType } from './message.ts';

const LAST = 1;
/** A chain of eight certificates fits. */
const MOST_FRAGMENTS = 32;
const LONGEST_MESSAGE = 32_768;

/** Collects the pieces of one message at a time: a newer id replaces an older one. */
export class Reassembly {
  #id = -1;
  #pieces: (Uint8Array | undefined)[] = [];
  #last = 0;
  #bytes = 0;

  /** The whole message once every piece is here. Copies what it keeps. Throws WireError. */
  add(body: Uint8Array): Uint8Array | undefined {
    const r = new Reader(body);
    const id = r.u16('fragment id');
    const number = r.u8('fragment number');
    const flags = r.u8('fragment flags');
    if (number < 1 || number > MOST_FRAGMENTS) throw new WireError('CULVERT_WIRE_VALUE', `fragment number ${number}`);
    if (id !== this.#id) this.#begin(id);
    const piece = r.rest().slice();
    if (this.#pieces[number] === undefined) {
      this.#bytes += piece.length;
      this.#pieces[number] = piece;
    }
    if (flags & LAST) this.#last = number;
    if (this.#bytes > LONGEST_MESSAGE) {
      this.#begin(-1);
      throw new WireError('CULVERT_WIRE_LENGTH', 'fragments make too long a message');
    }
    return this.#whole();
  }

  #begin(id: number): void {
    this.#id = id;
    this.#pieces = [];
    this.#last = 0;
    this.#bytes = 0;
  }

  #whole(): Uint8Array | undefined {
    if (this.#last === 0) return undefined;
    const pieces = Array.from({ length: this.#last }, (_, i) => this.#pieces[i + 1]);
    if (pieces.includes(undefined)) return undefined;
    this.#begin(-1);
    return Buffer.concat(pieces as Uint8Array[]);
  }
}

/** Cuts `datagram` into messages of at most `largest` bytes. */
export function fragment(datagram: Uint8Array, id: number, largest: number): Uint8Array[] {
  const header = decodeMessage(datagram);
  const room = largest - 28 - 8;
  const count = Math.ceil(datagram.length / room);
  return Array.from({ length: count }, (_, i) => {
    const piece = datagram.subarray(i * room, (i + 1) * room);
    const rest = new Writer(8 + piece.length)
      .u8(0)
      .u8(0)
      .u16(8 + piece.length)
      .u16(id)
      .u8(i + 1)
      .u8(i === count - 1 ? LAST : 0)
      .bytes(piece)
      .finish();
    return encodeMessage({ ...header, flags: 0 }, PayloadType.fragment, rest);
  });
}
