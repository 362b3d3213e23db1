/** The shapes at the face of a session: what it needs and what it tells. Types only. Addresses are canonical text. */
import type { CloseReason, Millis, RandomSource } from '@culvert/base';
import type { AuthClaim, AuthMachine, AuthVerdict } from './auth/machine.ts';
import type { MppeTerms, MppeWish } from './ccp-policy.ts';
import type { AuthName } from './lcp-policy.ts';
import type { Goodbye } from './terminate.ts';

/** An authentication protocol that a session may use, and how to begin it. */
export interface AuthOffer extends AuthName {
  /** Called when LCP has chosen it; the session starts what it got, and disposes of it. */
  create(): AuthMachine;
}

/** What a server gives its peer. */
export interface NetworkConfig {
  readonly ipv4: Ipv4Config | undefined;
  readonly ipv6: Ipv6Config | undefined;
}

export interface Ipv4Config {
  /** Our own address on the link. */
  readonly local: string;
  readonly peer: string;
  /** At most two of each get to the peer (RFC 1877). */
  readonly dns: readonly string[];
  readonly nbns?: readonly string[] | undefined;
}

export interface Ipv6Config {
  /** A /64 for this peer alone: it makes its addresses in it, and not of the interface identifier only. */
  readonly prefix: string;
  readonly dns: readonly string[];
  /** The peer shall have this interface identifier, 8 bytes. @default its own choice */
  readonly peerInterfaceId?: Uint8Array | undefined;
  /** Ours. @default random */
  readonly localInterfaceId?: Uint8Array | undefined;
}

/** What both roles need. */
interface SessionOptions {
  readonly random: RandomSource;
  /** The largest packet that we take, in bytes. @default 1_400 */
  readonly mru?: number | undefined;
  /** The largest frame that the carrier moves, in bytes after the protocol field; MPPE takes four of them. @default the peer's MRU */
  readonly mtu?: number | undefined;
  /** Ask the peer for frames without address, control and the protocol's first byte. @default true */
  readonly compressFields?: boolean | undefined;
  /** For an asynchronous line: the control characters that the peer must escape. @default not asked for */
  readonly asyncMap?: number | undefined;
  /** The best first. A server asks for these; a client answers to these. */
  readonly auth: readonly AuthOffer[];
  /** MPPE, or none. @default none */
  readonly mppe?: MppeWish | undefined;
  /** A question goes out after so much silence. @default 30_000 */
  readonly echoInterval?: Millis | undefined;
  /** So many questions without answer, and the peer is gone. Phones asleep answer late. @default 4 */
  readonly echoFailures?: number | undefined;
  /** From `open` to `up`. @default 60_000 */
  readonly handshakeWindow?: Millis | undefined;
}

export interface PppServerOptions extends SessionOptions {
  readonly role: 'server';
  /** Of a peer that needs no authentication (`auth` is empty), and where a verdict brings none. */
  readonly network?: NetworkConfig | undefined;
}

export interface PppClientOptions extends SessionOptions {
  readonly role: 'client';
  /** Undefined: no IPv4. */
  readonly ipv4: { readonly address?: string | undefined; readonly dns: boolean; readonly nbns?: boolean } | undefined;
  /** Undefined: no IPv6. */
  readonly ipv6: { readonly interfaceId?: Uint8Array | undefined } | undefined;
  /** Go on where the server asks for no authentication, though `auth` has some. @default false */
  readonly acceptNoAuthentication?: boolean | undefined;
}

export type PppSessionOptions = PppServerOptions | PppClientOptions;

/** Admission's answer to a claim, with what the peer gets. */
export type PppVerdict = AuthVerdict & { readonly network?: NetworkConfig | undefined };

/** One direction of MPPE. */
export interface MppeDirection extends MppeTerms {
  /** 16 bytes (RFC 3079, section 3.4); weaker strengths use the first 8. */
  readonly startKey: Uint8Array;
}

/** What both ends have agreed on. */
export interface PppTerms {
  /** Of the peer at a server, our own at a client; undefined without authentication. */
  readonly identity: string | undefined;
  /** "mschapv2". */
  readonly method: string | undefined;
  readonly ipv4:
    | {
        readonly local: string;
        readonly peer: string | undefined;
        readonly dns: readonly string[];
        readonly nbns: readonly string[];
      }
    | undefined;
  readonly ipv6:
    | {
        /** Link-local ones. */
        readonly local: string;
        readonly peer: string;
        /** A client's, once a router has told a prefix; a `changed` event brings it. */
        readonly global: { readonly address: string; readonly prefix: number; readonly gateway: string } | undefined;
        readonly dns: readonly string[];
      }
    | undefined;
  /** The largest inner packet, in bytes. */
  readonly mtu: number;
  /** Frames to the peer may go without address and control (ACFC), without the protocol's first byte (PFC). */
  readonly addressCompression: boolean;
  readonly protocolCompression: boolean;
  /** Control characters that we must escape on an asynchronous line. */
  readonly asyncMap: number;
  readonly mppe: { readonly send: MppeDirection | undefined; readonly receive: MppeDirection | undefined };
}

export type PppEvent =
  /** A server's peer has shown itself: answer with `handleVerdict`. */
  | { readonly kind: 'claim'; readonly id: number; readonly claim: AuthClaim }
  /** Data may flow. */
  | { readonly kind: 'up'; readonly terms: PppTerms }
  /** Of a session that is up: addresses are other ones. Keys, framing and MTU never change. */
  | { readonly kind: 'changed'; readonly terms: PppTerms }
  /** The peer lost its place in stateful MPPE: the next packet to it must be flushed, behind the frames that wait now. */
  | { readonly kind: 'encryption-reset' }
  /** A decision or a peculiar peer, worth a debug line: offers and choices. */
  | { readonly kind: 'note'; readonly message: string; readonly fields: Readonly<Record<string, unknown>> }
  /** The last event. Nothing more will be sent; the carrier can close. */
  | { readonly kind: 'down'; readonly reason: CloseReason; readonly goodbye: Goodbye | undefined };

export interface PppStats {
  /** Frames or packets that break their layout. */
  malformed: number;
  /** Frames of a protocol that does not belong to the phase, and answers to nothing. */
  unexpected: number;
  /** Frames of protocols that we do not have; each got a Protocol-Reject. */
  unknown: number;
  /** Frames that were not sent, because the carrier did not take those before. */
  dropped: number;
}
