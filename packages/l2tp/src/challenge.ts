/** Tunnel authentication (RFC 2661, sections 4.4.3 and 5.1.1): a secret, a challenge, and an MD5 over both. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** The message that carries the response: its type goes into the hash. */
export const Responder = { SCCRP: 2, SCCCN: 3 } as const;

export function challengeResponse(responder: number, secret: Uint8Array, challenge: Uint8Array): Uint8Array {
  return createHash('md5').update(Uint8Array.of(responder)).update(secret).update(challenge).digest();
}

/** Takes the same time whatever differs. */
export function isResponse(response: Uint8Array | undefined, expected: Uint8Array): boolean {
  return response?.length === expected.length && timingSafeEqual(response, expected);
}
