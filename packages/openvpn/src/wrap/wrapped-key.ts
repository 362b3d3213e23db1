/**
 * The client key of tls-crypt-v2, wrapped for its server (openvpn doc/tls-crypt-v2.txt).
 *
 *   0        32                                        length - 2
 *   | tag 32 | AES-256-CTR(client key 256 | metadata) | length 2 |
 *
 * tag = HMAC-SHA256(Ka, length | client key | metadata); the counter block starts as the tag's first 16 bytes. `length` counts all of it.
 * Metadata is a type and its bytes: 0 is the issuer's own, 1 a Unix time of 8 bytes.
 */
import { CONTROL_HEAD_BYTES } from './control-wrap.ts';
import { STATIC_KEY_BYTES, tlsCrypt } from './tls-crypt.ts';

const TAG_BYTES = 32;
const LENGTH_BYTES = 2;
/** tls_crypt.h TLS_CRYPT_V2_MAX_WKC_LEN. */
const LONGEST_WRAPPED_KEY = 1_024;
const SHORTEST_WRAPPED_KEY = TAG_BYTES + STATIC_KEY_BYTES + LENGTH_BYTES;

interface KeyMetadata {
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** Undefined for what this server key did not wrap. */
export function unwrapClientKey(
  serverKey: Uint8Array,
  wrapped: Uint8Array,
): { readonly clientKey: Uint8Array; readonly metadata: KeyMetadata } | undefined {
  if (wrapped.length < SHORTEST_WRAPPED_KEY || wrapped.length > LONGEST_WRAPPED_KEY) return undefined;
  const lengthField = wrapped.subarray(wrapped.length - LENGTH_BYTES);
  if (trailingLength(wrapped) !== wrapped.length) return undefined;
  const plain = new Uint8Array(wrapped.length - TAG_BYTES - LENGTH_BYTES);
  const tagged = wrapped.subarray(0, wrapped.length - LENGTH_BYTES);
  if (!tlsCrypt.open(serverKey, lengthField, tagged, plain)) return undefined;
  const metadata = { type: plain[STATIC_KEY_BYTES] ?? 0, bytes: plain.subarray(STATIC_KEY_BYTES + 1) };
  return { clientKey: plain.subarray(0, STATIC_KEY_BYTES), metadata };
}

/** The two parts of a datagram that ends in a wrapped key, or undefined where the length at its end is impossible. */
export function splitWrappedKey(
  datagram: Uint8Array,
): { readonly packet: Uint8Array; readonly wrapped: Uint8Array } | undefined {
  if (datagram.length < CONTROL_HEAD_BYTES + SHORTEST_WRAPPED_KEY) return undefined;
  const length = trailingLength(datagram);
  if (length < SHORTEST_WRAPPED_KEY || length > datagram.length - CONTROL_HEAD_BYTES) return undefined;
  const at = datagram.length - length;
  return { packet: datagram.subarray(0, at), wrapped: datagram.subarray(at) };
}

function trailingLength(bytes: Uint8Array): number {
  return ((bytes[bytes.length - 2] ?? 0) << 8) | (bytes[bytes.length - 1] ?? 0);
}
