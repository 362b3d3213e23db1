/**
 * The shapes at the face of this package: what a session needs, what it tells, and how a link is configured.
 *
 * Types only. `PushedConfig` has the fields of the core's LinkConfig, so that either can be handed where the other is wanted.
 */
import type {
  CloseReason,
  Instant,
  Logger,
  Millis,
  Path,
  PeerCertificate,
  RandomSource,
  WallClock,
} from '@culvert/base';
import type { AeadName, OpenvpnAeadKey } from '@culvert/cipher';
import type { TlsEngine } from '@culvert/tls';
import type { SessionStart } from './session-start.ts';

export type { AeadName } from '@culvert/cipher';

export interface InnerAddress {
  readonly address: string;
  readonly prefix: number;
  readonly gateway: string;
}

/** How a link is configured: what a server pushes, and what a client was told. Addresses and networks are canonical text. */
export interface PushedConfig {
  readonly ipv4: InnerAddress | undefined;
  readonly ipv6: InnerAddress | undefined;
  /** The largest inner packet, in bytes. */
  readonly mtu: number;
  readonly routes: readonly string[];
  readonly redirect: { readonly ipv4: boolean; readonly ipv6: boolean };
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] };
  /** Never on the wire: a server's own knowledge. A client always has none. */
  readonly networksBehind: readonly string[];
  readonly keepalive: { readonly interval: Millis; readonly timeout: Millis };
  readonly idleTimeout: Millis | undefined;
  readonly sessionTimeout: Millis | undefined;
}

/** How a server's control channel is wrapped. */
export type ServerWrap =
  | { readonly kind: 'none' }
  /** The 256 bytes of a static key file. */
  | { readonly kind: 'tls-crypt'; readonly key: Uint8Array }
  | {
      readonly kind: 'tls-crypt-v2';
      /** The 128 bytes of a server key file. */
      readonly serverKey: Uint8Array;
      /** A tls-crypt key that is accepted beside it: clients on their way from v1 to v2. */
      readonly also?: Uint8Array | undefined;
      /** Judges the metadata of an unwrapped client key. @default every authentic key is accepted */
      readonly verifyMetadata?:
        | ((metadata: { readonly type: number; readonly bytes: Uint8Array }) => boolean)
        | undefined;
      /** Keep state for clients before 2.6, which cannot resend their wrapped key. @default false */
      readonly statefulFallback?: boolean | undefined;
    };

/** How a client's control channel is wrapped. */
export type ClientWrap =
  | { readonly kind: 'none' }
  | { readonly kind: 'tls-crypt'; readonly key: Uint8Array }
  /** The two parts of a client key file: 256 bytes of key, and that key wrapped for the server. */
  | { readonly kind: 'tls-crypt-v2'; readonly clientKey: Uint8Array; readonly wrapped: Uint8Array };

/** One direction of one data key. */
export type DataKey = Pick<OpenvpnAeadKey, 'seal' | 'openTrain' | 'skipped' | 'close'>;

export type CreateDataKey = (options: {
  readonly cipher: AeadName;
  readonly key: Uint8Array;
  /** 8 bytes. */
  readonly implicitIv: Uint8Array;
  readonly format: 'v1' | 'v2';
}) => DataKey;

