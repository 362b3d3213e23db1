/** What the driver gives an IKE endpoint and takes from it. */
import type { CloseReason, Instant, Logger, Millis, Path, RandomSource } from '@culvert/base';
import type { ChildSa, EspAlgorithms, EspMode, TrafficSelector } from '../../../child-sa.ts';
import type { IkeGroup } from '../../groups.ts';
import type { Identification } from '../identification.ts';
import type { NoneChosen } from '../offers.ts';
import type { Phase1Algorithms, Phase1Suite } from '../phase1-proposal.ts';
import type { SignatureMethod } from '../signature.ts';
import type { KeyExchange, KeyExchangeResult } from './key-exchange.ts';

/** Numbers of ours, never used twice by one endpoint. */
export type IkeSaId = number;
export type ChildId = number;

export interface AlgorithmPolicy {
  /** Also 3DES, MODP-1536 and MODP-1024: weak, for old Androids and Windows. @default false */
  readonly weak?: boolean | undefined;
  /** HMAC-SHA-256 cut to 96 bits, as old Androids do. @default false */
  readonly truncatedSha256?: boolean | undefined;
  /** What phase 1 offers and takes, the best first, and nothing else. @default what `phase1Suites` and `phase1Policy` say */
  readonly phase1?: readonly Phase1Algorithms[] | undefined;
  /** What phase 2 offers and takes, the best first, and nothing else. @default what `espOffer` and `espAlgorithms` say */
  readonly esp?: readonly EspAlgorithms[] | undefined;
}

export interface OwnCertificate {
  /** Ours first, then intermediates, in DER. */
  readonly chain: readonly Uint8Array[];
  /** `signatureMethod` tells that of a key. */
  readonly method: SignatureMethod;
  /** Its subject in DER: the identity that we show. */
  readonly subject: Uint8Array;
  /** Subjects in DER of the authorities that we trust: we ask for a certificate of theirs. */
  readonly authorities: readonly Uint8Array[];
}

export interface IkeLimits {
  /** First messages remembered before their sender showed that it gets our answers; the oldest makes room. @default 16_384 */
  readonly unproven: number;
  /** Of one source address. @default 64 */
  readonly unprovenPerSource: number;
  /**
   * Negotiations under way whose sender does get our answers. They cost a key exchange each. The oldest of the source that has most makes
   * room. Where none has more than the newcomer’s would have, only one that is some seconds old does: the newcomer is refused. @default 512
   */
  readonly halfOpen: number;
  /** Of one source address: many clients may sit behind one NAT. Its own oldest makes room once it is some seconds old. @default 32 */
  readonly halfOpenPerSource: number;
  /** Work of key exchanges that peers may cause at once after a quiet while, in milliseconds of one core (`exchangeCost`). @default 2000 */
  readonly exchangeBurst: number;
  /** What comes back of it each second. @default 500 */
  readonly exchangesPerSecond: number;
  /** Of one source address: an office of 60 behind one NAT comes back at once, whatever group it takes. @default 250 */
  readonly exchangeBurstPerSource: number;
  /** @default 50 */
  readonly exchangesPerSecondPerSource: number;
  /** Phase 1 SAs, those that stand and those under way; more are refused. @default 16_384 */
  readonly ikeSas: number;
  /** Of one source address. @default 512 */
  readonly ikeSasPerSource: number;
  /** Quick modes under way in one phase 1. @default 8 */
  readonly quickModes: number;
  /**
   * Messages that fail to decrypt or to authenticate in one negotiation. More are not looked at; what we began is given up, and what others
   * began keeps its place until its time is up, so that failing makes no room for the next. @default 8
   */
  readonly failures: number;
  /** Time for a negotiation from its first message. @default 30_000 */
  readonly negotiation: Millis;
}

