/** What the peer's verified certificate says. */
export interface PeerCertificate {
  readonly der: Uint8Array;
  /** Distinguished names in RFC 2253 text. */
  readonly subject: string;
  readonly issuer: string;
  readonly commonName: string;
  /** Lower-case hexadecimal without leading zeros. */
  readonly serial: string;
  /** SHA-256 over the DER, lower-case hexadecimal. */
  readonly fingerprint256: string;
  /** Unix milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}
