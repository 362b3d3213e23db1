/** The gateway's TLS context, which a reload can exchange: engines that exist go on, new ones get the new certificate and policy. */
import type { GatewayConfig } from '@culvert/config';
import { type CertificateTlsContext, createTlsContext, type TlsContext, type TlsEngine } from '@culvert/tls';

type TlsConfig = Pick<GatewayConfig, 'tls' | 'auth'>;

/** The text of one file that the configuration names. Throws the system's error. */
export type ReadText = (path: string) => string;

export class GatewayTls implements TlsContext {
  readonly #onWarning: (message: string) => void;
  #context: CertificateTlsContext;

  /** Throws TlsError, or what `read` throws. */
  constructor(config: TlsConfig, read: ReadText, onWarning: (message: string) => void) {
    this.#onWarning = onWarning;
    this.#context = create(config, read, onWarning);
  }

  createEngine(): TlsEngine {
    return this.#context.createEngine();
  }

  isRevoked(der: Uint8Array): boolean {
    return this.#context.isRevoked(der);
  }

  /** Throws TlsError; the list before stays in force then. */
  setCrl(pem: string): void {
    this.#context.setCrl(pem);
  }

  /** Takes certificates, key, list and policy anew. Throws, and changes nothing, when they are wrong. */
  reload(config: TlsConfig, read: ReadText): void {
    const before = this.#context;
    this.#context = create(config, read, this.#onWarning);
    before.close();
  }

  close(): void {
    this.#context.close();
  }
}

function create(config: TlsConfig, read: ReadText, onWarning: (message: string) => void): CertificateTlsContext {
  const { tls, auth } = config;
  return createTlsContext({
    role: 'server',
    ca: read(tls.ca),
    certificate: read(tls.certificate),
    privateKey: read(tls.privateKey),
    peerCertificate: auth.certificate,
    crl: tls.crl && read(tls.crl.file),
    crlExpired: tls.crl?.expired,
    minVersion: tls.minVersion,
    onWarning,
  });
}