export interface IkeOptions {
  readonly random: RandomSource;
  readonly logger: Logger;
  /** The key for a remote address; undefined: none. Main mode cannot choose it by identity, which comes encrypted with it. */
  readonly presharedKey?: ((remoteAddress: string) => Uint8Array | undefined) | undefined;
  readonly certificate?: OwnCertificate | undefined;
  /** @default the local address, or the certificate's subject */
  readonly identity?: Identification | undefined;
  readonly algorithms?: AlgorithmPolicy | undefined;
  /** An inbound SPI that no SA uses, at least 256. */
  allocateSpi(): number;
  /** An SPI that came to nothing. */
  releaseSpi?(spi: number): void;
  /** Make the peer carry ESP in UDP although there is no NAT. @default false */
  readonly forceEncapsulation?: boolean | undefined;
  /** Whether a peer may have these selectors. @default transport mode: yes, tunnel mode: no */
  acceptSelectors?(request: {
    readonly mode: EspMode;
    readonly local: TrafficSelector;
    readonly remote: TrafficSelector;
  }): boolean;
  /** Local ports. @default 500 and 4500 */
  readonly ports?: { readonly ike: number; readonly natTraversal: number } | undefined;
  readonly limits?: Partial<IkeLimits> | undefined;
  readonly lifetimes?: Partial<IkeLifetimes> | undefined;
  readonly deadPeerDetection?: Partial<DeadPeerDetection> | undefined;
}

export interface IkeLifetimes {
  /** @default 28_800 */
  readonly phase1Seconds: number;
  /** @default 3600 */
  readonly phase2Seconds: number;
  /** After so many bytes either way the initiator makes new keys. @default 2 ** 36 */
  readonly phase2Bytes: number;
  /**
   * No SA of either phase lives longer, whatever its peer asks for, who is told: one whose peer is gone without a word has an end.
   *
   * @default 86_400
   */
  readonly mostSeconds: number;
}

export interface DeadPeerDetection {
  /** Silence after which the peer is asked whether it lives. @default 30_000 */
  readonly idle: Millis;
  /** Between questions. @default 5000 */
  readonly interval: Millis;
  /** Unanswered questions after which it is dead. @default 5 */
  readonly questions: number;
}

export interface ChildRequest {
  readonly mode: EspMode;
  readonly local: TrafficSelector;
  readonly remote: TrafficSelector;
  /** For perfect forward secrecy. @default none: Windows and macOS refuse it */
  readonly group?: IkeGroup | undefined;
}

export interface ConnectOptions {
  /** From our port 500 to the peer's. */
  readonly path: Path;
  /** From our port 4500 to the peer's, for when there is a NAT. */
  readonly natPath: Path;
  readonly authentication: 'pre-shared-key' | 'certificate';
  readonly child: ChildRequest;
}

/** Slow, pure: may run on another thread. Hand its result to `handleWorkDone`. */
export type IkeWork =
  /** `exchangeKeys(request)`, or of what is asked for `once` the same with another private value; done with its result. */
  | { readonly kind: 'key-exchange'; readonly id: number; readonly request: KeyExchange }
  /** `signHash(method, key, hash)`; done with its result. */
  | { readonly kind: 'sign'; readonly id: number; readonly method: SignatureMethod; readonly hash: Uint8Array }
  /**
   * Done with true when the chain is trusted, its first certificate names `identity`, and `verifyHash(method, its key, hash, signature)`;
   * else with a plain sentence.
   */
  | {
      readonly kind: 'verify';
      readonly id: number;
      readonly method: SignatureMethod;
      readonly hash: Uint8Array;
      readonly signature: Uint8Array;
      readonly identity: Identification;
      /** What is to be X.509 in DER: the peer's own first, at least one, at most eight. */
      readonly certificates: readonly Uint8Array[];
    };

export type IkeWorkResult = KeyExchangeResult | Uint8Array | true | string | typeof workDropped | undefined;

/** The result of work that nobody will do: there is too much of it. */
export const workDropped: unique symbol = Symbol('dropped');

