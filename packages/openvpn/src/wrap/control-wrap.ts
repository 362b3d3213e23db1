/**
 * Protection of control packets: none, tls-crypt, tls-crypt-v2.
 *
 * A wrap holds one end's keys, its send counter and what it has seen, so a session has one of its own.
 */

/** The first nine bytes of every control packet: opcode and key id, and the sender's session id. */
export const CONTROL_HEAD_BYTES = 9;

export type Unwrapped =
  /** The body starts at the acknowledgement count, and is lent until the next packet is opened. */
  | { readonly kind: 'body'; readonly body: Uint8Array }
  | { readonly kind: 'unauthenticated' | 'replayed' | 'malformed' };

export interface ControlWrap {
  readonly name: 'none' | 'tls-crypt' | 'tls-crypt-v2' | 'dynamic tls-crypt';
  /** Bytes that `wrap` adds to head and body. */
  readonly overhead: number;
  /** Bytes that it adds to the two opcodes which carry the wrapped client key. */
  readonly wrappedKeyBytes: number;
  /** The whole datagram for a nine-byte head and a body that starts at the acknowledgement count. */
  wrap(head: Uint8Array, body: Uint8Array): Uint8Array;
  /** Never throws for what the peer sent. */
  unwrap(datagram: Uint8Array): Unwrapped;
}
