import { CulvertError } from '@culvert/base';

export const sentences = {
  CULVERT_TLS_NATIVE: 'the native part of the tls package does not load; scripts/build-native builds it',
  CULVERT_TLS_CA: 'the CA certificates cannot be used',
  CULVERT_TLS_CERTIFICATE: 'our certificate cannot be used',
  CULVERT_TLS_KEY: 'our private key cannot be used',
  CULVERT_TLS_KEY_ENCRYPTED: 'our private key is sealed with a passphrase, and TLS needs it open',
  CULVERT_TLS_KEY_MISMATCH: 'our private key does not belong to our certificate',
  CULVERT_TLS_CRL: 'the certificate revocation list cannot be used',
  CULVERT_TLS_OPTION: 'a TLS option has a value that OpenSSL does not know',
  CULVERT_TLS_STATE: 'the TLS session is not in a state for this',
  CULVERT_TLS_QUEUE: 'more waits to be sent over TLS than may wait',
} as const;

/** The caller's files, options or calls. What the peer does wrong is no error but a `failed` event. */
export class TlsError extends CulvertError<keyof typeof sentences> {
  override readonly name = 'TlsError';
  constructor(code: keyof typeof sentences, detail?: string, options?: ErrorOptions) {
    super(sentences, code, detail, options);
  }
}
