/** What IKE agrees on and ESP works by: a pair of ESP security associations (RFC 4301, section 4.4.2), whichever IKE made it. */

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

export type EspMode = 'transport' | 'tunnel';

/** Which packets a pair of security associations is for; protocol and port 0 stand for any. */
export interface TrafficSelector {
  /** "192.0.2.1/32" */
  readonly network: string;
  readonly protocol: number;
  readonly port: number;
}

export interface ChildSa {
  readonly mode: EspMode;
  readonly algorithms: EspAlgorithms;
  readonly inbound: EspKeys;
  readonly outbound: EspKeys;
  /** Carried in UDP (RFC 3948); otherwise as IP protocol 50. */
  readonly udpEncapsulated: boolean;
  /** Extended sequence numbers (RFC 4303, section 2.2.1). IKEv1 refuses them. */
  readonly esn: boolean;
  readonly local: TrafficSelector;
  readonly remote: TrafficSelector;
}
