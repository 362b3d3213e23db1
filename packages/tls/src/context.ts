/** One role's certificates, keys and policy, checked once; every engine of the role shares it. */
import type { PeerCertificate, WallClock } from '@culvert/base';
import { Engine } from './engine.ts';
import { TlsError } from './errors.ts';
import type { TlsContext, TlsEngine } from './face.ts';
import { loadNative, type Native, type NativeContext } from './native.ts';
import { day, explainCrl, explainRefusal, explainStaleCrl, shorten } from './reasons.ts';

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

export interface TlsContextOptions {
  readonly role: 'server' | 'client';
  /** The CAs that we trust: one or more certificates in PEM. The system's own are not used. */
  readonly ca: string;
  /** Ours, then the intermediates that the peer lacks, in PEM. A server must have one; a client that shows a password may lack it. */
  readonly certificate?: string | undefined;
  /** The certificate's key in PEM, not sealed with a passphrase. */
  readonly privateKey?: string | undefined;
  /**
   * Whether a server asks for a client's certificate. One that is shown is verified, and refused if it is bad, unless `none`.
   * A client always requires the server's.
   * @default 'required'
   */
  readonly peerCertificate?: 'required' | 'optional' | 'none' | undefined;
  /** Certificate revocation lists in PEM, one or more; undefined: nothing is checked. */
  readonly crl?: string | undefined;
  /**
   * A CRL that is out of date, or that lacks for the issuer of the peer's certificate while others are there: `warn`
   * accepts what no CRL lists and warns, `refuse` refuses everyone it concerns. What a CRL lists is refused either way.
   * @default 'warn'
   */
  readonly crlExpired?: 'warn' | 'refuse' | undefined;
  /**
   * The peer's certificate must carry the extended key usage of its role (clientAuth or serverAuth), as OpenVPN's
   * remote-cert-tls asks. `optional`: it may carry none at all, but still none that does not fit. `ike`, for `verifyChain`: it may carry none,
   * or that of its role, iKEIntermediate, ipsecIKE or anyExtendedKeyUsage, and its key usage must let it sign (RFC 4945, section 5.1.3).
   * @default 'required'
   */
  readonly usage?: 'required' | 'optional' | 'ike' | undefined;
  /** OpenVPN's verify-x509-name: against the last commonName; `exact` also against a dNSName. No wildcards. */
  readonly name?: { readonly kind: 'exact' | 'prefix'; readonly value: string } | undefined;
  /** @default 'TLSv1.2' */
  readonly minVersion?: TlsVersion | undefined;
  /** @default 'TLSv1.3' */
  readonly maxVersion?: TlsVersion | undefined;
  /** OpenSSL's list. @default X25519MLKEM768 and X25519 (a client offers both at once), then P-256, P-384, P-521 */
  readonly groups?: string | undefined;
  /** OpenSSL's list for TLS 1.2. @default ECDHE with AES-GCM or ChaCha20-Poly1305 */
  readonly ciphers?: string | undefined;
  /** OpenSSL's list for TLS 1.3. @default AES-256-GCM, ChaCha20-Poly1305, AES-128-GCM */
  readonly cipherSuites?: string | undefined;
  /** The time by which certificates and CRLs are judged. @default the system's */
  readonly wallClock?: WallClock | undefined;
  /** Plain sentences for the operator, each once until the next `setCrl`: a stale CRL, our own certificate out of date. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

export interface CertificateTlsContext extends TlsContext {
  /**
   * Replaces the CRLs, also for engines that have not verified their peer yet; undefined: none.
   * Throws CULVERT_TLS_CRL, and then those before stay in force.
   */
  setCrl(pem: string | undefined): void;
  /** Whether a CRL in force lists this certificate (DER): for links that were up before it did. */
  isRevoked(der: Uint8Array): boolean;
  /**
   * The context's policy for a chain that comes by another protocol than TLS (IKE): the peer's certificate, then intermediates, at most
   * eight, in DER. The certificate, or a plain sentence that says why it is refused. It does not prove that the peer has the key.
   */
  verifyChain(chain: readonly Uint8Array[]): PeerCertificate | string;
  /** Engines that exist go on; other calls throw afterwards. Idempotent. */
  close(): void;
}

const defaults = {
  groups: '*X25519MLKEM768:*X25519:P-256:P-384:P-521',
  ciphers: 'ECDHE+AESGCM:ECDHE+CHACHA20',
  cipherSuites: 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256',
} as const;

const versions = { 'TLSv1.2': 0x0303, 'TLSv1.3': 0x0304 } as const;
const verifyModes = { none: 0, optional: 1, required: 2 } as const;
const usageRules = { optional: 0, required: 1, ike: 2 } as const;
const nameRules = { exact: 1, prefix: 2 } as const;

/** Distinct warnings that are remembered so as not to repeat them. */
const MAX_WARNINGS = 64;

/** Throws TlsError naming the input that cannot be used. */
export function createTlsContext(options: TlsContextOptions): CertificateTlsContext {
  return new Context(loadNative(), options);
}

class Context implements CertificateTlsContext {
  readonly #native: Native;
  readonly #options: TlsContextOptions;
  readonly #handle: NativeContext;
  readonly #warned = new Set<string>();
  #closed = false;

