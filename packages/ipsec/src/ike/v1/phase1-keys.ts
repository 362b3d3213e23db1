/**
 * What phase 1 derives (RFC 2409, section 5 and appendix B), and what it and quick mode prove by it.
 *
 *   SKEYID    pre-shared key: prf(key, Ni_b | Nr_b); signatures: prf(Ni_b | Nr_b, g^xy)
 *   SKEYID_d  prf(SKEYID, g^xy | CKY-I | CKY-R | 0)             keys of ESP
 *   SKEYID_a  prf(SKEYID, SKEYID_d | g^xy | CKY-I | CKY-R | 1)  hashes of phase 2
 *   SKEYID_e  prf(SKEYID, SKEYID_a | g^xy | CKY-I | CKY-R | 2)  encryption of messages
 */
import { Writer } from '@culvert/wire';
import { digest, type IkeHash, prf } from '../prf.ts';
import type { IkeCipher } from './cbc.ts';

export interface Phase1Inputs {
  readonly hash: IkeHash;
  readonly cipher: IkeCipher;
  /** Nothing where signatures authenticate. */
  readonly preSharedKey: Uint8Array | undefined;
  readonly initiatorCookie: Uint8Array;
  readonly responderCookie: Uint8Array;
  /** Bodies of the nonce payloads. */
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
  /** Public values: bodies of the KE payloads. */
  readonly initiatorValue: Uint8Array;
  readonly responderValue: Uint8Array;
  readonly sharedSecret: Uint8Array;
}

/** Secret. */
export interface Phase1Keys {
  readonly skeyid: Uint8Array;
  readonly skeyidD: Uint8Array;
  readonly skeyidA: Uint8Array;
  /** Of the cipher's length. */
  readonly encryptionKey: Uint8Array;
  /** For the first encrypted message: hash(g^xi | g^xr), cut to a block. */
  readonly initialIv: Uint8Array;
}

export function derivePhase1Keys(inputs: Phase1Inputs): Phase1Keys {
  const { hash, cipher, preSharedKey, sharedSecret } = inputs;
  const nonces = [inputs.initiatorNonce, inputs.responderNonce];
  const skeyid =
    preSharedKey === undefined ? prf(hash, Buffer.concat(nonces), sharedSecret) : prf(hash, preSharedKey, ...nonces);
  const common = [sharedSecret, inputs.initiatorCookie, inputs.responderCookie];
  const skeyidD = prf(hash, skeyid, ...common, Uint8Array.of(0));
  const skeyidA = prf(hash, skeyid, skeyidD, ...common, Uint8Array.of(1));
  const skeyidE = prf(hash, skeyid, skeyidA, ...common, Uint8Array.of(2));
  const iv = digest(hash, inputs.initiatorValue, inputs.responderValue);
  return {
    skeyid,
    skeyidD,
    skeyidA,
    encryptionKey: lengthen(hash, skeyidE, cipher.keyBytes),
    initialIv: iv.slice(0, cipher.blockBytes),
  };
}

/** Ka: SKEYID_e, or where that is too short K1 | K2 ... with K1 = prf(SKEYID_e, 0), K2 = prf(SKEYID_e, K1) (appendix B). */
function lengthen(hash: IkeHash, skeyidE: Uint8Array, length: number): Uint8Array {
  if (skeyidE.length >= length) return skeyidE.slice(0, length);
  const out = new Uint8Array(length);
  let block = prf(hash, skeyidE, Uint8Array.of(0));
  for (let at = 0; at < length; at += block.length) {
    if (at > 0) block = prf(hash, skeyidE, block);
    out.set(block.subarray(0, length - at), at);
  }
  return out;
}

export interface AuthenticatedByHash {
  /** By `authenticationHash`. */
  readonly hash: IkeHash;
  readonly skeyid: Uint8Array;
  /** Public value and cookie of the end that proves itself, then those of the other. */
  readonly ownValue: Uint8Array;
  readonly otherValue: Uint8Array;
  readonly ownCookie: Uint8Array;
  readonly otherCookie: Uint8Array;
  /** SAi_b: the body of the initiator's SA payload, as it was sent, for both ends. */
  readonly offer: Uint8Array;
  /** The body of the ID payload of the end that proves itself. */
  readonly identity: Uint8Array;
}

/** HASH_I, and with the ends exchanged HASH_R (RFC 2409, section 5): the HASH payload, or what a signature is over. */
export function phase1Hash(of: AuthenticatedByHash): Uint8Array {
  return prf(of.hash, of.skeyid, of.ownValue, of.otherValue, of.ownCookie, of.otherCookie, of.offer, of.identity);
}

/** HASH(1), and that of informational exchanges: over the message id and all behind the HASH payload. */
export function phase2Hash1(hash: IkeHash, skeyidA: Uint8Array, messageId: number, rest: Uint8Array): Uint8Array {
  return prf(hash, skeyidA, u32(messageId), rest);
}

export function phase2Hash2(
  hash: IkeHash,
  skeyidA: Uint8Array,
  messageId: number,
  initiatorNonce: Uint8Array,
  rest: Uint8Array,
): Uint8Array {
  return prf(hash, skeyidA, u32(messageId), initiatorNonce, rest);
}

export function phase2Hash3(
  hash: IkeHash,
  skeyidA: Uint8Array,
  messageId: number,
  initiatorNonce: Uint8Array,
  responderNonce: Uint8Array,
): Uint8Array {
  return prf(hash, skeyidA, Uint8Array.of(0), u32(messageId), initiatorNonce, responderNonce);
}

function u32(value: number): Uint8Array {
  return new Writer(4).u32(value).finish();
}
