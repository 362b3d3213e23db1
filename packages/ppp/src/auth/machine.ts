/** The face of the authentication protocols: what `session.ts` asks of them. Types only. */
import type { Instant, PeerCertificate } from '@culvert/base';

/**
 * One authentication protocol in one role. Packets are from the code byte on (code, identifier, length, data), without the protocol
 * field. Input is hostile: a machine checks lengths itself and never throws for what a peer sent.
 */
export interface AuthMachine {
  /** The protocol field of its packets: 0xc023 PAP, 0xc223 CHAP, 0xc227 EAP. */
  readonly protocol: number;
  start(now: Instant): void;
  handlePacket(packet: Uint8Array, now: Instant): void;
  handleTimeout(now: Instant): void;
  /** A client: what the server asks for and does not get, as a sentence. Where the link ends now, that is why. */
  readonly refusal?: string | undefined;
  /** A server: what admission says to the claim `id`. A client has none. */
  handleVerdict?(id: number, verdict: AuthVerdict, now: Instant): void;
  /**
   * The peer has begun the network phase. A client learns of it that the server holds it for authenticated (RFC 3748, section 4.2), a
   * server that its client has heard the Success.
   */
  handleNetworkBegun?(): void;
  /** Nothing is repeated or awaited any more; keys and engines are let go of. */
  dispose(): void;
  pollTransmit(): Uint8Array | undefined;
  pollEvent(): AuthEvent | undefined;
  pollTimeout(): Instant | undefined;
}

export type AuthEvent =
  /** A server: ask admission, and answer with `handleVerdict`. */
  | { readonly kind: 'claim'; readonly id: number; readonly claim: AuthClaim }
  /** A server: its peer is `identity`. A client: the server let us in as `identity`. */
  | { readonly kind: 'succeeded'; readonly identity: string; readonly material: AuthMaterial | undefined }
  /** The last event of this machine. `reason` is a sentence for people. */
  | {
      readonly kind: 'failed';
      readonly reason: string;
      readonly detail?: AuthRefusal | undefined;
      /** Nobody answered in time, so nobody refused anything either: another try may do. @default false */
      readonly unanswered?: boolean;
    };

/** What a peer shows of itself. */
export type AuthClaim =
  | { readonly method: 'pap'; readonly username: string; readonly password: string }
  | {
      readonly method: 'chap-md5';
      readonly username: string;
      /** The identifier that is part of the hash (RFC 1994, section 4.1). */
      readonly id: number;
      readonly challenge: Uint8Array;
      /** 16 bytes. */
      readonly response: Uint8Array;
    }
  | {
      readonly method: 'mschapv2';
      /** As received: a DOMAIN\ prefix is not part of the hash (RFC 2759, section 8.2). */
      readonly username: string;
      /** 16 bytes. */
      readonly authenticatorChallenge: Uint8Array;
      /** 16 bytes. */
      readonly peerChallenge: Uint8Array;
      /** 24 bytes. */
      readonly ntResponse: Uint8Array;
    }
  | { readonly method: 'eap-tls'; readonly identity: string; readonly certificate: PeerCertificate };

/** What only the holder of the password or its NT hash computes; the carriers of PPP see neither. */
export interface AuthMaterial {
  /** "S=" and 40 upper-case hexadecimal digits (RFC 2759, section 8.7). Undefined for methods without it. */
  readonly authenticatorResponse: string | undefined;
  /** 16 bytes (RFC 3079, section 3.4); undefined where the method gives no key. */
  readonly mppeMasterKey: Uint8Array | undefined;
  /** Of EAP-TLS, which has no master key: the first keys themselves, 16 bytes each (RFC 3079, section 4). */
  readonly mppeStartKeys?: { readonly fromClient: Uint8Array; readonly fromServer: Uint8Array } | undefined;
}

export type AuthVerdict =
  | { readonly kind: 'admitted'; readonly material: AuthMaterial | undefined }
  | ({ readonly kind: 'refused' } & AuthRefusal);

/** An MS-CHAPv2 Failure's words (RFC 2759, section 6); the other methods tell what they can of it. */
export interface AuthRefusal {
  /** 646 restricted hours, 647 disabled, 648 expired, 649 no dial-in, 691 wrong name or password, 709 error changing the password. */
  readonly code: 646 | 647 | 648 | 649 | 691 | 709;
  readonly message: string;
  /** The peer may try once more. */
  readonly retry: boolean;
}
