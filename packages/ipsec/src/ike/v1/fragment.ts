/**
 * Microsoft's fragmentation (MS-IKEE, section 2.2.3): a message, its header included, in pieces, each the only payload (type 132) of a
 * message whose header repeats the whole one's, without the encryption bit.
 *
 * One assembler a peer. Leaves to its owner how long an unfinished message is kept.
 */
import { Reader, WireError, Writer } from '@culvert/wire';
import { decodeMessage, encodeMessage, Flag, HEADER_BYTES } from './message.ts';
import { encodePayloads, PayloadType } from './payload.ts';

export interface Fragment {
  readonly id: number;
  /** From 1. */
  readonly number: number;
  readonly last: boolean;
  readonly data: Uint8Array;
}

/** Of the generic header and the fragment's own fields. */
const OVERHEAD = HEADER_BYTES + 4 + 4;

// Chosen: a chain of certificates fits several times; strangers get no further.
const MAX_FRAGMENTS = 64;
const MAX_BYTES = 32_768;

/** Pieces of `message` in datagrams of at most `mostBytes`. `id` differs from that of the message before it. Throws `RangeError`. */
export function splitMessage(message: Uint8Array, id: number, mostBytes: number): readonly Uint8Array[] {
  const header = decodeMessage(message);
  const size = mostBytes - OVERHEAD;
  const count = Math.ceil(message.length / size);
  if (size < 1 || count > 0xff) throw new RangeError(`${message.length} bytes do not go in pieces of ${mostBytes}`);
  const clear = { ...header, flags: header.flags & ~Flag.encrypted };
  return Array.from({ length: count }, (_, n) => {
    const data = message.subarray(n * size, (n + 1) * size);
    const last = n === count - 1 ? 1 : 0;
    const body = new Writer(4 + data.length)
      .u16(id)
      .u8(n + 1)
      .u8(last)
      .bytes(data)
      .finish();
    return encodeMessage(clear, PayloadType.fragment, encodePayloads([{ type: PayloadType.fragment, body }]));
  });
}

/** | id 2 | number 1 | flags 1 (1: last) | data ... |      Borrows from `body`. Throws `WireError`. */
export function decodeFragment(body: Uint8Array): Fragment {
  const r = new Reader(body);
  const id = r.u16('fragment id');
  const number = r.u8('fragment number');
  const last = (r.u8('fragment flags') & 1) !== 0;
  if (number === 0) throw new WireError('CULVERT_WIRE_VALUE', 'fragment number 0');
  return { id, number, last, data: r.rest() };
}

/** Puts one message together at a time: a fragment of another id begins anew. */
export class FragmentAssembler {
  #id: number | undefined;
  #pieces = new Map<number, Uint8Array>();
  #bytes = 0;
  /** Its number, once the last fragment is here. */
  #count: number | undefined;

  /**
   * Takes a fragment, in any order; a repeated number does not replace the first. Returns the message when it is whole. Throws
   * `WireError`, and forgets the message, for one of too many pieces or bytes, or with pieces behind its last.
   */
  add({ id, number, last, data }: Fragment): Uint8Array | undefined {
    if (id !== this.#id) this.#begin(id);
    if (this.#pieces.has(number)) return undefined;
    if (last && this.#count === undefined) this.#count = number;
    this.#pieces.set(number, data.slice());
    this.#bytes += data.length;
    const largest = Math.max(...this.#pieces.keys());
    if (largest > (this.#count ?? MAX_FRAGMENTS) || number > MAX_FRAGMENTS || this.#bytes > MAX_BYTES) {
      this.#begin(undefined);
      throw new WireError('CULVERT_WIRE_VALUE', `fragment ${number} does not belong to a message`);
    }
    if (this.#pieces.size !== this.#count) return undefined;
    const whole = Array.from({ length: this.#count }, (_, n) => this.#pieces.get(n + 1) ?? new Uint8Array());
    this.#begin(undefined);
    return Uint8Array.from(Buffer.concat(whole));
  }

  #begin(id: number | undefined): void {
    this.#id = id;
    this.#pieces = new Map();
    this.#bytes = 0;
    this.#count = undefined;
  }
}
