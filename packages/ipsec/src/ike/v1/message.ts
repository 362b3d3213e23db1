/**
 * A message: the header, and behind it payloads in the clear or under encryption (RFC 2408, section 3.1).
 *
 * Leaves keys to `cipher-chain.ts`: what is encrypted is handed over, and `decodePayloads(nextPayload, plain)` reads what comes back.
 */
import { Reader, WireError, Writer } from '@culvert/wire';
import { decodeHeader, encodeHeader, Flag, HEADER_BYTES, type Header, type ReceivedHeader } from './header.ts';
import {
  decodePayloads,
  encodePayloads,
  type Fragment,
  type Payload,
  type PayloadChain,
  PayloadType,
} from './payload.ts';

export type ReceivedMessage =
  | ({ readonly kind: 'clear'; readonly header: ReceivedHeader } & PayloadChain)
  | { readonly kind: 'encrypted'; readonly header: ReceivedHeader; readonly ciphertext: Uint8Array }
  /** A piece of a message, for `FragmentAssembler`. */
  | { readonly kind: 'fragment'; readonly header: ReceivedHeader; readonly fragment: Fragment };

/**
 * Reads a datagram, on port 4500 without its non-ESP marker. Bytes behind the length that the header declares are ignored. Throws
 * `WireError`. What it returns borrows from `bytes`.
 */
export function decodeMessage(bytes: Uint8Array): ReceivedMessage {
  const header = decodeHeader(new Reader(bytes));
  const body = bytes.subarray(HEADER_BYTES, header.length);
  if ((header.flags & Flag.encryption) !== 0) return { kind: 'encrypted', header, ciphertext: body };
  const chain = decodePayloads(header.nextPayload, body);
  if (header.nextPayload !== PayloadType.fragment) return { kind: 'clear', header, ...chain };
  const [fragment, ...others] = chain.payloads;
  if (fragment?.kind !== 'fragment' || others.length > 0) {
    throw new WireError('CULVERT_WIRE_VALUE', 'a fragment is the only payload of its message');
  }
  return { kind: 'fragment', header, fragment };
}

/** A message in the clear. `header.flags` must not have the encryption bit. */
export function encodeMessage(header: Header, payloads: readonly Payload[]): Uint8Array {
  const { first, bytes } = encodePayloads(payloads);
  return encodeWith(header, first, bytes);
}

/** A message whose payloads, the first of type `nextPayload`, were encrypted already. Sets the encryption bit. */
export function encodeEncrypted(header: Header, nextPayload: number, ciphertext: Uint8Array): Uint8Array {
  return encodeWith({ ...header, flags: header.flags | Flag.encryption }, nextPayload, ciphertext);
}

function encodeWith(header: Header, nextPayload: number, body: Uint8Array): Uint8Array {
  const w = new Writer(HEADER_BYTES + body.length);
  encodeHeader(w, header, nextPayload, body.length);
  return w.bytes(body).finish();
}
