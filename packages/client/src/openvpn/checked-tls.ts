/**
 * What a profile asks of the server's certificate beyond its chain, role and name; and why a TLS session failed, as a value.
 *
 * Wraps the engine: OpenSSL has verified the certificate when these checks run, so they can only refuse more.
 */
import { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from '@culvert/base';
import type { OpenvpnProfile } from '@culvert/config';
import type { TlsContext, TlsEngine, TlsEvent } from '@culvert/tls';

export type TlsFailure = Extract<TlsEvent, { readonly kind: 'failed' }>;

/** The reason why the certificate is not the profile's server, or undefined. */
export type CertificateCheck = (certificate: PeerCertificate | undefined) => string | undefined;

export function certificateCheck(profile: Pick<OpenvpnProfile, 'peerFingerprints' | 'serverName'>): CertificateCheck {
  const { peerFingerprints, serverName } = profile;
  return (certificate) => {
    if (certificate === undefined) return 'the server showed no certificate';
    if (peerFingerprints.length > 0 && !peerFingerprints.includes(certificate.fingerprint256)) {
      return `the server's certificate is none of those that peer-fingerprint lists (${certificate.fingerprint256})`;
    }
    if (serverName?.kind === 'subject' && openvpnSubject(certificate.der) !== serverName.value) {
      return `the server is ${JSON.stringify(openvpnSubject(certificate.der))}, expected ${JSON.stringify(serverName.value)}`;
    }
    return undefined;
  };
}

/** A distinguished name as OpenVPN prints it: `C=DE, O=Example, CN=server`, in the certificate's order. */
function openvpnSubject(der: Uint8Array): string {
  const { subject }: Partial<X509Certificate> = new X509Certificate(der);
  return subject?.split('\n').join(', ') ?? '';
}

/** `context` with `check`; `onFailure` hears of every failed session, refused by `check` or not. */
export function checkedTls(
  context: TlsContext,
  check: CertificateCheck,
  onFailure: (failure: TlsFailure) => void,
): TlsContext {
  return { createEngine: () => new CheckedEngine(context.createEngine(), check, onFailure) };
}

class CheckedEngine implements TlsEngine {
  readonly #engine: TlsEngine;
  readonly #check: CertificateCheck;
  readonly #onFailure: (failure: TlsFailure) => void;
  #refused = false;

  constructor(engine: TlsEngine, check: CertificateCheck, onFailure: (failure: TlsFailure) => void) {
    this.#engine = engine;
    this.#check = check;
    this.#onFailure = onFailure;
  }

  start(): void {
    this.#engine.start();
  }

  handleData(ciphertext: Uint8Array): void {
    if (!this.#refused) this.#engine.handleData(ciphertext);
  }

  write(plaintext: Uint8Array): void {
    if (!this.#refused) this.#engine.write(plaintext);
  }

  end(): void {
    this.#engine.end();
  }

  pollTransmit(limit?: number): Uint8Array | undefined {
    return this.#engine.pollTransmit(limit);
  }

  pollEvent(): TlsEvent | undefined {
    if (this.#refused) return undefined;
    const event = this.#engine.pollEvent();
    if (event?.kind === 'failed') this.#onFailure(event);
    if (event?.kind !== 'secure') return event;
    const reason = this.#check(event.peerCertificate);
    if (reason === undefined) return event;
    this.#refused = true;
    this.#engine.end();
    const failure = { kind: 'failed', alert: undefined, reason } as const;
    this.#onFailure(failure);
    return failure;
  }

  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array {
    return this.#engine.exportKeyingMaterial(label, length, context);
  }

  close(): void {
    this.#engine.close();
  }
}
