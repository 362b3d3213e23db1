/**
 * The face of the TLS engine: bytes and calls in, bytes and events out, all of it synchronous.
 * Protocol packages import these types alone; the engine comes to them in their options.
 */
import type { PeerCertificate } from '@culvert/base';

export type TlsEvent =
  /** The handshake is done and the peer's certificate, if any, passed verification. */
  | {
      readonly kind: 'secure';
      readonly protocol: 'TLSv1.2' | 'TLSv1.3';
      readonly cipher: string;
      readonly peerCertificate: PeerCertificate | undefined;
      readonly resumed: boolean;
    }
  /** Plaintext from the peer, one event a record. The bytes are the consumer's. */
  | { readonly kind: 'data'; readonly bytes: Uint8Array }
  /** The peer sent close_notify. */
  | { readonly kind: 'ended' }
  /**
   * The handshake or the session failed; nothing more will come. What `pollTransmit` still holds (our alert) should be sent.
   * `reason` is a plain sentence ("the peer's certificate has expired (alice, on 2026-01-31)").
   */
  | {
      readonly kind: 'failed';
      /** The alert that we sent, or that the peer sent us. */
      readonly alert: { readonly from: 'us' | 'peer'; readonly number: number; readonly name: string } | undefined;
      readonly reason: string;
    };

export interface TlsEngine {
  // In: what happened.
  /** Start the handshake (client; harmless for a server). */
  start(): void;
  /** Take ciphertext from the peer. Never throws for what the peer sent. */
  handleData(ciphertext: Uint8Array): void;
  /** Encrypt `plaintext` as one record (at most 16,384 bytes). Before `secure` it is queued. */
  write(plaintext: Uint8Array): void;
  /** Send close_notify. */
  end(): void;

  // Out: what to do next.
  /** Ciphertext for the peer: the next bytes of a stream, at most `limit` of them. */
  pollTransmit(limit?: number): Uint8Array | undefined;
  pollEvent(): TlsEvent | undefined;

  /** RFC 5705 exporter; only after `secure`. In TLS 1.2 no context and an empty one give different bytes. @default no context */
  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array;
  /** Free the native state. Idempotent; other calls throw afterwards. */
  close(): void;
}

/** Makes engines for one role, one certificate and one policy. */
export interface TlsContext {
  createEngine(): TlsEngine;
}
