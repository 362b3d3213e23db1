/** TLS as a synchronous sans-IO engine over OpenSSL's memory BIOs, with the certificate policy inside its verification. */
export { type CertificateTlsContext, createTlsContext, type TlsContextOptions, type TlsVersion } from './context.ts';
export { TlsError } from './errors.ts';
export type { TlsContext, TlsEngine, TlsEvent } from './face.ts';