export type IkeEvent =
  /** Phase 1 stands: the peer is who it says. */
  | {
      readonly kind: 'established';
      readonly ikeSa: IkeSaId;
      readonly role: 'initiator' | 'responder';
      readonly path: Path;
      readonly identity: Identification;
      /** Whether the identity is proven; with a pre-shared key it is what the peer says of itself. */
      readonly authentication: 'pre-shared-key' | 'certificate';
      readonly suite: Phase1Suite;
      /** DER, the peer's own first; empty with a pre-shared key. */
      readonly certificates: readonly Uint8Array[];
      readonly localBehindNat: boolean;
      readonly remoteBehindNat: boolean;
    }
  /** It took the place of these, some of which may be gone: their children are its own. */
  | { readonly kind: 'succeeded'; readonly ikeSa: IkeSaId; readonly from: readonly IkeSaId[] }
  /** What we dialled is probably in vain, and why. It goes on until its time is up; told once. */
  | { readonly kind: 'suspected'; readonly ikeSa: IkeSaId; readonly code: IkeFailure; readonly detail: string }
  /** Phase 1 did not come to be, or ended. Its children are told of before. */
  | {
      readonly kind: 'closed';
      readonly ikeSa: IkeSaId;
      readonly role: 'initiator' | 'responder';
      readonly path: Path;
      readonly code: IkeFailure;
      readonly reason: CloseReason;
    }
  /** A pair of SAs to receive by at once. To send by only after `child-ready`, or when ESP came in by it. */
  | {
      readonly kind: 'child-created';
      readonly ikeSa: IkeSaId;
      readonly child: ChildId;
      readonly sa: ChildSa;
      readonly path: Path;
      /** Address of the peer before NAT, for its checksums (RFC 3948, section 3.1.2). */
      readonly peerOriginal: string | undefined;
      /** Of the same selectors; keep receiving by it until it is deleted. */
      readonly replaces: ChildId | undefined;
    }
  | { readonly kind: 'child-ready'; readonly child: ChildId }
  | { readonly kind: 'child-deleted'; readonly child: ChildId; readonly by: 'peer' | 'us' | 'expiry' }
  /** A quick mode came to nothing. */
  | {
      readonly kind: 'child-failed';
      readonly ikeSa: IkeSaId;
      readonly code: IkeFailure;
      readonly detail: string;
      /** Where there was no proposal in common. */
      readonly offers?: NoneChosen | undefined;
    }
  /** The peer's address changed, proven by a message under its keys: ESP goes there too. */
  | { readonly kind: 'moved'; readonly ikeSa: IkeSaId; readonly path: Path }
  /** A first message was refused, and why; both offers in the detail. Not more often than people can read (`Telling`). */
  | {
      readonly kind: 'refused';
      readonly path: Path;
      readonly code: IkeFailure;
      readonly detail: string;
      /** Where there was no proposal in common. */
      readonly offers?: NoneChosen | undefined;
    };

export type IkeFailure =
  | 'no-proposal'
  | 'wrong-key'
  | 'no-key'
  | 'authentication'
  | 'aggressive-mode'
  | 'selectors'
  | 'timeout'
  | 'dead-peer'
  | 'peer-deleted'
  | 'closed'
  | 'expired'
  | 'busy'
  | 'protocol';

export const defaultLimits: IkeLimits = {
  unproven: 16_384,
  unprovenPerSource: 64,
  halfOpen: 512,
  halfOpenPerSource: 32,
  exchangeBurst: 2000,
  exchangesPerSecond: 500,
  exchangeBurstPerSource: 250,
  exchangesPerSecondPerSource: 50,
  ikeSas: 16_384,
  ikeSasPerSource: 512,
  quickModes: 8,
  failures: 8,
  negotiation: 30_000,
};

export const defaultLifetimes: IkeLifetimes = {
  phase1Seconds: 28_800,
  phase2Seconds: 3600,
  phase2Bytes: 2 ** 36,
  mostSeconds: 86_400,
};

export const defaultDeadPeerDetection: DeadPeerDetection = { idle: 30_000, interval: 5000, questions: 5 };

export function later(now: Instant, by: Millis): Instant {
  return (now + by) as Instant;
}
