/**
 * The contracts between the rooms: a Transport makes Links, Admission decides who may have one, the tunnel core moves their packets.
 *
 * Types only. Addresses and networks are text in canonical form ("10.8.0.2", "fd00::/64"); the core turns them into keys once.
 */
import type { CloseReason, Endpoint, Instant, Logger, Millis, PacketBatch, Path, PeerCertificate } from '@culvert/base';

export type TransportName = string;

/** Who the peer is, and how it proved that. */
export interface Principal {
  readonly user: string;
  readonly groups: readonly string[];
  readonly certificate: PeerCertificate | undefined;
  readonly proofs: readonly ('certificate' | 'password' | 'token')[];
}

/**
 * An answer to our challenge: whoever holds the password (for MS-CHAPv2 its NT hash suffices) can tell that the peer knows it.
 * `username` is as the peer sent it; MS-CHAPv2 leaves a Windows domain ("OFFICE\\alice") out of its sums (RFC 2759, section 8.2).
 */
export type ChallengeResponse =
  | {
      readonly kind: 'chap-md5';
      readonly username: string;
      /** The packet's identifier, which is part of what was hashed (RFC 1994, section 4.1). */
      readonly id: number;
      readonly challenge: Uint8Array;
      /** 16 bytes. */
      readonly response: Uint8Array;
    }
  | {
      readonly kind: 'mschapv2';
      readonly username: string;
      /** 16 bytes each. */
      readonly authenticatorChallenge: Uint8Array;
      readonly peerChallenge: Uint8Array;
      /** 24 bytes. */
      readonly ntResponse: Uint8Array;
    };

/** What a peer shows. Passwords live here for the length of a call to Admission and nowhere else. */
export interface Claim {
  readonly transport: TransportName;
  readonly remote: Endpoint;
  /** Already verified against the transport's CA and CRL. */
  readonly certificate: PeerCertificate | undefined;
  readonly password: { readonly username: string; readonly password: string } | undefined;
  /** From transports whose peers prove a password without showing it. */
  readonly response?: ChallengeResponse | undefined;
  /** The peer makes its IPv6 addresses itself in a network of 64 bits, as PPP's do (RFC 5072, RFC 4862). @default false */
  readonly makesAddresses?: boolean | undefined;
  /** What the peer says of itself (OpenVPN's IV_*), for logs. */
  readonly peerInfo: ReadonlyMap<string, string>;
}

export interface InnerAddress {
  /** The link's address, and the prefix of the network it lies in. */
  readonly address: string;
  readonly prefix: number;
  /** The gateway's own address in that network. */
  readonly gateway: string;
  /** A network that is the link's alone, with `address` in it: its peer makes addresses there itself. @default the address alone */
  readonly ownNetwork?: string | undefined;
}

/** How a link is configured; on the gateway what the peer is told, on the client what the server told. */
export interface LinkConfig {
  readonly ipv4: InnerAddress | undefined;
  readonly ipv6: InnerAddress | undefined;
  /** The largest inner packet, in bytes. */
  readonly mtu: number;
  /** Networks that the client reaches through the tunnel. */
  readonly routes: readonly string[];
  /** The client sends all its traffic through the tunnel, by IP version. */
  readonly redirect: { readonly ipv4: boolean; readonly ipv6: boolean };
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] };
  /** Networks behind the client: the gateway routes them to this link, and accepts them as inner sources. */
  readonly networksBehind: readonly string[];
  /** Both ends send a keepalive after `interval` of silence and give up after `timeout` of it. */
  readonly keepalive: { readonly interval: Millis; readonly timeout: Millis };
  /** End the link after so long without traffic; undefined: never. Keepalives are not traffic. */
  readonly idleTimeout: Millis | undefined;
  /** End the link so long after it came up; undefined: never. */
  readonly sessionTimeout: Millis | undefined;
}

/**
 * What only the holder of a password (or of its NT hash) computes, so that transports never see either; what a method does not have is
 * undefined. Secret.
 */
export interface AuthMaterial {
  /** "S=" and 40 upper-case hexadecimal digits (RFC 2759, section 8.7): our own proof to the peer. */
  readonly authenticatorResponse: string | undefined;
  /** 16 bytes (RFC 3079, section 3.4). */
  readonly mppeMasterKey: Uint8Array | undefined;
}

export interface Admitted {
  readonly kind: 'admitted';
  readonly principal: Principal;
  readonly config: LinkConfig;
  /** Where the claim was an MS-CHAPv2 response. */
  readonly material?: AuthMaterial | undefined;
  /** Gives the lease and the session's place back. The transport calls it exactly once on every path, also when the link never comes up. */
  release(why: CloseReason): void;
}

export interface Challenge {
  readonly kind: 'challenge';
  readonly text: string;
  readonly echo: boolean;
}

export interface Refused {
  readonly kind: 'refused';
  /** For our log: the precise reason. */
  readonly reason: string;
  /** For the peer: what a stranger may know ("authentication failed"). */
  readonly tell: string;
  /**
   * What keeps an account out whose owner the peer has proven to be, who may know it: it is disabled, or not for this transport. Never set
   * where the proof failed or was not looked at, as it would tell strangers of accounts.
   */
  readonly account?: 'disabled' | 'barred' | undefined;
}

