/** Our Configure-Request that the peer has not answered, and what an answer to it must be like (RFC 1661, sections 5.2 to 5.4). */
import type { Instant } from '@culvert/base';
import { sameBytes } from './bytes.ts';
import { type ConfigOption, type ControlPacket, decodeOptions, encodeControlPacket, encodeOptions } from './packet.ts';

const REQUEST = 1;
const ACK = 2;
const REJECT = 4;

export type Answer =
  | { readonly kind: 'ack' }
  | Refusal
  /** To another request: dropped. */
  | { readonly kind: 'unexpected' }
  /** Of a wrong layout: dropped. */
  | { readonly kind: 'malformed' };

export interface Refusal {
  readonly kind: 'nak' | 'reject';
  readonly options: readonly ConfigOption[];
}

export class OwnRequest {
  readonly id: number;
  readonly options: readonly ConfigOption[];
  readonly since: Instant;
  readonly #body: Uint8Array;

  constructor(id: number, options: readonly ConfigOption[], since: Instant) {
    this.id = id;
    this.options = options;
    this.since = since;
    this.#body = encodeOptions(options);
  }

  encode(): Uint8Array {
    return encodeControlPacket(REQUEST, this.id, this.#body);
  }

  /** An Ack has our options as they are, a Reject none but ours, and neither Nak nor Reject none at all. */
  read({ code, id, body }: ControlPacket): Answer {
    if (id !== this.id) return { kind: 'unexpected' };
    if (code === ACK) return { kind: sameBytes(body, this.#body) ? 'ack' : 'malformed' };
    const options = decodeOptions(body);
    if (options === undefined || options.length === 0) return { kind: 'malformed' };
    if (code !== REJECT) return { kind: 'nak', options };
    const areOurs = options.every(({ type }) => this.options.some((own) => own.type === type));
    return areOurs ? { kind: 'reject', options } : { kind: 'malformed' };
  }
}
