/** MPPE's session keys (RFC 3078, section 7, and RFC 3079, section 3.4), each from the one before it. */
import { createHash } from 'node:crypto';
import type { MppeStrength } from './mppe.ts';
import { Rc4 } from './portable-rc4.ts';

const SHS_PAD_1 = new Uint8Array(40);
const SHS_PAD_2 = new Uint8Array(40).fill(0xf2);
/** In front of weaker keys. */
const SALTS: Readonly<Record<MppeStrength, readonly number[]>> = { 128: [], 56: [0xd1], 40: [0xd1, 0x26, 0x9e] };

/** The session key that both ends begin with. No packet is encrypted with it: stateless, the first one changes it already. */
export function initialSessionKey(startKey: Uint8Array, strength: MppeStrength): Uint8Array {
  return salted(getNewKeyFromSha(startKey, startKey), strength);
}

export function nextSessionKey(startKey: Uint8Array, sessionKey: Uint8Array, strength: MppeStrength): Uint8Array {
  const interim = getNewKeyFromSha(startKey, sessionKey);
  const next = interim.slice();
  new Rc4(interim).crypt(next);
  return salted(next, strength);
}

function getNewKeyFromSha(startKey: Uint8Array, sessionKey: Uint8Array): Uint8Array {
  const hash = createHash('sha1').update(startKey).update(SHS_PAD_1).update(sessionKey).update(SHS_PAD_2);
  return Uint8Array.from(hash.digest().subarray(0, startKey.length));
}

function salted(key: Uint8Array, strength: MppeStrength): Uint8Array {
  key.set(SALTS[strength]);
  return key;
}
