/** What ESP (RFC 4303) is protected with, and how long keys and packets are by it. */

/** "hmac-sha2-256-96" is what old Androids and Linux before 2.6.33 cut to; all else is by RFC 4868, RFC 2404. */
export type EspIntegrity =
  | 'hmac-sha1-96'
  | 'hmac-sha2-256-128'
  | 'hmac-sha2-256-96'
  | 'hmac-sha2-384-192'
  | 'hmac-sha2-512-256';

export type EspAlgorithms =
  | { readonly encryption: 'aes-gcm-16'; readonly keyBytes: 16 | 24 | 32 }
  | { readonly encryption: 'aes-cbc'; readonly keyBytes: 16 | 24 | 32; readonly integrity: EspIntegrity }
  | { readonly encryption: '3des-cbc'; readonly keyBytes: 24; readonly integrity: EspIntegrity };

/** One direction. Secret. */
export interface EspKeys {
  /** At least 256. The receiver chose it. */
  readonly spi: number;
  /** `keyBytes` of it; for aes-gcm-16 four bytes of salt follow (RFC 4106, section 8.1). */
  readonly encryptionKey: Uint8Array;
  /** Empty for aes-gcm-16. */
  readonly integrityKey: Uint8Array;
}

export const integrityForms = {
  'hmac-sha1-96': { hash: 'sha1', keyBytes: 20, icvBytes: 12 },
  'hmac-sha2-256-128': { hash: 'sha256', keyBytes: 32, icvBytes: 16 },
  'hmac-sha2-256-96': { hash: 'sha256', keyBytes: 32, icvBytes: 12 },
  'hmac-sha2-384-192': { hash: 'sha384', keyBytes: 48, icvBytes: 24 },
  'hmac-sha2-512-256': { hash: 'sha512', keyBytes: 64, icvBytes: 32 },
} as const;

/** Bytes of key material that one direction takes, in the order in which it is cut: encryption key (with its salt), integrity key. */
export function espKeyLengths(algorithms: EspAlgorithms): { readonly encryption: number; readonly integrity: number } {
  if (algorithms.encryption === 'aes-gcm-16') return { encryption: algorithms.keyBytes + 4, integrity: 0 };
  return { encryption: algorithms.keyBytes, integrity: integrityForms[algorithms.integrity].keyBytes };
}

/** A next header that stands for 4 or 41, by the IP packet that is the payload: tunnel mode. */
export const ESP_INNER_IP = 256;

/** Where the parts of a packet lie: | SPI 4 | sequence number 4 | IV | payload, padding, pad length 1, next header 1 | ICV | */
export interface EspForm {
  /** Bytes before the ciphertext. */
  readonly head: number;
  /** What the ciphertext's length is a multiple of. */
  readonly block: number;
  readonly icv: number;
}

export function espForm(algorithms: EspAlgorithms): EspForm {
  if (algorithms.encryption === 'aes-gcm-16') return { head: 16, block: 4, icv: 16 };
  const block = algorithms.encryption === 'aes-cbc' ? 16 : 8;
  return { head: 8 + block, block, icv: integrityForms[algorithms.integrity].icvBytes };
}

/** Length of the packet that a payload of `length` bytes becomes. */
export function espSealedLength(algorithms: EspAlgorithms, length: number): number {
  const { head, block, icv } = espForm(algorithms);
  return head + Math.ceil((length + 2) / block) * block + icv;
}
