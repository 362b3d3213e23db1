/** NAT-D: HASH(CKY-I | CKY-R | IP | port) (RFC 3947, section 3.2). */
import { digest, type IkeHash } from '../prf.ts';

/** `address` has 4 or 16 bytes. `hash` is the negotiated one. */
export function natDetectionHash(
  hash: IkeHash,
  initiatorCookie: Uint8Array,
  responderCookie: Uint8Array,
  address: Uint8Array,
  port: number,
): Uint8Array {
  return digest(hash, initiatorCookie, responderCookie, address, Uint8Array.of(port >>> 8, port & 0xff));
}
