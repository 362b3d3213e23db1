/** ESP packets by node:crypto alone, as the RFCs draw them: what any holder of the keys could send. */
import { createCipheriv, createHmac, createSecretKey } from 'node:crypto';
import type { EspAlgorithms, EspIntegrity, EspKeys } from '../src/index.ts';

export const espIntegrities: readonly EspIntegrity[] = [
  'hmac-sha1-96',
  'hmac-sha2-256-128',
  'hmac-sha2-256-96',
  'hmac-sha2-384-192',
  'hmac-sha2-512-256',
];

/** Every combination that there is. */
export const espSuites: readonly EspAlgorithms[] = [
  ...([16, 24, 32] as const).map((keyBytes) => ({ encryption: 'aes-gcm-16', keyBytes }) as const),
  ...([16, 24, 32] as const).flatMap((keyBytes) =>
    espIntegrities.map((integrity) => ({ encryption: 'aes-cbc', keyBytes, integrity }) as const),
  ),
  ...espIntegrities.map((integrity) => ({ encryption: '3des-cbc', keyBytes: 24, integrity }) as const),
];

const cuts = {
  'hmac-sha1-96': ['sha1', 12],
  'hmac-sha2-256-128': ['sha256', 16],
  'hmac-sha2-256-96': ['sha256', 12],
  'hmac-sha2-384-192': ['sha384', 24],
  'hmac-sha2-512-256': ['sha512', 32],
} as const;

export interface EspPeerPacket {
  /** The low half. @default 1 */
  readonly sequence?: number;
  /** The high half, where sequence numbers are extended. */
  readonly high?: number | undefined;
  /** Every byte of the IV. */
  readonly iv?: number;
}

/** `plain` with its trailer as it is given: whole blocks, or node:crypto throws. */
export function espPeerPacket(
  algorithms: EspAlgorithms,
  { spi, encryptionKey, integrityKey }: EspKeys,
  plain: Uint8Array,
  { sequence = 1, high, iv = 0x42 }: EspPeerPacket = {},
): Buffer {
  const head = Buffer.concat([word(spi), word(sequence)]);
  const above = high === undefined ? Buffer.alloc(0) : word(high);
  const bits = algorithms.keyBytes * 8;
  if (algorithms.encryption === 'aes-gcm-16') {
    const ivBytes = Buffer.alloc(8, iv);
    const nonce = Buffer.concat([encryptionKey.subarray(-4), ivBytes]);
    const cipher = createCipheriv(`aes-${bits as 256}-gcm`, createSecretKey(encryptionKey.subarray(0, -4)), nonce);
    cipher.setAAD(Buffer.concat([word(spi), above, word(sequence)]));
    return Buffer.concat([head, ivBytes, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  }
  const triple = algorithms.encryption === '3des-cbc';
  const ivBytes = Buffer.alloc(triple ? 8 : 16, iv);
  const name = triple ? 'des-ede3-cbc' : `aes-${bits}-cbc`;
  const cipher = createCipheriv(name, createSecretKey(encryptionKey), ivBytes).setAutoPadding(false);
  const sealed = Buffer.concat([head, ivBytes, cipher.update(plain), cipher.final()]);
  const [hash, icv] = cuts[algorithms.integrity];
  const mac = createHmac(hash, createSecretKey(integrityKey)).update(sealed).update(above).digest();
  return Buffer.concat([sealed, mac.subarray(0, icv)]);
}

function word(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}