  constructor(native: Native, options: TlsContextOptions) {
    this.#native = native;
    this.#options = options;
    const verify = options.role === 'client' ? 'required' : (options.peerCertificate ?? 'required');
    const { minVersion = 'TLSv1.2', maxVersion = 'TLSv1.3' } = options;
    if (versions[minVersion] > versions[maxVersion])
      throw new TlsError('CULVERT_TLS_OPTION', 'minVersion > maxVersion');
    const server = options.role === 'server';
    this.#handle = native.newContext(server, verifyModes[verify], versions[minVersion], versions[maxVersion]);
    this.#setPolicy();
    this.#setOurs();
    this.setCrl(options.crl);
  }

  createEngine(): TlsEngine {
    this.#checkOpen();
    return new Engine({
      native: this.#native,
      context: this.#handle,
      expected: { role: this.#options.role, name: this.#options.name },
      wallClock: this.#options.wallClock,
      warn: (message) => this.#warn(message),
    });
  }

  setCrl(pem: string | undefined): void {
    this.#checkOpen();
    if (pem === '') throw new TlsError('CULVERT_TLS_CRL', 'it is empty');
    const crls = this.#native.setCrls(this.#handle, pem ?? '');
    if (typeof crls === 'string') throw new TlsError('CULVERT_TLS_CRL', crls);
    this.#warned.clear();
    for (const crl of crls) {
      const message = explainCrl(crl, this.#now());
      if (message !== undefined) this.#warn(message);
    }
  }

  isRevoked(der: Uint8Array): boolean {
    this.#checkOpen();
    return this.#native.isRevoked(this.#handle, der);
  }

  verifyChain(chain: readonly Uint8Array[]): PeerCertificate | string {
    this.#checkOpen();
    const now = this.#options.wallClock === undefined ? 0 : Math.floor(this.#now() / 1000);
    const verdict = this.#native.verifyChain(this.#handle, chain, now);
    if (verdict === undefined) return 'the peer sent what is no certificate, or too many of them';
    const { certificate, refusal, warnings } = verdict;
    if (certificate === undefined) {
      const { role, name, usage } = this.#options;
      const expected = { role, name, usage };
      return refusal === undefined ? "the peer's certificate cannot be verified" : explainRefusal(refusal, expected);
    }
    for (const warning of warnings) this.#warn(explainStaleCrl(warning));
    return certificate;
  }

  close(): void {
    this.#closed = true;
    this.#native.closeContext(this.#handle);
  }

  #setPolicy(): void {
    const { groups, ciphers, cipherSuites, name, usage = 'required', crlExpired = 'warn' } = this.#options;
    const wrong = this.#native.setLists(
      this.#handle,
      groups ?? defaults.groups,
      ciphers ?? defaults.ciphers,
      cipherSuites ?? defaults.cipherSuites,
    );
    if (wrong !== undefined) throw new TlsError('CULVERT_TLS_OPTION', wrong);
    if (name?.value === '') throw new TlsError('CULVERT_TLS_OPTION', 'an empty name');
    const rule = name === undefined ? 0 : nameRules[name.kind];
    this.#native.setPolicy(this.#handle, usageRules[usage], crlExpired === 'refuse', rule, name?.value ?? '');
  }

  #setOurs(): void {
    const { ca, certificate, privateKey, role } = this.#options;
    const wrong = this.#native.setCa(this.#handle, ca);
    if (wrong !== undefined) throw new TlsError('CULVERT_TLS_CA', wrong);
    if (certificate === undefined) {
      if (role === 'server') throw new TlsError('CULVERT_TLS_CERTIFICATE', 'a server must have one');
      if (privateKey !== undefined) throw new TlsError('CULVERT_TLS_CERTIFICATE', 'there is a private key without one');
      return;
    }
    const ours = this.#native.setCertificate(this.#handle, certificate);
    if (typeof ours === 'string') throw new TlsError('CULVERT_TLS_CERTIFICATE', ours);
    if (ours.notAfter < this.#now()) {
      this.#warn(`our own certificate expired on ${day(ours.notAfter)} (${shorten(ours.subject)})`);
    }
    this.#setPrivateKey(privateKey);
  }

  #setPrivateKey(pem: string | undefined): void {
    if (pem === undefined) throw new TlsError('CULVERT_TLS_KEY', 'there is a certificate without one');
    const problem = this.#native.setPrivateKey(this.#handle, pem);
    if (problem === undefined) return;
    if (problem.reason === 'encrypted') throw new TlsError('CULVERT_TLS_KEY_ENCRYPTED');
    if (problem.reason === 'mismatch') throw new TlsError('CULVERT_TLS_KEY_MISMATCH');
    throw new TlsError('CULVERT_TLS_KEY', problem.detail);
  }

  #now(): number {
    return this.#options.wallClock?.unixMillis() ?? Date.now();
  }

  #warn(message: string): void {
    if (this.#warned.has(message) || this.#warned.size >= MAX_WARNINGS) return;
    this.#warned.add(message);
    this.#options.onWarning?.(message);
  }

  #checkOpen(): void {
    if (this.#closed) throw new TlsError('CULVERT_TLS_STATE', 'the context was closed');
  }
}
