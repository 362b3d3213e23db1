/**
 * Takes the TCP stream of a control connection apart into messages (RFC 2637, section 2).
 *
 * Owns the bounds: a message has 12 to 256 bytes and the magic cookie, else the stream has lost its place and RFC 2637 wants the
 * connection closed. Never holds more than one message.
 */
import { CONTROL, HEADER_BYTES, MAGIC_COOKIE } from './control-message.ts';

/** The longest that RFC 2637 defines has 220. */
export const LONGEST_MESSAGE = 256;

const LENGTH = 0;
const TYPE = 2;
const COOKIE = 4;

export class MessageStream {
  /** Messages of a PPTP message type that does not exist, passed over. */
  foreign = 0;
  readonly #bytes = new Uint8Array(LONGEST_MESSAGE);
  readonly #view = new DataView(this.#bytes.buffer);
  #held = 0;
  #broken = false;

  /** Once true, further bytes mean nothing. */
  get broken(): boolean {
    return this.#broken;
  }

  /**
   * Takes what came, and calls `each` with every whole message in it; the message is lent for the call. Stops where the stream is
   * broken, or where `each` returns false.
   */
  take(bytes: Uint8Array, each: (message: Uint8Array) => boolean): void {
    let at = 0;
    while (!this.#broken && at < bytes.length) {
      const part = bytes.subarray(at, at + this.#wanted() - this.#held);
      this.#bytes.set(part, this.#held);
      this.#held += part.length;
      at += part.length;
      if (this.#held < HEADER_BYTES) continue;
      this.#broken = !this.#headerIsSound();
      if (this.#broken || this.#held < this.#view.getUint16(LENGTH)) continue;
      const message = this.#bytes.subarray(0, this.#held);
      this.#held = 0;
      if (this.#view.getUint16(TYPE) !== CONTROL) this.foreign++;
      else if (!each(message)) return;
    }
  }

  #wanted(): number {
    return this.#held < HEADER_BYTES ? HEADER_BYTES : this.#view.getUint16(LENGTH);
  }

  #headerIsSound(): boolean {
    const length = this.#view.getUint16(LENGTH);
    return length >= HEADER_BYTES && length <= LONGEST_MESSAGE && this.#view.getUint32(COOKIE) === MAGIC_COOKIE;
  }
}
