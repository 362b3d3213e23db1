/**
 * TLS flights in the data of EAP-TLS (RFC 5216, sections 2.1.5 and 3), for either end.
 *
 *   | flags 1: L M S 00000 | TLS message length 4, where L | TLS bytes ... |
 *
 * M says that more follows: the other end answers with nothing but flags. TLS is a stream, so what comes is given to the engine as it
 * comes and no flight is collected; the engine has bounds of its own.
 */
import type { TlsEngine } from '@culvert/tls';

const LENGTH_INCLUDED = 0x80;
const MORE = 0x40;
export const START = 0x20;
const LENGTH_BYTES = 4;

// Chosen by us.
/** Fits into the usual MRU of 1,400 with EAP's and our own head. */
const FRAGMENT_BYTES = 1_024;
/** Of one flight. */
const LARGEST_FLIGHT = 65_536;

export type Received =
  /** The flight is whole, or was an acknowledgement of our own last fragment: see what the engine says. */
  | 'flight'
  /** A fragment of ours was acknowledged: `take` has the next. */
  | 'next'
  /** A fragment that wants to be acknowledged. */
  | 'fragment'
  /** Not EAP-TLS, or more than a flight may have. */
  | 'malformed';

/** The data of an acknowledgement. */
export const acknowledgement = Uint8Array.of(0);

export class EapTlsFragments {
  readonly #engine: TlsEngine;
  #unsent: Uint8Array = new Uint8Array(0);
  #received = 0;

  constructor(engine: TlsEngine) {
    this.#engine = engine;
  }

  handle(data: Uint8Array): Received {
    const flags = data[0];
    if (flags === undefined) return 'malformed';
    const hasLength = (flags & LENGTH_INCLUDED) !== 0;
    if (hasLength && data.length < 1 + LENGTH_BYTES) return 'malformed';
    const bytes = data.subarray(hasLength ? 1 + LENGTH_BYTES : 1);
    if (this.#unsent.length > 0) return bytes.length === 0 && (flags & MORE) === 0 ? 'next' : 'malformed';
    this.#received += bytes.length;
    if (this.#received > LARGEST_FLIGHT) return 'malformed';
    if (bytes.length > 0) this.#engine.handleData(bytes);
    if ((flags & MORE) !== 0) return bytes.length === 0 ? 'malformed' : 'fragment';
    this.#received = 0;
    return 'flight';
  }

  /** What the engine wants to send now, or the next fragment of it; without anything to send an acknowledgement. */
  take(): Uint8Array {
    const isFirst = this.#unsent.length === 0;
    if (isFirst) this.#unsent = this.#collect();
    const total = this.#unsent.length;
    const fragment = this.#unsent.subarray(0, FRAGMENT_BYTES);
    this.#unsent = this.#unsent.subarray(fragment.length);
    const hasMore = this.#unsent.length > 0;
    if (!isFirst || !hasMore) return Uint8Array.of(hasMore ? MORE : 0, ...fragment);
    const length = [total >>> 24, total >>> 16, total >>> 8, total];
    return Uint8Array.of(LENGTH_INCLUDED | MORE, ...length, ...fragment);
  }

  #collect(): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let part = this.#engine.pollTransmit(); part !== undefined; part = this.#engine.pollTransmit())
      parts.push(part);
    const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}
