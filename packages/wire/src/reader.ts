import { WireError } from './errors.ts';

/** Reads big-endian fields in order; checks bounds in one place and names the field that failed. Borrows from its input. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(field: string): number {
    return this.#view.getUint8(this.#take(1, field));
  }

  u16(field: string): number {
    return this.#view.getUint16(this.#take(2, field));
  }

  u24(field: string): number {
    const at = this.#take(3, field);
    return (this.#view.getUint16(at) << 8) | this.#view.getUint8(at + 2);
  }

  u32(field: string): number {
    return this.#view.getUint32(this.#take(4, field));
  }

  u64(field: string): bigint {
    return this.#view.getBigUint64(this.#take(8, field));
  }

  /** The next `length` bytes. They are the input's own, not a copy. */
  bytes(length: number, field: string): Uint8Array {
    const at = this.#take(length, field);
    return this.#bytes.subarray(at, at + length);
  }

  rest(): Uint8Array {
    return this.bytes(this.remaining, 'rest');
  }

  #take(length: number, field: string): number {
    if (length > this.remaining) {
      throw new WireError('CULVERT_WIRE_TRUNCATED', `${field} wants ${length} bytes, ${this.remaining} are left`);
    }
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
