/** KEYMAT: the keys of ESP out of quick mode (RFC 2409, section 5.5; for AES-GCM RFC 4106, section 8.1). */
import type { EspAlgorithms, EspIntegrity, EspKeys } from '../../child-sa.ts';
import { expand, type IkeHash } from '../prf.ts';
import { ProtocolId } from './security-association.ts';

export interface KeymatInputs {
  readonly hash: IkeHash;
  readonly skeyidD: Uint8Array;
  /** g(qm)^xy, where quick mode had KE payloads. */
  readonly sharedSecret: Uint8Array | undefined;
  readonly initiatorNonce: Uint8Array;
  readonly responderNonce: Uint8Array;
}

/** Keys of one direction, by the SPI of its receiver. The cipher's key comes first, GCM's salt behind it, then the integrity key. */
export function deriveEspKeys(inputs: KeymatInputs, algorithms: EspAlgorithms, spi: number): EspKeys {
  const spiBytes = Uint8Array.of(spi >>> 24, (spi >>> 16) & 0xff, (spi >>> 8) & 0xff, spi & 0xff);
  const cipherBytes = algorithms.keyBytes + (algorithms.encryption === 'aes-gcm-16' ? GCM_SALT : 0);
  const integrityBytes = algorithms.encryption === 'aes-gcm-16' ? 0 : integrityKeyBytes[algorithms.integrity];
  const seed = [Uint8Array.of(ProtocolId.esp), spiBytes, inputs.initiatorNonce, inputs.responderNonce];
  if (inputs.sharedSecret !== undefined) seed.unshift(inputs.sharedSecret);
  const keymat = expand(inputs.hash, inputs.skeyidD, seed, cipherBytes + integrityBytes);
  return { spi, encryptionKey: keymat.slice(0, cipherBytes), integrityKey: keymat.slice(cipherBytes) };
}

const GCM_SALT = 4;

/** As long as the hash's output (RFC 2404, section 3; RFC 4868, section 2.1.1). */
const integrityKeyBytes: Readonly<Record<EspIntegrity, number>> = {
  'hmac-sha1-96': 20,
  'hmac-sha2-256-128': 32,
  'hmac-sha2-256-96': 32,
  'hmac-sha2-384-192': 48,
  'hmac-sha2-512-256': 64,
};