/** What both roles need. Times are milliseconds. */
export interface SessionOptions {
  readonly path: Path;
  /** Over TCP the driver frames packets; nothing is retransmitted and nothing roams. */
  readonly protocol: 'udp' | 'tcp';
  readonly random: RandomSource;
  readonly wallClock: WallClock;
  /** Called once for each key exchange, when its first TLS bytes are due. The session closes what it got. */
  readonly createTls: () => TlsEngine;
  readonly createDataKey?: CreateDataKey | undefined;
  /** In order of preference. @default AES-256-GCM, AES-128-GCM, CHACHA20-POLY1305 */
  readonly dataCiphers?: readonly AeadName[] | undefined;
  readonly now: Instant;
  readonly log?: Logger | undefined;
  /** A key exchange may take so long. @default 60_000 */
  readonly handshakeWindow?: Millis | undefined;
  /** Make a new key so long after the last; 0: never by time. @default 3_600_000 */
  readonly renegotiateAfter?: Millis | undefined;
  /** Make a new key after so many inner bytes or packets, both directions together. @default 2 ** 39 bytes, 2 ** 31 packets */
  readonly renegotiateBytes?: number | undefined;
  readonly renegotiatePackets?: number | undefined;
  /** How long an old key still opens packets. @default 3_600_000, or renegotiateAfter where that is shorter */
  readonly transitionWindow?: Millis | undefined;
  /** First retransmission of a control packet; it doubles from there. @default 2_000 */
  readonly tlsTimeout?: Millis | undefined;
  /** Data packets that may arrive out of order; rounded up to a multiple of 32. @default 64 */
  readonly replayWindow?: number | undefined;
  /** What the reader of opened virtio batches takes joined: bits of cipher's `Join`. @default Join.tcp */
  readonly join?: number | undefined;
  /** The largest control datagram, without IP and UDP headers. @default 1_200 */
  readonly maxControlBytes?: number | undefined;
  /** The tun-mtu in our options string, and what a client allows a server to push at most. @default 1_500 */
  readonly tunMtu?: number | undefined;
}

export interface ServerSessionOptions extends SessionOptions {
  /** What the Acceptor judged: ids, wrap, and the packet that is still to be processed. */
  readonly start: SessionStart;
  /** 24 bits, 0xFFFFFF excluded; unique among the driver's live sessions. */
  readonly peerId: number;
  /** Turn away clients whose data packets carry no peer id (DATA_V1): nothing else tells the driver whose they are. @default false */
  readonly needsPeerIds?: boolean | undefined;
}

export interface ClientSessionOptions extends SessionOptions {
  readonly wrap: ClientWrap;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** More lines of peer info (`IV_PLAT`, `UV_…`); they win over ours. */
  readonly peerInfo?: Readonly<Record<string, string>> | undefined;
  /** `IV_VER`. */
  readonly version?: string | undefined;
}

export type SessionEvent =
  /** A server's peer has shown itself: answer with `admit` or `refuse`, or with `reauthenticated` where `initial` is false. */
  | {
      readonly kind: 'claim';
      readonly certificate: PeerCertificate | undefined;
      readonly username: string | undefined;
      readonly password: string | undefined;
      readonly peerInfo: ReadonlyMap<string, string>;
      readonly initial: boolean;
    }
  /** Configured, and data keys are ready. `peerId` is undefined for a peer that sends DATA_V1. */
  | { readonly kind: 'up'; readonly config: PushedConfig; readonly peerId: number | undefined }
  /** A client: the server changed the configuration of a session that is up. */
  | { readonly kind: 'config'; readonly config: PushedConfig }
  /** A new data key is in use. */
  | { readonly kind: 'rekeyed' }
  /** A decision or a peculiar peer, worth a debug line. */
  | { readonly kind: 'note'; readonly message: string; readonly fields: Readonly<Record<string, unknown>> }
  /** The last event. Nothing more will be sent. */
  | { readonly kind: 'closed'; readonly reason: CloseReason };

/** What a session counted. "In" is from the peer to us; bytes are inner packets', headers included. */
export interface SessionStats {
  /** Control datagrams that were not what they should be, failed their wrap, or were replayed there. */
  malformed: number;
  unauthenticated: number;
  replayed: number;
  /** Control packets sent again, and those that came again. */
  retransmits: number;
  duplicates: number;
  packetsIn: number;
  bytesIn: number;
  packetsOut: number;
  bytesOut: number;
  /** Data datagrams: wrong tag, replay, no such key, a framing we refuse. */
  dataUnauthenticated: number;
  dataReplayed: number;
  dataNoKey: number;
  dataRefused: number;
  /** Inner packets that could not be sent: no key yet, or no packet ids left. */
  droppedOut: number;
}