export interface Admission {
  admit(claim: Claim, signal: AbortSignal): Promise<Admitted | Challenge | Refused>;
  /** At a rekey: may this link go on? Admitted's config is ignored there and its `release` is a no-op. */
  reauthenticate(link: Link, claim: Claim, signal: AbortSignal): Promise<Admitted | Challenge | Refused>;
}

/** Cumulative counts of one link; `bytes` are inner packets', headers included. */
export interface LinkStats {
  packetsIn: number;
  bytesIn: number;
  packetsOut: number;
  bytesOut: number;
  /** Dropped by the transport: failed authentication, replays, full queues, more than the link's share. */
  droppedIn: number;
  droppedOut: number;
}

/** One authenticated and configured peer. "In" is from the peer to us. */
export interface Link {
  readonly id: number;
  readonly transport: TransportName;
  readonly principal: Principal;
  readonly config: LinkConfig;
  /** Where the peer is now; changes as it roams. */
  readonly path: Path;
  readonly since: Instant;
  readonly stats: LinkStats;
  /**
   * The largest inner packet that leaves as one whole outer packet, in bytes; larger ones are fragmented outside. TCP's segments are
   * clamped to it. Changes when the transport learns what the path takes, or the peer roams; read after each batch that is sent.
   * Undefined: the transport has no such edge (a stream).
   */
  readonly unfragmented?: number | undefined;
  /** What the two ends agreed on ("AES-256-GCM", "TLSv1.3"), for status and logs. */
  readonly facts: Readonly<Record<string, string>>;
  /** Counters of what is below: of its socket, where the link has one of its own, or of its protocols. */
  readonly wire?: Readonly<Record<string, number>> | undefined;
  /** Send the batch's packets to the peer. Never blocks, never throws for a lost packet, keeps nothing of the batch. */
  send(batch: PacketBatch): void;
  /** Where the peer's packets go. The batch is lent for the call. Set once, before the event loop turns. */
  onPackets(sink: (batch: PacketBatch) => void): void;
  update(config: LinkConfig): void;
  /** Whom to tell when the peer has changed `config`, as PPP's may: addresses come late, and go. Set once. @default that never happens */
  onReconfigured?(tell: () => void): void;
  /** Say goodbye and end. Resolves when nothing is left; later calls return the same promise. */
  close(why: CloseReason): Promise<void>;
  readonly closed: Promise<CloseReason>;
}

/** A step in the life of a link, or of a try that never became one. */
export type TransportEvent =
  | { readonly kind: 'attempt'; readonly id: number; readonly path: Path }
  | { readonly kind: 'refused'; readonly id: number; readonly path: Path; readonly reason: string }
  | { readonly kind: 'failed'; readonly id: number; readonly path: Path; readonly reason: CloseReason }
  | { readonly kind: 'rekeyed'; readonly id: number }
  | { readonly kind: 'roamed'; readonly id: number; readonly from: Path; readonly to: Path }
  /** What is probably in the way of a try that goes on: people should hear of it before it is over. */
  | { readonly kind: 'trouble'; readonly id: number; readonly reason: string }
  /** A decision worth a debug line: offers, choices, peculiar peers. */
  | {
      readonly kind: 'note';
      readonly id: number;
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };

/** Where a listener takes peers: `protocol` is what runs below the transport there ("udp", "tcp"), where it has a choice. */
export interface ListeningEndpoint extends Endpoint {
  readonly protocol?: string;
}

export interface Listener {
  readonly endpoints: readonly ListeningEndpoint[];
  /** Counters of what strangers did, by name. */
  readonly stats: Readonly<Record<string, number>>;
  /** Stops listening and ends every link of this listener with `why`. */
  close(why: CloseReason): Promise<void>;
}

/** What a transport can do. Where a capability is absent the compliance suite asserts the documented refusal. */
export interface Capabilities {
  readonly roaming: boolean;
  readonly rekey: boolean;
  readonly ipv6Outside: boolean;
  readonly ipv6Inside: boolean;
  /** Peers are told all of a LinkConfig. Without it they are told addresses and name servers, and nothing else. */
  readonly configures: boolean;
}

/** One way to carry IP packets between two authenticated peers. `ListenOptions` and `DialOptions` are the transport's own. */
export interface Transport<ListenOptions = unknown, DialOptions = unknown> {
  readonly name: TransportName;
  readonly capabilities: Capabilities;
  listen(
    at: ListenOptions,
    on: {
      readonly admission: Admission;
      onLink(link: Link): void;
      onEvent(event: TransportEvent): void;
      readonly log: Logger;
      readonly signal: AbortSignal;
    },
  ): Promise<Listener>;
  /** Resolves when the link is up and configured. Rejects with a CulvertError whose sentence says why not. */
  dial(
    to: DialOptions,
    on: { onEvent(event: TransportEvent): void; readonly log: Logger; readonly signal: AbortSignal },
  ): Promise<Link>;
}
