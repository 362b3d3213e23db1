/** Loads the binary that scripts/build-native makes, and says what its calls take and give (packages/tls/native). */
import { createRequire } from 'node:module';
import type { PeerCertificate } from '@culvert/base';
import { TlsError } from './errors.ts';

/** Objects inside the binary; only the binary looks into them. */
export interface NativeContext {
  readonly context: unique symbol;
}
export interface NativeEngine {
  readonly engine: unique symbol;
}

/** `nextUpdate` is in Unix milliseconds, 0 where the CRL names none. `known`: one of our CAs is the issuer. */
export interface CrlFacts {
  readonly issuer: string;
  readonly nextUpdate: number;
  readonly known: boolean;
}

/** A CRL that was missing or out of date, and let pass. */
export interface StaleCrl {
  readonly missing: boolean;
  readonly issuer: string;
  readonly nextUpdate: number;
}

export interface SessionFacts {
  readonly protocol: 'TLSv1.2' | 'TLSv1.3';
  readonly cipher: string;
  readonly resumed: boolean;
  readonly warnings: readonly StaleCrl[];
  readonly certificate?: PeerCertificate;
}

/** The certificate at fault, `depth` 0 being the peer's own, and OpenSSL's X509_V_ERR_* number. */
export interface Refusal {
  readonly error: number;
  readonly depth: number;
  readonly text: string;
  readonly subject: string;
  readonly issuer: string;
  readonly commonName: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly crlNextUpdate: number;
}

/** Neither certificate nor refusal: OpenSSL could not even begin. */
export interface ChainVerdict {
  readonly warnings: readonly StaleCrl[];
  readonly certificate?: PeerCertificate;
  readonly refusal?: Refusal;
}

export interface Failure {
  /** OpenSSL's SSL_R_* number, 0 for an error that is not TLS's own. */
  readonly code: number;
  readonly text: string;
  readonly alert?: { readonly fromPeer: boolean; readonly number: number };
  readonly refusal?: Refusal;
}

/** What `step` returns when it is not a record's plaintext. */
export const Step = { waiting: 0, secure: 1, ended: 2, failed: 3 } as const;

export interface Native {
  newContext(server: boolean, verifyMode: number, minVersion: number, maxVersion: number): NativeContext;
  setLists(context: NativeContext, groups: string, ciphers: string, cipherSuites: string): string | undefined;
  setPolicy(context: NativeContext, usageRule: number, staleCrlRefuses: boolean, nameRule: number, name: string): void;
  setCa(context: NativeContext, pem: string): string | undefined;
  setCertificate(context: NativeContext, pem: string): PeerCertificate | string;
  setPrivateKey(
    context: NativeContext,
    pem: string,
  ): { readonly reason: 'encrypted' | 'mismatch' | 'unusable'; readonly detail: string } | undefined;
  setCrls(context: NativeContext, pem: string): readonly CrlFacts[] | string;
  isRevoked(context: NativeContext, der: Uint8Array): boolean;
  verifyChain(context: NativeContext, chain: readonly Uint8Array[], unixSeconds: number): ChainVerdict | undefined;
  closeContext(context: NativeContext): void;

  newEngine(context: NativeContext): NativeEngine;
  feed(engine: NativeEngine, ciphertext: Uint8Array): boolean;
  step(engine: NativeEngine, unixSeconds: number): Uint8Array | number;
  write(engine: NativeEngine, plaintext: Uint8Array): boolean;
  end(engine: NativeEngine): void;
  pending(engine: NativeEngine): number;
  take(engine: NativeEngine, limit: number): Uint8Array | undefined;
  session(engine: NativeEngine): SessionFacts;
  failure(engine: NativeEngine): Failure;
  exportKeyingMaterial(
    engine: NativeEngine,
    label: string,
    length: number,
    context: Uint8Array | undefined,
  ): Uint8Array | undefined;
  closeEngine(engine: NativeEngine): void;
}

/** The binary. Throws CULVERT_TLS_NATIVE, with the loader's error as its cause, where it is missing or does not fit. */
export function loadNative(): Native {
  try {
    return createRequire(import.meta.url)('../build/tls.node') as Native;
  } catch (cause) {
    throw new TlsError('CULVERT_TLS_NATIVE', undefined, { cause });
  }
}
