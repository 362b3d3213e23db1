/**
 * What the two ends of MS-CHAPv2 compute (RFC 2759, section 8), and the key of MPPE that comes with it (RFC 3079, section 3.4).
 *
 * All of it starts from the NT hash of the password: who holds that can log in, so it is as secret as the password. Names are the RFCs'.
 */
import { createCipheriv, createHash, timingSafeEqual } from 'node:crypto';
import type { AuthMaterial } from './machine.ts';
import { md4 } from './md4.ts';

const CHALLENGE_HASH_BYTES = 8;
const MASTER_KEY_BYTES = 16;
const DES_KEY_BYTES = 7;

const authenticatorMagic1 = text('Magic server to client signing constant');
const authenticatorMagic2 = text('Pad to make it do more than one iteration');
const masterKeyMagic = text('This is the MPPE Master Key');

/** RFC 2759, section 8.3: 16 bytes. Passwords are Unicode here, whatever they are elsewhere. */
export function ntPasswordHash(password: string): Uint8Array {
  return md4(Buffer.from(password, 'utf16le'));
}

/** RFC 2759, section 8.4. */
export function hashNtPasswordHash(passwordHash: Uint8Array): Uint8Array {
  return md4(passwordHash);
}

/** The name as the hash takes it: "OFFICE\alice" is "alice" (RFC 2759, section 8.2). */
export function withoutDomain(username: string): string {
  return username.slice(username.lastIndexOf('\\') + 1);
}

/** RFC 2759, section 8.2: 8 bytes. @param username with or without its domain */
export function challengeHash(
  peerChallenge: Uint8Array,
  authenticatorChallenge: Uint8Array,
  username: string,
): Uint8Array {
  const hash = createHash('sha1').update(peerChallenge).update(authenticatorChallenge);
  return bytes(hash.update(text(withoutDomain(username))).digest()).slice(0, CHALLENGE_HASH_BYTES);
}

/** RFC 2759, section 8.5: 24 bytes, the challenge under three DES keys of 7 bytes each. */
export function challengeResponse(challenge: Uint8Array, passwordHash: Uint8Array): Uint8Array {
  const keys = new Uint8Array(3 * DES_KEY_BYTES);
  keys.set(passwordHash);
  const blocks = [0, 1, 2].map((n) => desEncrypt(challenge, keys.subarray(n * DES_KEY_BYTES, (n + 1) * DES_KEY_BYTES)));
  keys.fill(0);
  return bytes(Buffer.concat(blocks));
}

/** What was exchanged, for the functions that need all of it. */
export interface MsChapV2Exchange {
  readonly username: string;
  /** 16 bytes each. */
  readonly authenticatorChallenge: Uint8Array;
  readonly peerChallenge: Uint8Array;
}

/** RFC 2759, section 8.1: the client's proof, 24 bytes. */
export function generateNtResponse(exchange: MsChapV2Exchange, passwordHash: Uint8Array): Uint8Array {
  const { username, authenticatorChallenge, peerChallenge } = exchange;
  return challengeResponse(challengeHash(peerChallenge, authenticatorChallenge, username), passwordHash);
}

/** RFC 2759, section 8.7: the server's proof, "S=" and 40 upper-case hexadecimal digits. */
export function generateAuthenticatorResponse(
  exchange: MsChapV2Exchange,
  passwordHash: Uint8Array,
  ntResponse: Uint8Array,
): string {
  const { username, authenticatorChallenge, peerChallenge } = exchange;
  const inner = createHash('sha1').update(hashNtPasswordHash(passwordHash)).update(ntResponse);
  const outer = createHash('sha1').update(inner.update(authenticatorMagic1).digest());
  outer.update(challengeHash(peerChallenge, authenticatorChallenge, username)).update(authenticatorMagic2);
  return `S=${outer.digest('hex').toUpperCase()}`;
}

/** RFC 3079, section 3.4: 16 bytes. `startKeysOf` makes the directions' keys of it. */
export function getMasterKey(passwordHash: Uint8Array, ntResponse: Uint8Array): Uint8Array {
  const hash = createHash('sha1').update(hashNtPasswordHash(passwordHash)).update(ntResponse).update(masterKeyMagic);
  return bytes(hash.digest()).slice(0, MASTER_KEY_BYTES);
}

/** For whoever holds NT hashes: undefined when the response is not that of this hash, else what the link needs of it. */
export function verifyMsChapV2(
  exchange: MsChapV2Exchange & { readonly ntResponse: Uint8Array },
  passwordHash: Uint8Array,
): AuthMaterial | undefined {
  const expected = generateNtResponse(exchange, passwordHash);
  if (exchange.ntResponse.length !== expected.length || !timingSafeEqual(exchange.ntResponse, expected))
    return undefined;
  return materialOf(exchange, passwordHash, expected);
}

/** What both ends compute of a response that is right. */
export function materialOf(
  exchange: MsChapV2Exchange,
  passwordHash: Uint8Array,
  ntResponse: Uint8Array,
): AuthMaterial & { readonly authenticatorResponse: string } {
  return {
    authenticatorResponse: generateAuthenticatorResponse(exchange, passwordHash, ntResponse),
    mppeMasterKey: getMasterKey(passwordHash, ntResponse),
  };
}

/** RFC 2759, section 8.6. One DES is three with the same key, which is what OpenSSL still has. */
export function desEncrypt(clear: Uint8Array, key: Uint8Array): Uint8Array {
  const one = withParity(key);
  const cipher = createCipheriv('des-ede3-ecb', Buffer.concat([one, one, one]), null).setAutoPadding(false);
  const block = cipher.update(clear);
  one.fill(0);
  return bytes(block);
}

/** 56 bits as the 8 bytes that DES takes: 7 bits each, and a parity bit that nobody looks at. */
function withParity(key: Uint8Array): Uint8Array {
  const bits = key.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return Uint8Array.from({ length: 8 }, (_, i) => Number((bits >> BigInt(49 - 7 * i)) & 0x7fn) << 1);
}

function text(ascii: string): Uint8Array {
  return new TextEncoder().encode(ascii);
}

/** A copy that is no slice of node's pool of buffers. */
function bytes(buffer: Uint8Array): Uint8Array {
  return Uint8Array.from(buffer);
}
