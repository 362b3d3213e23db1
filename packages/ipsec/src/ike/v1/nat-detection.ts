/** NAT-D: HASH(CKY-I | CKY-R | IP | port) (RFC 3947, section 3.2), and by whose numbers its payloads go. */
import { parseAddress } from '@culvert/wire';
import { digest, type IkeHash } from '../prf.ts';

/** Whose numbers NAT traversal goes by: RFC 3947; drafts 00 to 03; what Apple shipped, after "draft-ietf-ipsec-nat-t-ike" and drafts 04 to 08. */
export type NatFlavour = 'rfc' | 'draft' | 'apple';

/** Payload types of each: NAT-D and NAT-OA, which have the same bodies everywhere. */
export const natPayloads: Readonly<Record<NatFlavour, { readonly detection: number; readonly original: number }>> = {
  rfc: { detection: 20, original: 21 },
  draft: { detection: 130, original: 131 },
  apple: { detection: 15, original: 16 },
};

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

/** 4 or 16 bytes; a zone is passed over. */
export function addressBytes(address: string): Uint8Array {
  return parseAddress(address.split('%')[0] ?? '').bytes;
}
